"""What is spoken in lines: scripts, dashboard, side door; poses and parameters."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_env.core.kinematics import position_jacobian, transform_of_tool0
from ur5_rl_env.core.task import START_POSE_RAD
from ur5_sim.core.config import ControllerConfig
from ur5_sim.core.controller.dashboard import Dashboard
from ur5_sim.core.controller.modes import RuntimeState
from ur5_sim.core.controller.robot import VirtualRobot
from ur5_sim.core.controller.script_text import Script, ScriptReader, statement
from ur5_sim.core.controller.side_door import SideDoor
from ur5_sim.core.controller.tool_pose import (
    composed,
    rotation_of_vector,
    tool_pose,
    tool_speed,
    vector_of_rotation,
)

angles = st.lists(st.floats(-3.0, 3.0), min_size=6, max_size=6)


def run(robot, duration_s):
    for _ in range(robot.plant.cycles(duration_s)):
        robot.tick(0)


# Scripts --------------------------------------------------------------------------------

PROGRAM = (
    "def move():\n\tmovej([0,0,0,0,0,0], a=1.4, v=1.05)\n  def inner():\n  end\nend\n"
)


@given(cut=st.integers(0, len(PROGRAM)))
def test_a_program_ends_with_end_in_the_first_column(cut):
    reader = ScriptReader()
    scripts = reader.feed(PROGRAM[:cut].encode()) + reader.feed(PROGRAM[cut:].encode())
    assert [script.name for script in scripts] == ["move"]
    assert len(scripts[0].lines) == 3


def test_a_secondary_program_is_one_program():
    text = b"sec lamp():\n  set_digital_out(1, True)\nend\nstopj(2)\n"
    secondary, line = ScriptReader().feed(text)
    assert secondary == Script("lamp", ("  set_digital_out(1, True)",), is_secondary=True)
    assert line == Script("line", ("stopj(2)",))


def test_a_line_outside_is_a_program():
    scripts = ScriptReader().feed(b"\nspeedj([0,0,0,0,0,0],1.4,0.1)\r\nstopj(2)\n")
    assert [script.lines for script in scripts] == [
        ("speedj([0,0,0,0,0,0],1.4,0.1)",),
        ("stopj(2)",),
    ]


def test_fault_a_script_without_an_end_is_refused():
    reader = ScriptReader()
    with pytest.raises(ValueError, match="1000000 bytes"):
        for _ in range(20):
            reader.feed(b"x" * 65536)


def test_statement_arguments_by_place_and_by_name():
    step = statement("  movej([1, -2.5], a=1.4, v=1)  ")
    assert step.name == "movej"
    assert step.argument(0, "q") == [1, -2.5]
    assert step.argument(1, "a") == 1.4
    assert step.argument(5, "r", 0.0) == 0.0
    assert statement("f(0 +24, True)").positional == (24, True)
    with pytest.raises(ValueError, match="argument q is missing"):
        statement("movej(a=1)").argument(0, "q")


@pytest.mark.parametrize(
    "line",
    ["x = 3", "while (True):", "movej(get_q())", "__import__('os').system('x')", ""],
)
def test_fault_more_than_a_plain_call_is_refused(line):
    with pytest.raises(ValueError, match="cannot run the script line"):
        statement(line)


def test_plain_program_runs_line_by_line():
    robot = VirtualRobot(ControllerConfig(start_pose_rad=(0.0,) * 6))
    lines = (
        "\twrite_output_integer_register(0 +12, 1)",
        "\tspeedj([0.1,0,0,0,0,0], a=10, t=0.8) # comment",
        "",
        "\tstopj(10)",
        "\tsleep(0.4)",
        "\tmovej([0,0,0,0,0,0], a=1.4, v=1.05)",
        "\twrite_output_float_register(3, 2.5)",
    )
    assert robot.load(Script("plain", lines))
    run(robot, 0.5)
    assert robot.plant.target_qd[0] == 0.1
    assert robot.outputs.ints[12] == 1
    run(robot, 0.5)
    assert robot.plant.target_q[0] == pytest.approx(0.08, abs=0.002)
    run(robot, 2.0)
    assert robot.plant.target_q == (0.0,) * 6
    assert robot.outputs.doubles[3] == 2.5
    assert robot.runtime_state is RuntimeState.STOPPED


def test_halt_ends_the_program_and_says_so():
    robot = VirtualRobot(ControllerConfig())
    assert robot.load(Script("plain", ("halt()", "write_output_integer_register(0, 1)")))
    run(robot, 0.1)
    assert robot.runtime_state is RuntimeState.STOPPED
    assert robot.recent_events[-1].endswith("ended by an error: halt")
    assert robot.outputs.ints[0] == 0


# Dashboard ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("robotmode", "Robotmode: RUNNING"),
        ("SafetyMode", "Safetymode: NORMAL"),
        ("power on", "Powering on"),
        ("brake release", "Brake releasing"),
        ("power off", "Powering off"),
        ("running", "Program running: false"),
        ("stop", "Stopped"),
        ("play", "Failed to execute: play"),
        ("pause", "Failed to execute: pause"),
        ("restart safety", "Restarting safety"),
        ("close popup", "closing popup"),
        ("close safety popup", "closing safety popup"),
        ("popup hello", "showing popup"),
        ("addToLog hello", "Added log message"),
        ("get robot model", "UR5"),
        ("get loaded program", "No program loaded"),
        ("load x.urp", "File not found: x.urp"),
        ("quit", "Disconnected"),
        ("is in remote control", 'could not understand: "is in remote control"'),
        ("dance", 'could not understand: "dance"'),
    ],
)
def test_dashboard_is_worded_as_on_a_cb3(line, reply):
    assert Dashboard(VirtualRobot(ControllerConfig())).answer(line) == reply


def test_dashboard_of_the_e_series_knows_more():
    dashboard = Dashboard(VirtualRobot(ControllerConfig(series="e-series")))
    assert dashboard.answer("is in remote control") == "true"
    assert dashboard.answer("get serial number").isdigit()
    assert dashboard.answer("PolyscopeVersion").startswith("URSoftware 5.12.4.")


def test_dashboard_unlocks_after_five_seconds_only():
    robot = VirtualRobot(ControllerConfig())
    dashboard = Dashboard(robot)
    nothing = dashboard.answer("unlock protective stop")
    assert nothing == "Failed to execute: unlock protective stop"
    robot.protective_stop("test")
    run(robot, 4.9)
    robot.safeguard_stop()
    assert dashboard.answer("unlock protective stop").startswith("Cannot unlock")
    run(robot, 0.2)
    assert dashboard.answer("unlock protective stop") == "Protective stop releasing"


# Side door ------------------------------------------------------------------------------


class FakeLink:
    """Notes what the side door does to the network."""

    def __init__(self):
        self.calls = []

    def drop_link(self, duration_s):
        self.calls.append(("drop", duration_s))

    def stall_link(self, duration_s):
        self.calls.append(("stall", duration_s))

    def counters(self):
        return {"late_ticks": 0}


@pytest.fixture
def side_door():
    return SideDoor(VirtualRobot(ControllerConfig()), FakeLink())


def ask(side_door, line):
    return json.loads(side_door.answer(line))


@pytest.mark.parametrize(
    ("line", "safety_mode"),
    [
        ("protective_stop", "PROTECTIVE_STOP"),
        ("safeguard_stop", "SAFEGUARD_STOP"),
        ("emergency_stop", "ROBOT_EMERGENCY_STOP"),
        ("state", "NORMAL"),
    ],
)
def test_side_door_stops_the_arm(side_door, line, safety_mode):
    assert ask(side_door, line)["safety_mode"] == safety_mode


def test_side_door_takes_stops_back(side_door):
    ask(side_door, "safeguard_stop")
    assert ask(side_door, "release_safeguard_stop")["safety_mode"] == "NORMAL"
    ask(side_door, "emergency_stop")
    state = ask(side_door, "release_emergency_stop")
    assert (state["safety_mode"], state["robot_mode"]) == ("NORMAL", "POWER_OFF")


def test_side_door_gives_the_reason_and_the_truth(side_door):
    state = ask(side_door, "protective_stop hit a table")
    assert state["safety_reason"] == "hit a table"
    assert state["q"] == list(START_POSE_RAD)
    assert state["tick"] == 0


def test_side_door_commands_the_link():
    link = FakeLink()
    side_door = SideDoor(VirtualRobot(ControllerConfig()), link)
    for line in ("drop_link", "drop_link 2.5", "stall 0.3"):
        assert "error" not in ask(side_door, line)
    assert link.calls == [("drop", 0.0), ("drop", 2.5), ("stall", 0.3)]


@pytest.mark.parametrize("line", ["stall x", "drop_link -1", "stall nan", "stall 1e9"])
def test_fault_bad_number_at_the_side_door(side_door, line):
    assert "needs a number in [0, 3600]" in ask(side_door, line)["error"]


def test_fault_unknown_side_door_line_names_what_there_is(side_door):
    assert "protective_stop" in ask(side_door, "fly")["error"]


# Poses ----------------------------------------------------------------------------------


@given(q=angles)
def test_pose_is_that_of_the_kinematics_turned_by_180_degrees(q):
    pose = tool_pose(q)
    transform = np.diag([-1.0, -1.0, 1.0, 1.0]) @ transform_of_tool0(q)
    np.testing.assert_allclose(pose[:3], transform[:3, 3], atol=1e-12)
    rotation = np.reshape(rotation_of_vector(pose[3:]), (3, 3))
    np.testing.assert_allclose(rotation, transform[:3, :3], atol=1e-9)


@given(
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(
        lambda a: sum(x * x for x in a) > 0.01
    ),
    angle=st.floats(1e-6, math.pi),
)
def test_rotation_vector_there_and_back(axis, angle):
    vector = np.array(axis) / np.linalg.norm(axis) * angle
    back = vector_of_rotation(rotation_of_vector(vector))
    there = rotation_of_vector(vector), rotation_of_vector(back)  # +-pi are the same
    np.testing.assert_allclose(*there, atol=1e-7)
    assert np.linalg.norm(back) <= math.pi + 1e-9


@given(q=angles, qd=angles)
def test_tool_speed_is_the_jacobian_times_the_joint_speeds(q, qd):
    linear = np.diag([-1, -1, 1]) @ position_jacobian(q) @ qd
    np.testing.assert_allclose(tool_speed(q, qd)[:3], linear, atol=1e-5)


def test_angular_speed_by_hand():
    speed = tool_speed(START_POSE_RAD, (0.5, 0, 0, 0, 0, 0))
    assert speed[3:] == pytest.approx((0.0, 0.0, 0.5), abs=1e-6)


def test_offset_is_along_the_tool():
    q = (0.0, -math.pi / 2, 0.0, 0.0, 0.0, 0.0)
    flange, tool = tool_pose(q), tool_pose(q, (0.0, 0.0, 0.1, 0.0, 0.0, 0.0))
    forward = np.reshape(rotation_of_vector(flange[3:]), (3, 3))[:, 2]
    np.testing.assert_allclose(np.subtract(tool, flange)[:3], 0.1 * forward, atol=1e-12)
    assert tool[3:] == pytest.approx(flange[3:])


def test_composition_by_hand():
    quarter = math.pi / 2
    pose = composed((1, 2, 3, 0, 0, quarter), (1, 0, 0, 0, 0, quarter))
    assert pose == pytest.approx((1, 3, 3, 0, 0, math.pi))


# Parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"address": "192.168.1.10"}, "allow_non_loopback"),
        ({"address": "0.0.0.0"}, "allow_non_loopback"),
        ({"address": "localhost"}, "IPv4"),
        ({"series": "cb2"}, "series must be one of"),
        ({"start_pose_rad": (0.0,) * 5}, "start_pose_rad must be 6"),
        ({"start_pose_rad": (0.0,) * 5 + (7.0,)}, r"\+-2 pi"),
        ({"start_pose_rad": (0.0,) * 5 + (math.nan,)}, r"\+-2 pi"),
        ({"unlock_delay_s": -1.0}, "unlock_delay_s"),
        ({"power_step_s": math.nan}, "power_step_s"),
        ({"packet_jitter_s": 61.0}, "packet_jitter_s"),
        ({"packet_skip_probability": 1.0}, "packet_skip_probability"),
        ({"side_door_port": 70000}, "side_door_port"),
        ({"realtime_priority": 100}, "realtime_priority"),
    ],
)
def test_fault_bad_parameter_is_named(params, message):
    with pytest.raises(ValueError, match=message):
        ControllerConfig(**params)


def test_other_addresses_only_when_asked_for():
    config = ControllerConfig(address="192.168.1.10", allow_non_loopback=True)
    assert config.address == "192.168.1.10"
