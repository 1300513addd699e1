"""Signs of life of real processes: what they prove, and when they stop."""

import os
import signal
import subprocess
import sys
import time

import pytest
from rclpy.node import Node

from ur5_rl_interfaces.msg import Heartbeat
from ur5_rl_ros import qos
from ur5_rl_ros.process import Stop
from ur5_rl_ros.testing import node_environment

pytestmark = pytest.mark.realtime

PROGRAM = """
import sys, time
from rclpy.node import Node
from ur5_rl_ros.process import run

HANG_S = 2.0  # by then it has been found
hangs = sys.argv[1]  # callbacks, loop or nothing: HANG_S after the start

class Plain(Node):
    def __init__(self):
        super().__init__("beating", namespace="left")
        if hangs == "callbacks":
            self.create_timer(HANG_S, lambda: time.sleep(60.0))

class Looping(Plain):
    def run(self, stop):
        started_s = time.monotonic()
        while not stop.wait(0.01):
            if hangs == "loop" and time.monotonic() - started_s > HANG_S:
                time.sleep(60.0)

class Waiting(Plain):
    def run(self, stop):
        stop.wait(60.0)

run({"Plain": Plain, "Looping": Looping, "Waiting": Waiting}[sys.argv[2]])
"""


class Listener:
    """Hears the beats of one process of this kind."""

    def __init__(self, ros, domain):
        self._domain = domain
        self.node = Node("listener", context=ros.context, namespace="left")
        ros.add_node(self.node)
        self.beats, self.heard_s = [], []
        self.node.create_subscription(
            Heartbeat, "heartbeat", self._on_beat, qos.HEARTBEAT
        )
        self.process = None

    def _on_beat(self, msg):
        self.beats.append(msg)
        self.heard_s.append(time.monotonic())

    def start(self, kind, hangs="nothing"):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, hangs, kind],
            env=node_environment(self._domain),
        )

    def silence_s(self):
        return time.monotonic() - self.heard_s[-1] if self.heard_s else 0.0


@pytest.fixture
def listener(ros, ros_domain):
    listener = Listener(ros, ros_domain)
    yield listener
    listener.process.kill()
    listener.process.wait()


@pytest.mark.parametrize("kind", ["Plain", "Looping", "Waiting"])
def test_a_process_beats_twenty_times_a_second(listener, spin_until, kind):
    listener.start(kind)
    spin_until(lambda: len(listener.beats) >= 41)
    first, *_, last = listener.beats
    assert {beat.node for beat in listener.beats} == {"/left/beating"}
    assert {beat.session for beat in listener.beats} == {first.session}
    steps = [beat.sequence for beat in listener.beats]
    assert steps == list(range(steps[0], steps[0] + len(steps)))
    period_s = (last.steady_ns - first.steady_ns) / 1e9 / (len(steps) - 1)
    assert period_s == pytest.approx(0.05, rel=0.1)
    ages_s = sorted((b.steady_ns - b.loop_steady_ns) / 1e9 for b in listener.beats)
    assert ages_s[0] >= 0.0
    assert ages_s[len(ages_s) // 2] < 0.03  # a loop that waits as it said, too
    if kind == "Plain":
        assert ages_s[-1] == 0.0
    stamp_s = last.header.stamp.sec + last.header.stamp.nanosec / 1e9
    assert stamp_s == pytest.approx(time.time(), abs=1.0)


@pytest.mark.parametrize("kind", ["Plain", "Looping"])
def test_fault_callbacks_that_hang_end_the_beats(listener, spin_until, kind):
    listener.start(kind, "callbacks")
    spin_until(lambda: listener.silence_s() > 1.0)
    assert len(listener.beats) > 3
    assert listener.process.poll() is None  # Python hangs, the process lives
    assert listener.node.count_publishers("heartbeat") == 1  # and so does its DDS


def test_fault_a_loop_that_hangs_shows_in_the_beats(listener, spin_until):
    listener.start("Looping", "loop")

    def loop_age_s():
        newest = listener.beats[-1] if listener.beats else Heartbeat()
        return (newest.steady_ns - newest.loop_steady_ns) / 1e9

    spin_until(lambda: loop_age_s() > 1.0)
    assert listener.silence_s() < 0.5


def test_fault_a_frozen_process_is_silent_and_comes_back_in_the_same_session(
    listener, spin_until
):
    listener.start("Looping")
    spin_until(lambda: len(listener.beats) > 5)
    os.kill(listener.process.pid, signal.SIGSTOP)
    spin_until(lambda: listener.silence_s() > 1.0)
    os.kill(listener.process.pid, signal.SIGCONT)
    before = len(listener.beats)
    spin_until(lambda: len(listener.beats) > before + 5)
    assert len({beat.session for beat in listener.beats}) == 1


def test_a_look_is_a_round_and_a_wait_lasts_as_long_as_it_said():
    stop = Stop()
    assert stop.last_round_ns(7) == 7  # no look yet: the loop has not begun
    began_ns = time.monotonic_ns()
    assert not stop.requested
    looked_ns = stop.last_round_ns(began_ns + 10**12)
    assert began_ns <= looked_ns <= time.monotonic_ns()
    stop.request()
    assert stop.wait(100.0)  # which it did not wait for
    assert stop.last_round_ns(began_ns + 10**12) <= time.monotonic_ns()
