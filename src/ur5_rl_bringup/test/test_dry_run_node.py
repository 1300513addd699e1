"""The dry run's face as a process beside a fake graph: what it says, how it ends."""

import re
import signal
import subprocess
import sys

import pytest
from rclpy.node import Node
from sensor_msgs.msg import JointState

from ur5_rl_env.core.task import JOINT_NAMES, START_POSE_RAD
from ur5_rl_env.core.ur_modes import SafetyMode
from ur5_rl_interfaces.msg import ArmStatus, EnvStatus
from ur5_rl_ros import qos
from ur5_rl_ros.testing import node_environment

pytestmark = pytest.mark.realtime

COMMAND = (sys.executable, "-m", "ur5_rl_bringup.nodes.dry_run_node", "--ros-args")
PERIOD_S = 0.02
EVIL = "\x1b[2J\r\n| dry | 9 s | PASSED "
STOP_S = 10.0


class FakeGraph:
    """Tells all the time that all is well, but for what a test wants otherwise."""

    def __init__(self, ros):
        self.node = Node("fake_graph", context=ros.context)
        ros.add_node(self.node)
        create = self.node.create_publisher
        self.publishers = {
            ArmStatus: create(ArmStatus, "arm_status", qos.STATUS),
            EnvStatus: create(EnvStatus, "env_status", qos.STATUS),
            JointState: create(JointState, "joint_states", qos.SENSOR),
        }
        self.messages = {
            ArmStatus: ArmStatus(
                state=ArmStatus.MOVING,
                safety_mode=SafetyMode.NORMAL,
                joint_states_hz=125.0,
            ),
            EnvStatus: EnvStatus(phase=EnvStatus.RUNNING, images_hz=25.0, mask_px=143.0),
            JointState: JointState(
                name=list(JOINT_NAMES), position=START_POSE_RAD, velocity=[0.0] * 6
            ),
        }
        self.node.create_timer(PERIOD_S, self.tell)

    def tell(self):
        for message_type, publisher in self.publishers.items():
            publisher.publish(self.messages[message_type])


@pytest.fixture
def graph(ros):
    return FakeGraph(ros)


@pytest.fixture
def dry_run(ros_domain, tmp_path, graph, spin_until):
    """Return its process and what reads its lines; an episode has begun."""
    log = tmp_path / "log"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            COMMAND, env=node_environment(ros_domain), stdout=file, stderr=file
        )

    def read():
        return log.read_bytes().decode()

    spin_until(lambda: read().count("mask 143 px") >= 3, timeout_s=30.0)
    yield process, read
    process.kill()
    process.wait()


def stopped(process):
    process.send_signal(signal.SIGTERM)
    return process.wait(STOP_S)


def test_a_graph_in_order_passes(dry_run):
    process, read = dry_run
    assert stopped(process) == 0
    assert re.search(r"tool0 0\.\d{3} m from wall", read())
    assert "FAULT" not in read()
    assert read().splitlines()[-1].startswith("PASSED")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            JointState(name=list(JOINT_NAMES), position=[0.0] * 7, velocity=[0.0] * 6),
            "joint_states (refused): joint_states lacks a position",
        ),
        (
            JointState(name=list(JOINT_NAMES), position=[1e308] * 6, velocity=[0.0] * 6),
            "joint_states (refused): q must lie in +-12.6",
        ),
        (
            ArmStatus(state=ArmStatus.MOVING, joint_states_hz=float("nan")),
            "arm_status (refused): joint_states_hz must be finite",
        ),
        (
            EnvStatus(phase=77),
            "env_status (refused): phase must be in 0..2, got 77",
        ),
    ],
)
def test_fault_nonsense_is_named_and_fails_the_run(
    dry_run, graph, spin_until, message, words
):
    process, read = dry_run
    whole = graph.messages[type(message)]
    graph.messages[type(message)] = message
    spin_until(lambda: f"FAULT {words}" in read())
    graph.messages[type(message)] = whole
    seen = read().count("mask 143 px")
    spin_until(lambda: read().count("mask 143 px") > seen)  # it goes on
    assert stopped(process) == 1
    assert read().splitlines()[-1] == "FAILED"


def test_fault_a_cause_that_a_terminal_would_obey_is_told_in_one_plain_line(
    dry_run, graph, spin_until
):
    process, read = dry_run
    graph.messages[ArmStatus].state = ArmStatus.FAULT
    graph.messages[ArmStatus].cause = EVIL + "x" * 100_000
    spin_until(lambda: "FAULT arm_node: FAULT: ?[2J??| dry | 9 s | PASSED xx" in read())
    assert stopped(process) == 1
    assert "\x1b" not in read() and "\r" not in read()
    assert max(map(len, read().splitlines())) < 500
    assert read().splitlines()[-1] == "FAILED"
