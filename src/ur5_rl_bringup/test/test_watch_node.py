"""The watch as a node: beats in, requests and diagnostics out, through real topics."""

import subprocess
import sys
import time

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from ur5_rl_bringup.nodes.watch_node import WatchNode
from ur5_rl_interfaces.msg import Heartbeat, StopRequest
from ur5_rl_ros import qos
from ur5_rl_ros.testing import node_environment

pytestmark = pytest.mark.realtime

SLACK_S = 0.15  # a shared machine delays any process
SETTLED_S = 1.5
HANGING = """
import time
from rclpy.node import Node
from ur5_rl_ros.process import run

class Actor(Node):
    def __init__(self):
        super().__init__("actor_node")
        self.create_timer(2.5, self.hang)
    def hang(self):
        print(time.monotonic(), flush=True)
        time.sleep(2.0)

run(Actor)
"""


class FakeGraph:
    """Beats for one node when a test says so; hears what the watch says."""

    def __init__(self, ros, name="actor_node"):
        self.node = node = Node("fake_graph", context=ros.context)
        ros.add_node(node)
        self.beats, self.loops = True, True
        self.last_beat_s = self.last_round_s = time.monotonic()
        self.msg = Heartbeat(node=f"/{name}", session=1)
        self.publisher = node.create_publisher(Heartbeat, "heartbeat", qos.HEARTBEAT)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(0.05, self._beat, clock=steady)
        self.requests, self.health = [], []  # (instant [s], message)
        node.create_subscription(
            StopRequest, "stop_request", self._keep(self.requests), qos.COMMAND
        )
        node.create_subscription(
            DiagnosticArray, "/diagnostics", self._keep(self.health), 10
        )

    def _keep(self, messages):
        return lambda msg: messages.append((time.monotonic(), msg))

    def _beat(self):
        now_s = time.monotonic()
        if self.loops:
            self.last_round_s = now_s
        if self.beats:
            self.last_beat_s = now_s
            self.msg.steady_ns = round(now_s * 1e9)
            self.msg.loop_steady_ns = round(self.last_round_s * 1e9)
            self.publisher.publish(self.msg)

    @property
    def reason(self):
        """What is asked for now: None before the first request."""
        return self.requests[-1][1].reason if self.requests else None

    @property
    def asked(self):
        """Return (instant, request) of all that asked for a stop."""
        return [(at_s, msg) for at_s, msg in self.requests if msg.reason]

    def statuses(self):
        """Return (instant, status of the watch) as far as heard."""
        return [
            (at_s, status)
            for at_s, array in self.health
            for status in array.status
            if status.name == "/watch_node"
        ]


@pytest.fixture
def watch(ros):
    node = WatchNode(context=ros.context)
    ros.add_node(node)
    yield node
    node.destroy_node()


@pytest.fixture
def graph(ros, watch, spin_until):
    """Return a graph whose actor has beaten for long enough to be watched."""
    graph = FakeGraph(ros)
    started_s = time.monotonic()
    spin_until(lambda: time.monotonic() - started_s > SETTLED_S)
    spin_until(lambda: any(is_alive(status) for _, status in graph.statuses()))
    assert graph.asked == []
    return graph


def is_alive(status):
    return {pair.key: pair.value for pair in status.values}.get("actor_node") == "alive"


def first(found, words):
    """Return when the first message came that says these words; None if none does."""
    return next((at_s for at_s, text in found if words in text), None)


def test_it_speaks_all_the_time(graph, spin_until):
    """Its silence tells the arm that nobody watches."""
    first = len(graph.requests)
    spin_until(lambda: len(graph.requests) >= first + 10)
    period_s = (graph.requests[-1][0] - graph.requests[first][0]) / 9
    assert period_s == pytest.approx(0.1, abs=0.03)


def test_fault_a_silent_node_is_named_and_the_arm_asked_to_stop(graph, spin_until):
    graph.beats = False
    spin_until(lambda: len(graph.asked) >= 5)
    words = "actor_node has been silent for 0.2"
    requests = [(at_s, msg.reason) for at_s, msg in graph.asked]
    statuses = [(at_s, status.message) for at_s, status in graph.statuses()]
    asked_s, told_s = first(requests, words), first(statuses, words)
    assert 0.2 < asked_s - graph.last_beat_s < 0.25 + SLACK_S
    assert 0.2 < told_s - graph.last_beat_s < 0.25 + SLACK_S
    assert graph.statuses()[-1][1].level == DiagnosticStatus.ERROR
    assert len({reason for _, reason in requests}) == 1  # it stands, as it was said
    period_s = (requests[4][0] - requests[0][0]) / 4  # ten times a second
    assert period_s == pytest.approx(0.1, abs=0.03)
    newest = graph.requests[-1][1]
    assert newest.session != 0
    assert time.monotonic() - newest.steady_ns / 1e9 < 0.5


def test_the_request_is_taken_back_once_when_the_node_is_back(graph, spin_until):
    graph.beats = False
    spin_until(lambda: graph.reason)
    graph.beats = True
    back_s = time.monotonic()
    spin_until(lambda: graph.reason == "")
    assert graph.requests[-1][0] - back_s < 0.15 + SLACK_S
    told = len(graph.requests)
    spin_until(lambda: graph.statuses()[-1][1].level == DiagnosticStatus.OK)
    spin_until(lambda: time.monotonic() - back_s > 1.0)
    assert {msg.reason for _, msg in graph.requests[told:]} == {""}


def test_fault_a_loop_that_stands_still_is_named(graph, spin_until):
    graph.loops = False
    spin_until(lambda: graph.reason)
    assert 0.2 < graph.asked[0][0] - graph.last_round_s < 0.35 + SLACK_S
    assert "actor_node: its loop has stood still for 0." in graph.reason
    graph.loops = True
    spin_until(lambda: graph.reason == "")


def test_a_restarted_node_takes_the_request_back(graph, spin_until):
    graph.beats = False
    spin_until(lambda: graph.reason)
    graph.msg.session, graph.beats = 2, True
    spin_until(lambda: graph.reason == "")


def test_fault_a_python_that_hangs_is_noticed_although_its_dds_goes_on(
    ros, ros_domain, watch, spin_until
):
    graph = FakeGraph(ros, "env_node")
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING],
        env=node_environment(ros_domain),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        spin_until(lambda: graph.reason)
        assert process.poll() is None
        assert graph.node.count_publishers("heartbeat") >= 2
        hung_s = float(process.stdout.readline())
        assert "actor_node has been silent" in graph.reason
        assert graph.asked[0][0] - hung_s < 0.25 + SLACK_S
        spin_until(lambda: graph.reason == "")  # it wakes up
        assert graph.requests[-1][0] - hung_s > 1.9
    finally:
        process.kill()
        process.communicate()


def test_fault_a_jump_of_the_wall_clock_is_told_and_stops_nothing(
    graph, spin_until, monkeypatch
):
    real_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() - 30_000_000_000)
    spin_until(lambda: "-30.0" in graph.statuses()[-1][1].message)
    status = graph.statuses()[-1][1]
    assert status.level == DiagnosticStatus.WARN
    assert status.message.startswith("system time jumped by -")
    values = {pair.key: pair.value for pair in status.values}
    assert values["wall_clock_jumps"] == "1"
    assert graph.asked == []
