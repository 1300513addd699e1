"""How a process starts and ends: signals, exit codes, the last word."""

import os
import select
import signal
import subprocess
import sys
import time

import pytest

from ur5_rl_ros.signals import PARENT
from ur5_rl_ros.testing import node_environment

pytestmark = pytest.mark.realtime

PROGRAM = """
import os, signal, sys, time
from std_msgs.msg import Empty
from rclpy.node import Node
from ur5_rl_ros.process import ConfigurationError, LinkLostError, configuration, run

def say(word):
    print(word, flush=True)

class Plain(Node):
    "Only answers callbacks."
    def __init__(self):
        super().__init__("plain")
        self.create_timer(0.01, self.tick)
        say("up")
    def tick(self):
        pass
    def close(self):
        say("closed" if self.context.ok() else "closed too late")

class Looping(Plain):
    "Has a loop of its own."
    def run(self, stop):
        say("runs")
        while not stop.wait(0.01):
            self.loop()
        say("stopped")
    def loop(self):
        pass

def fail(error):
    def method(*_):
        raise error
    return method

{body}
"""


@pytest.fixture
def start(ros_domain):
    """Start a program of this kind; end it at the end."""
    started = []

    def start(body, *prefix, **variables):
        process = subprocess.Popen(
            [*prefix, sys.executable, "-c", PROGRAM.replace("{body}", body)],
            env=node_environment(ros_domain) | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def finish(process):
    """Wait for the end; return exit code, words on stdout and lines on stderr."""
    out, err = process.communicate(timeout=15.0)
    return process.returncode, out.split("\n")[:-1], err.split("\n")[:-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "kind,words",
    [("Plain", ["up", "closed"]), ("Looping", ["up", "runs", "stopped", "closed"])],
)
@pytest.mark.parametrize("times", [1, 3])
def test_a_signal_ends_it_in_good_order(start, number, kind, words, times):
    process = start(f"run({kind})")
    first = process.stdout.readline().strip()
    if kind == "Looping":
        first = process.stdout.readline().strip()
    assert first == words[-3 if kind == "Looping" else 0]
    sent_s = time.monotonic()
    for _ in range(times):
        process.send_signal(number)
    code, rest, errors = finish(process)
    assert time.monotonic() - sent_s < 2.0
    assert (code, errors) == (0, [])
    assert rest == words[words.index(first) + 1 :]


def test_a_signal_during_start_up_ends_it_once_it_is_up(start):
    body = """
class Early(Looping):
    def __init__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        super().__init__()
run(Early)"""
    code, words, errors = finish(start(body))
    assert (code, errors) == (0, [])
    assert words == ["up", "runs", "stopped", "closed"]


def test_a_closed_terminal_ends_nothing_that_was_told_to_ignore_it(start):
    process = start("run(Looping)", "nohup")
    while process.stdout.readline() != "runs\n":
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    assert not select.select([process.stdout], [], [], 0.5)[0]
    process.terminate()
    code, words, _ = finish(process)
    assert (code, words) == (0, ["stopped", "closed"])


# Stands for `ros2 launch`: starts a node that knows its id, tells the node's id, waits.
LAUNCH = f"""
import os, subprocess, sys
variables = os.environ | {{{PARENT!r}: str(os.getpid())}}
node = subprocess.Popen(sys.argv[1:], env=variables)
print(node.pid, flush=True)
node.wait()"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_fault_a_node_does_not_outlive_the_launch_that_started_it(start, number):
    launch = start("run(Looping)", sys.executable, "-c", LAUNCH)
    node = os.pidfd_open(int(launch.stdout.readline()))
    while launch.stdout.readline() != "runs\n":
        assert launch.poll() is None
    launch.send_signal(number)
    code, words, errors = finish(launch)
    assert (code, words, errors) == (-number, ["stopped", "closed"], [])
    assert select.select([node], [], [], 5.0)[0], "an orphan is left"
    os.close(node)


def test_fault_a_node_whose_launch_dies_before_it_listens_ends_in_order(start):
    dead = subprocess.Popen(["true"])
    dead.wait()
    code, words, errors = finish(start("run(Looping)", **{PARENT: str(dead.pid)}))
    assert (code, errors) == (0, [])
    assert words == ["up", "runs", "stopped", "closed"]


@pytest.mark.parametrize("error", ["ValueError", "OSError", "FileNotFoundError"])
def test_fault_a_wrong_configuration_is_code_2_and_one_line(start, error):
    body = f'Plain.__init__ = fail({error}("speed must be positive, got -1"))\nrun(Plain)'
    code, words, errors = finish(start(body))
    assert (code, words) == (2, [])
    assert errors == ["error: speed must be positive, got -1"]


@pytest.mark.parametrize(
    "place", ["Plain.tick", "Looping.loop", "Looping.tick"], ids=lambda place: place
)
def test_fault_a_lost_link_is_code_3_and_one_line_after_the_last_word(start, place):
    kind = place.split(".")[0]
    body = f'{place} = fail(LinkLostError("robot 127.0.0.1 is gone"))\nrun({kind})'
    code, words, errors = finish(start(body))
    assert code == 3
    assert words[-1] == "closed"
    assert errors == ["error: robot 127.0.0.1 is gone"]


@pytest.mark.parametrize("error", ["KeyError: 'x'", "ValueError: x", "OSError: x"])
@pytest.mark.parametrize("place", ["Plain.tick", "Looping.loop", "Looping.tick"])
def test_fault_an_error_of_our_own_is_not_hidden(start, place, error):
    kind, name = place.split(".")[0], error.split(":")[0]
    code, words, errors = finish(start(f"{place} = fail({name}('x'))\nrun({kind})"))
    assert code == 1
    assert words[-1] == "closed"
    assert errors[0].startswith("Traceback")
    assert errors[-1] == error


def test_fault_an_error_of_the_last_word_is_not_hidden(start):
    body = "Looping.loop = Looping.close = fail(ValueError('x'))\nrun(Looping)"
    code, _, errors = finish(start(body))
    assert (code, errors[-1]) == (1, "ValueError: x")


@pytest.mark.parametrize(
    "loop",
    [
        'fail(ConfigurationError("no camera"))',
        'configuration()(fail(FileNotFoundError("no camera")))',
    ],
)
def test_fault_a_configuration_that_proves_wrong_in_the_loop_is_one_line(start, loop):
    code, words, errors = finish(start(f"Looping.loop = {loop}\nrun(Looping)"))
    assert (code, words[-1]) == (2, "closed")
    assert errors == ["error: no camera"]


@pytest.mark.parametrize("kind", ["Plain", "Looping"])
def test_a_signal_between_two_callbacks_leaves_nothing_to_collect(start, kind):
    """In what order the collector takes an executor apart rclpy cannot stand."""
    body = f"""
import atexit, gc
from rclpy.executors import Executor
gc.disable()
atexit.register(lambda: say(sum(isinstance(o, Executor) for o in gc.get_objects())))
class Busy({kind}):
    def __init__(self):
        super().__init__()
        for _ in range(5):
            self.create_timer(0.01, self.tick)
    def tick(self):
        time.sleep(0.02)  # by then the others are due
        os.kill(os.getpid(), signal.SIGTERM)
run(Busy)"""
    code, words, errors = finish(start(body))
    assert (code, words[-2:], errors) == (0, ["closed", "0"], [])


def test_the_last_word_is_heard(start, ros, spin_until):
    """What `close` publishes arrives: the context is still valid, the data leaves."""
    from rclpy.node import Node
    from std_msgs.msg import Empty

    body = """
class Speaking(Plain):
    def __init__(self):
        super().__init__()
        self.last = self.create_publisher(Empty, "last_word", 1)
        self.was_told = False
    def tick(self):
        if self.last.get_subscription_count() and not self.was_told:
            self.was_told = True
            say("matched")
    def close(self):
        self.last.publish(Empty())
run(Speaking)"""
    heard, listener = [], Node("listener", context=ros.context)
    ros.add_node(listener)
    listener.create_subscription(Empty, "last_word", heard.append, 1)
    process = start(body)
    spin_until(lambda: listener.count_publishers("last_word") == 1)
    assert process.stdout.readline() == "up\n"
    assert process.stdout.readline() == "matched\n"
    assert not heard
    process.terminate()
    spin_until(lambda: heard)
    assert finish(process)[0] == 0


def test_the_first_log_line_of_a_loop_walks_over_no_modules(start):
    """`inspect`, which rclpy asks where a line was logged, has met them before."""
    body = """
class Logging(Looping):
    def loop(self):
        realpath, walked = os.path.realpath, []
        os.path.realpath = lambda path, **_: walked.append(path) or realpath(path)
        self.get_logger().info("a fault")
        os.path.realpath = realpath
        say(len(walked))
        os.kill(os.getpid(), signal.SIGINT)
run(Logging)"""
    code, words, _ = finish(start(body))
    assert code == 0
    assert int(words[words.index("runs") + 1]) < 20  # hundreds of modules are loaded
