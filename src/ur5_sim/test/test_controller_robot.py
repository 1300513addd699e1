"""The virtual robot cycle by cycle: programs, commands, stops. No sockets, no clock."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ur5_sim.core.config import ControllerConfig
from ur5_sim.core.controller.commands import Command
from ur5_sim.core.controller.fields import OUTPUT_FIELDS, OutputRecipe
from ur5_sim.core.controller.modes import RobotMode, RuntimeState, SafetyMode
from ur5_sim.core.controller.robot import VirtualRobot
from ur5_sim.core.controller.script_text import Script

CYCLE_S = 0.008
CONTROL_SCRIPT = (
    "    global reg_offset_int = # int register offset",
    "0    global force_mode_type = 2",
    "    def exec_move_path():",
    "        # inject move path",
    "    end",
)
READY, DONE = 1, 2


class Client:
    """Writes registers as ur_rtde does, and lets control cycles pass."""

    def __init__(self, offset=0, **params):
        self.robot = VirtualRobot(ControllerConfig(**params))
        self.offset = offset

    def upload(self, lines=CONTROL_SCRIPT):
        assert self.robot.load(Script("rtde_control", tuple(lines)))
        self.pass_s(0.048)
        assert self.robot.runtime_state is RuntimeState.PLAYING
        return self

    def pass_cycles(self, count):
        for _ in range(count):
            self.robot.tick(self.robot.plant.cycle)

    def pass_s(self, duration_s):
        self.pass_cycles(self.robot.plant.cycles(duration_s))

    def send(self, command, *doubles, flag=0):
        values = {
            f"input_int_register_{self.offset}": int(command),
            f"input_int_register_{self.offset + 1}": flag,
        }
        for n, value in enumerate(doubles):
            values[f"input_double_register_{self.offset + n}"] = value
        self.robot.inputs.write(values)

    def clear(self):
        self.robot.inputs.write({f"input_int_register_{self.offset}": 0})

    @property
    def state(self):
        return self.robot.outputs.ints[self.offset]

    def call(self, command, *doubles, flag=0, most_s=20.0):
        """Send a command and wait for its acknowledgement; return cycles to DONE."""
        self.send(command, *doubles, flag=flag)
        for cycles in range(1, self.robot.plant.cycles(most_s)):
            self.pass_cycles(1)
            if self.state == DONE:
                self.clear()
                self.pass_cycles(2)
                assert self.state == READY
                return cycles
        raise AssertionError(f"command {command} was never done")

    def speedj(self, *qd, acceleration=5.0, duration_s=CYCLE_S):
        qd = (*qd, *(0.0,) * (6 - len(qd)))
        self.send(Command.SPEEDJ, *qd, acceleration, duration_s)

    @property
    def qd(self):
        return self.robot.plant.target_qd


@pytest.fixture
def client():
    return Client(start_pose_rad=(0.0,) * 6).upload()


# The register protocol ------------------------------------------------------------------


def test_a_command_takes_four_cycles_there_and_back(client):
    # Sent and cleared take two cycles each: the 32 ms that a real CB3 shows.
    assert client.call(Command.IS_STEADY) == 2


def test_a_command_is_executed_once_until_it_is_cleared(client):
    client.send(Command.SET_PAYLOAD, 1.5, 0.0, 0.0, 0.1)
    client.pass_cycles(2)
    client.robot.payload_kg = 0.0
    client.pass_cycles(5)
    assert client.robot.payload_kg == 0.0


def test_results_arrive_with_the_acknowledgement(client):
    client.call(Command.JOINTS_WITHIN_LIMITS, *(6.3,) * 6)
    assert client.robot.outputs.ints[1] == 1
    client.call(Command.JOINTS_WITHIN_LIMITS, 0, 0, 6.4, 0, 0, 0)
    assert client.robot.outputs.ints[1] == 0
    client.call(Command.SET_TCP, 0.0, 0.0, 0.1, 0.0, 0.0, 0.0)
    client.call(Command.TCP_OFFSET)
    assert client.robot.outputs.doubles[:6] == [0.0, 0.0, 0.1, 0.0, 0.0, 0.0]


def test_upper_registers_work_alike():
    lines = [line.replace("0    global", "24    global") for line in CONTROL_SCRIPT]
    client = Client(offset=24).upload(lines)
    client.call(Command.SET_PAYLOAD, 2.0)
    assert client.robot.payload_kg == 2.0
    assert client.robot.outputs.ints[0] == 0


def test_poses_compose(client):
    quarter = math.pi / 2
    client.call(Command.POSE_TRANS, 1, 0, 0, 0, 0, quarter, 1, 0, 0, 0, 0, quarter)
    pose = client.robot.outputs.doubles[:6]
    assert pose == pytest.approx([1, 1, 0, 0, 0, math.pi])


@pytest.mark.parametrize("command", [3, 10, 24, 46, 200])
def test_fault_what_is_not_simulated_ends_the_program_and_says_so(client, command):
    client.send(command)
    client.pass_cycles(2)
    assert client.robot.runtime_state is RuntimeState.STOPPED
    assert f"command {command}" in client.robot.recent_events[-1]


def test_stop_script_ends_the_program_and_the_motion(client):
    client.speedj(0.5)
    client.pass_s(0.3)
    client.send(Command.STOP_SCRIPT)
    client.pass_cycles(2)
    assert client.robot.runtime_state is RuntimeState.STOPPED
    client.pass_s(0.2)
    assert client.robot.plant.is_still


# Speed ----------------------------------------------------------------------------------


def test_speedj_moves_from_the_second_cycle_on(client):
    client.speedj(0.5)
    client.pass_cycles(1)
    assert client.qd[0] == 0.0
    client.pass_cycles(1)
    assert client.qd[0] == pytest.approx(5.0 * CYCLE_S)


def test_hazard_speedj_goes_on_for_ever(client):
    client.speedj(0.1)
    client.pass_s(5.0)
    assert client.qd[0] == 0.1


def test_speedj_holds_on_to_a_speed_for_its_time(client):
    client.speedj(0.5, acceleration=40.0, duration_s=10 * CYCLE_S)
    client.pass_cycles(3)
    client.speedj(-0.5, acceleration=40.0, duration_s=10 * CYCLE_S)
    client.pass_cycles(8)  # ten cycles from the first one, which was two after sending
    assert client.qd[0] == 0.5
    client.pass_cycles(1)
    assert client.qd[0] < 0.5


def test_speedj_without_a_time_holds_on_until_the_speed_is_reached(client):
    client.speedj(1.0, acceleration=2.0, duration_s=0.0)
    client.pass_cycles(3)
    client.speedj(-1.0, acceleration=2.0, duration_s=0.0)
    client.pass_s(0.4)
    assert client.qd[0] > 0.5  # still on the way to the first speed
    client.pass_s(1.5)
    assert client.qd[0] == -1.0


def test_speed_stop_is_done_when_the_arm_has_stopped(client):
    client.speedj(0.5)
    client.pass_s(0.3)
    cycles = client.call(Command.SPEED_STOP, 2.0)
    assert cycles == pytest.approx(2 + 0.5 / 2.0 / CYCLE_S, abs=1.5)
    assert client.qd == (0.0,) * 6


def test_servoj_and_servo_stop(client):
    client.send(Command.SERVOJ, 0.2, 0, 0, 0, 0, 0, 0, 0, CYCLE_S, 0.1, 300.0)
    client.pass_s(1.0)
    assert client.robot.plant.q[0] == pytest.approx(0.2, abs=1e-3)
    client.call(Command.SERVO_STOP, 5.0)
    client.call(Command.MOVEJ, *(0.0,) * 6, 1.0, 1.0)
    assert client.robot.plant.target_q == (0.0,) * 6


@pytest.mark.parametrize("command", [Command.MOVEJ, Command.STOPJ])
def test_fault_moving_from_two_threads_ends_the_program(client, command):
    client.speedj(0.2)
    client.pass_s(0.2)
    client.send(command, *(1.0,) * 8)
    client.pass_cycles(2)
    assert client.robot.runtime_state is RuntimeState.STOPPED
    assert "another thread is already controlling" in client.robot.recent_events[-1]
    client.pass_s(0.2)
    assert client.robot.plant.is_still


def test_fault_not_a_number_ends_the_program(client):
    client.speedj(math.nan)
    client.pass_cycles(2)
    assert client.robot.runtime_state is RuntimeState.STOPPED
    assert "finite" in client.robot.recent_events[-1]


def test_fault_a_speed_held_for_ever_ends_the_program(client):
    client.speedj(0.1, duration_s=math.inf)
    client.pass_cycles(2)
    assert client.robot.runtime_state is RuntimeState.STOPPED
    assert "duration must be finite, got inf s" in client.robot.recent_events[-1]


@pytest.mark.parametrize("bad", [math.inf, math.nan, 1e200])
def test_fault_a_tool_that_cannot_be_ends_the_program(client, bad):
    client.send(Command.SET_TCP, 0.0, 0.0, 0.1, bad, 0.0, 0.0)
    client.pass_cycles(2)
    assert "tcp offset must be within +-10 m and rad" in client.robot.recent_events[-1]
    assert client.robot.tcp_offset == (0.0,) * 6


def test_fault_an_error_of_the_simulation_ends_the_program_only(client, monkeypatch):
    monkeypatch.setattr(client.robot.program, "step", lambda: {}["register"])
    client.speedj(0.1)
    client.pass_cycles(2)
    assert client.robot.runtime_state is RuntimeState.STOPPED
    assert (
        "ended by an error of the simulation: KeyError"
        in (client.robot.recent_events[-1])
    )
    client.upload()


EVERYTHING = OutputRecipe(1, list(OUTPUT_FIELDS.values()))
numbers = st.floats(width=64) | st.sampled_from((0.0, 0.008, 0.1, 1.0, 1e308, math.inf))


@given(
    commands=st.lists(
        st.tuples(st.sampled_from(Command), st.lists(numbers, max_size=18)), max_size=4
    ),
)
@example([(Command.SET_TCP, [0.0, 0.0, 0.0, math.inf])])
@example([(Command.SERVOJ, [0.0] * 8 + [0.008, 5e-324])])
def test_fault_no_number_in_a_register_ends_the_robot(commands):
    client = Client().upload()
    for command, doubles in commands:
        client.send(command, *doubles, flag=1)
        client.pass_cycles(8)
        EVERYTHING.frame(client.robot)
    assert all(map(math.isfinite, client.robot.plant.q))


def test_hazard_a_command_left_behind_runs_with_the_next_upload(client):
    client.speedj(0.3)
    client.pass_s(0.2)
    client.robot.protective_stop("test")
    client.pass_s(5.1)
    assert client.robot.safety.unlock(client.robot.time_s)
    client.upload()
    client.pass_s(0.2)
    assert client.qd[0] == 0.3  # nobody has asked for it since


def test_a_cleared_command_does_not_run_with_the_next_upload(client):
    client.speedj(0.3)
    client.pass_s(0.2)
    client.robot.protective_stop("test")
    client.clear()
    client.pass_s(5.1)
    client.robot.safety.unlock(client.robot.time_s)
    client.upload()
    client.pass_s(0.2)
    assert client.robot.plant.is_still


# Moves ----------------------------------------------------------------------------------


def test_movej_is_done_when_it_has_arrived(client):
    cycles = client.call(Command.MOVEJ, 0.3, 0, 0, 0, 0, 0, 1.05, 1.4)
    assert cycles * CYCLE_S == pytest.approx(2 * math.sqrt(0.3 / 1.4) + 0.016, abs=0.01)
    assert client.robot.plant.target_q[0] == 0.3


def progress_word(client):
    word = client.robot.outputs.ints[2]
    return {"id": word >> 24, "writes": word >> 16 & 127, "runs": word >> 15 & 1}


def test_asynchronous_move_returns_at_once_and_reports(client):
    assert progress_word(client) == {"id": 0, "writes": 1, "runs": 0}
    assert client.call(Command.MOVEJ, 0.3, 0, 0, 0, 0, 0, 1.05, 1.4, flag=1) == 2
    assert progress_word(client) == {"id": 1, "writes": 2, "runs": 1}
    client.pass_s(1.0)
    assert progress_word(client) == {"id": 1, "writes": 3, "runs": 0}
    assert client.robot.plant.target_q[0] == 0.3


def test_stop_ends_an_asynchronous_move(client):
    client.call(Command.MOVEJ, 1.0, 0, 0, 0, 0, 0, 1.05, 1.4, flag=1)
    client.pass_s(0.5)
    client.call(Command.STOPJ, 4.0)
    assert progress_word(client)["runs"] == 0
    assert 0.0 < client.robot.plant.target_q[0] < 1.0
    assert client.qd == (0.0,) * 6


def test_operation_numbers_wrap_at_seven_bits(client):
    for _ in range(130):
        client.call(Command.STOPJ, 4.0, flag=1)
        client.pass_cycles(2)
    assert progress_word(client)["id"] == 2
    assert client.robot.outputs.ints[2] & (1 << 23 | 1 << 31) == 0


def test_a_path_in_the_script_is_followed():
    lines = list(CONTROL_SCRIPT)
    lines[4:4] = [
        "\tsignal_async_progress(1)",
        "\tmovej([0.1,0,0,0,0,0],a=1.4,v=1.05,r=0)",
        "\tsignal_async_progress(2)",
        "\tmovej([0.1,0.1,0,0,0,0],a=1.4,v=1.05,r=0)",
    ]
    client = Client(start_pose_rad=(0.0,) * 6).upload(lines)
    client.call(Command.MOVE_PATH)
    assert client.robot.plant.target_q[:2] == (0.1, 0.1)
    assert client.robot.outputs.ints[2] & 0x7FFF == 2


def test_is_steady_comes_late_after_a_motion(client):
    client.pass_s(0.6)
    client.call(Command.IS_STEADY)
    assert client.robot.outputs.ints[1] == 1
    client.call(Command.MOVEJ, 0.1, 0, 0, 0, 0, 0, 1.05, 1.4)
    client.pass_s(0.4)
    client.call(Command.IS_STEADY)
    assert client.robot.outputs.ints[1] == 0
    client.pass_s(0.3)
    client.call(Command.IS_STEADY)
    assert client.robot.outputs.ints[1] == 1


# Watchdog -------------------------------------------------------------------------------


def seconds_to_stop(client, most_s=2.0):
    begin_s = client.robot.time_s
    while client.robot.safety.may_move and client.robot.runtime_state == 2:
        client.pass_cycles(1)
        assert client.robot.time_s - begin_s < most_s, "nothing stopped"
    return client.robot.time_s - begin_s


@pytest.mark.parametrize("frequency_hz", [2.0, 10.0, 20.0])
def test_fault_silent_client_trips_the_watchdog(client, frequency_hz):
    client.call(Command.SET_WATCHDOG, frequency_hz)
    client.speedj(0.5)
    assert seconds_to_stop(client) == pytest.approx(1 / frequency_hz, abs=4 * CYCLE_S)
    assert client.robot.safety.safety_mode is SafetyMode.PROTECTIVE_STOP
    assert "C207A0" in client.robot.safety.reason
    client.pass_s(0.2)
    assert client.robot.plant.is_still


def test_a_fed_watchdog_is_quiet(client):
    client.call(Command.SET_WATCHDOG, 10.0)
    for _ in range(50):
        client.clear()  # kickWatchdog of ur_rtde
        client.pass_s(0.08)
    assert client.robot.safety.may_move


def test_a_watchdog_that_is_fed_during_a_pause_is_quiet_when_the_program_goes_on(client):
    client.call(Command.SET_WATCHDOG, 10.0)
    client.robot.pause_program()
    for _ in range(100):
        client.clear()
        client.pass_cycles(1)
    client.pass_cycles(5)  # between two packages
    client.robot.resume_program()
    client.pass_cycles(5)
    assert client.robot.safety.may_move


def test_the_watchdog_counts_from_the_end_of_a_pause(client):
    client.call(Command.SET_WATCHDOG, 10.0)
    client.robot.pause_program()
    client.pass_s(1.0)
    client.robot.resume_program()
    assert seconds_to_stop(client) == pytest.approx(0.1, abs=2 * CYCLE_S)


def test_packages_without_the_register_do_not_feed_the_watchdog(client):
    client.call(Command.SET_WATCHDOG, 10.0)
    for _ in range(20):
        client.robot.inputs.write({"input_int_register_5": 1})
        client.pass_cycles(1)
    assert not client.robot.safety.may_move


def test_hazard_watchdog_of_0_hz_is_not_disarmed_but_trips(client):
    client.call(Command.SET_WATCHDOG, 0.0)
    assert seconds_to_stop(client) == pytest.approx(0.05, abs=3 * CYCLE_S)


def test_hazard_watchdog_trips_during_a_blocking_move(client):
    client.call(Command.SET_WATCHDOG, 10.0)
    client.send(Command.MOVEJ, 1.0, 0, 0, 0, 0, 0, 1.05, 1.4)
    assert seconds_to_stop(client) < 0.2


def test_the_watchdog_goes_with_its_program(client):
    client.call(Command.SET_WATCHDOG, 10.0)
    client.robot.stop_program("test")
    client.upload()
    client.pass_s(1.0)
    assert client.robot.safety.may_move


def test_e_series_watchdog_ends_the_program_without_a_protective_stop():
    client = Client(series="e-series").upload()
    client.call(Command.SET_WATCHDOG, 10.0)
    seconds_to_stop(client)
    assert client.robot.runtime_state is RuntimeState.STOPPED
    assert client.robot.safety.safety_mode is SafetyMode.NORMAL


# Stops and power ------------------------------------------------------------------------


def test_protective_stop_pauses_the_program_and_play_resumes_its_motion(client):
    client.send(Command.MOVEJ, 1.0, 0, 0, 0, 0, 0, 1.05, 1.4)
    client.pass_s(0.6)
    client.robot.protective_stop("test")
    client.pass_cycles(1)
    assert client.robot.runtime_state is RuntimeState.PAUSING
    client.pass_s(0.3)
    assert client.robot.runtime_state is RuntimeState.PAUSED
    assert client.robot.plant.is_still
    assert client.robot.safety.robot_mode is RobotMode.RUNNING
    assert not client.robot.resume_program()
    client.pass_s(4.8)
    assert client.robot.safety.unlock(client.robot.time_s)
    client.pass_s(0.5)
    assert client.robot.plant.is_still  # unlocking alone moves nothing
    assert client.robot.resume_program()
    client.pass_s(3.0)
    assert client.robot.plant.target_q[0] == 1.0
    assert client.state == DONE


def test_protective_stop_from_within_the_program_stops_its_motion(client):
    client.speedj(0.5)
    client.pass_s(0.3)
    client.send(Command.PROTECTIVE_STOP)
    client.pass_s(0.3)
    assert client.robot.safety.safety_mode is SafetyMode.PROTECTIVE_STOP
    assert client.robot.plant.is_still


def test_unlocking_takes_five_seconds(client):
    client.robot.protective_stop("test")
    client.pass_s(4.9)
    assert not client.robot.safety.unlock(client.robot.time_s)
    client.pass_s(0.2)
    assert client.robot.safety.unlock(client.robot.time_s)
    assert not client.robot.safety.unlock(client.robot.time_s)  # nothing left to unlock


def test_fault_command_beyond_the_speed_limit_is_a_protective_stop(client):
    client.speedj(3.5, acceleration=40.0)
    client.pass_s(1.0)
    assert client.robot.safety.safety_mode is SafetyMode.PROTECTIVE_STOP
    assert "speed" in client.robot.safety.reason
    assert client.robot.plant.is_still
    assert sum("protective stop" in event for event in client.robot.recent_events) == 1


def test_emergency_stop_is_a_controlled_stop_then_power_off(client):
    client.speedj(0.5)
    client.pass_s(0.3)
    client.robot.emergency_stop()
    client.pass_cycles(2)
    assert client.robot.safety.robot_mode is RobotMode.RUNNING
    assert 0.0 < client.qd[0] < 0.5
    client.pass_s(0.3)
    assert client.robot.safety.robot_mode is RobotMode.POWER_OFF
    assert client.robot.plant.is_still
    assert not client.robot.safety.power_on(client.robot.time_s)  # still pressed
    client.robot.safety.release_emergency_stop()
    assert client.robot.safety.safety_mode is SafetyMode.NORMAL
    assert client.robot.safety.robot_mode is RobotMode.POWER_OFF
    assert client.robot.safety.brake_release(client.robot.time_s)
    client.pass_s(2.1)
    assert client.robot.safety.robot_mode is RobotMode.RUNNING
    client.clear()
    client.upload()


def test_power_comes_up_in_steps():
    client = Client(power_on=False)
    robot = client.robot
    assert not robot.load(Script("line", ("sleep(1)",)))
    modes = []
    robot.safety.power_on(robot.time_s)
    for _ in range(300):
        client.pass_cycles(1)
        modes.append(robot.safety.robot_mode)
    assert modes == sorted(modes)
    assert modes[-1] is RobotMode.IDLE
    robot.safety.brake_release(robot.time_s)
    client.pass_s(0.9)
    assert robot.safety.robot_mode is RobotMode.IDLE
    client.pass_s(0.2)
    assert robot.safety.robot_mode is RobotMode.RUNNING


def test_a_weaker_stop_does_not_replace_a_stronger_one(client):
    client.robot.emergency_stop()
    client.robot.protective_stop("test")
    client.robot.safeguard_stop()
    assert client.robot.safety.safety_mode is SafetyMode.ROBOT_EMERGENCY_STOP


@pytest.mark.parametrize("safeguard_first", [False, True])
@pytest.mark.parametrize("unlock_first", [False, True])
def test_of_two_stops_each_has_to_be_released(client, safeguard_first, unlock_first):
    safety = client.robot.safety
    stops = [lambda: client.robot.protective_stop("test"), client.robot.safeguard_stop]
    for stop in reversed(stops) if safeguard_first else stops:
        stop()
    assert (safety.safety_mode, safety.reason) == (SafetyMode.SAFEGUARD_STOP, "safeguard")
    client.pass_s(5.1)
    if unlock_first:
        assert safety.unlock(client.robot.time_s)
        assert safety.safety_mode is SafetyMode.SAFEGUARD_STOP
        safety.release_safeguard()
    else:
        safety.release_safeguard()
        assert (safety.safety_mode, safety.reason) == (SafetyMode.PROTECTIVE_STOP, "test")
        assert not client.robot.resume_program()
        assert safety.unlock(client.robot.time_s)
    assert safety.safety_mode is SafetyMode.NORMAL
    assert client.robot.resume_program()


def test_a_protective_stop_goes_with_the_power(client):
    client.robot.protective_stop("test")
    client.robot.emergency_stop()
    client.pass_s(0.1)
    client.robot.safety.release_emergency_stop()
    assert client.robot.safety.safety_mode is SafetyMode.NORMAL
    assert client.robot.safety.robot_mode is RobotMode.POWER_OFF


def test_safeguard_stop_and_release(client):
    client.speedj(0.5)
    client.pass_s(0.3)
    client.robot.safeguard_stop()
    client.pass_s(0.3)
    assert client.robot.plant.is_still
    client.robot.safety.release_safeguard()
    assert client.robot.resume_program()
    client.pass_s(0.3)
    assert client.qd[0] == 0.5


def test_restart_safety_ends_in_power_off(client):
    client.robot.protective_stop("test")
    client.robot.restart_safety()
    assert client.robot.safety.safety_mode is SafetyMode.NORMAL
    assert client.robot.safety.robot_mode is RobotMode.POWER_OFF
    assert client.robot.runtime_state is RuntimeState.STOPPED


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "write_output_integer_register(99, 1)",
            "register must be a whole number in 0..",
        ),
        ("write_output_integer_register(-1, 1)", "in 0..47, got -1"),
        ("write_output_integer_register(0, 1.5)", "value must be a whole number in"),
        ("write_output_integer_register(0, 2147483648)", "got 2147483648"),
        ("write_output_float_register(0, 'a')", "value must be a finite number, got 'a'"),
        ("speedj([0,0,0,0,0,'a'],1,1)", "qd must be a list of 6 finite numbers"),
        ("speedj([0,0,0,0,0,0],1,1e999)", "t must be a finite number, got inf"),
        ("speedj([0,0,0,0,0,0],1,1e308)", "duration must be finite"),
        ("movej(1)", "q must be a list of 6 finite numbers, got 1"),
        ("movej([1]+1)", "cannot run the script line"),
        ("stopj([1])", "a must be a finite number, got [1]"),
        ("sleep('a')", "t must be a finite number, got 'a'"),
        ("sleep(True)", "t must be a finite number, got True"),
        ("force_mode(1)", "force_mode() is not simulated"),
        ("sleep(" + "-" * 100_000 + "1)", "cannot run the script line 'sleep(---"),
    ],
)
def test_fault_a_statement_that_cannot_be_leaves_the_running_program(
    client, line, message
):
    client.speedj(0.1)
    assert not client.robot.load(Script("plain", ("sleep(0.1)", line)))
    assert message in client.robot.recent_events[-1]
    client.pass_s(0.2)
    assert client.robot.program.name == "rtde_control"
    assert client.qd[0] == 0.1


def test_fault_a_register_offset_that_cannot_be_is_refused():
    lines = [line.replace("0    global", "48    global") for line in CONTROL_SCRIPT]
    robot = Client().robot
    assert not robot.load(Script("rtde_control", tuple(lines)))
    assert "register offset must be one of (0, 24), got 48" in robot.recent_events[-1]


def test_a_secondary_program_does_not_replace_the_running_one(client):
    client.speedj(0.5)
    client.pass_s(0.3)
    assert not client.robot.load(Script("lamp", ("set_digital_out(1, True)",), True))
    assert "secondary program lamp is ignored" in client.robot.recent_events[-1]
    client.pass_s(0.3)
    assert client.qd[0] == 0.5


def test_a_new_program_replaces_the_running_one(client):
    client.speedj(0.5)
    client.pass_s(0.3)
    assert client.robot.load(Script("pause", ("sleep(1.0)",)))
    client.pass_s(0.3)
    assert client.robot.program.name == "pause"
    assert client.robot.plant.is_still
    client.pass_s(1.0)
    assert client.robot.runtime_state is RuntimeState.STOPPED


# Outputs and slider ---------------------------------------------------------------------


def test_digital_outputs_change_under_their_mask(client):
    for mask, value in ((0xFF, 0b1010), (0b0110, 0b0101)):
        client.robot.inputs.write(
            {"standard_digital_output_mask": mask, "standard_digital_output": value}
        )
    client.robot.inputs.write({"tool_digital_output_mask": 3, "tool_digital_output": 2})
    client.pass_cycles(2)
    assert client.robot.digital.bits == 0b1100 | 2 << 16


def test_speed_slider_needs_its_mask(client):
    for mask, fraction in ((0, 0.2), (1, 0.5), (0, 0.9)):
        client.robot.inputs.write(
            {"speed_slider_mask": mask, "speed_slider_fraction": fraction}
        )
        client.pass_cycles(2)
    assert client.robot.plant.speed_fraction == 0.5


def test_what_a_package_leaves_out_keeps_its_last_value(client):
    client.robot.inputs.write({"speed_slider_fraction": 0.4})
    client.robot.inputs.write({"standard_digital_output": 0b1010})
    client.robot.inputs.write({"standard_analog_output_1": 0.7})
    client.pass_cycles(2)
    assert client.robot.plant.speed_fraction == 1.0  # no mask yet
    for mask in ("speed_slider", "standard_digital_output", "standard_analog_output"):
        client.robot.inputs.write({f"{mask}_mask": 2})
    client.pass_cycles(2)
    assert client.robot.plant.speed_fraction == 0.4
    assert client.robot.digital.bits == 0b10
    assert client.robot.digital.analog == [0.0, 0.7]
    client.robot.inputs.write({"speed_slider_fraction": 0.6})
    client.pass_cycles(2)
    assert client.robot.plant.speed_fraction == 0.6


def test_motion_is_stamped_with_the_instants_it_was_given(client):
    client.pass_cycles(10)
    client.speedj(0.5)
    client.pass_s(0.3)
    started = client.robot.motion_started_ns
    assert client.robot.is_moving
    client.call(Command.SPEED_STOP, 10.0)
    client.pass_s(0.2)
    assert not client.robot.is_moving
    assert client.robot.motion_stopped_ns > started > 0
