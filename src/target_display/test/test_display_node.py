"""The display node on real rclpy: what it tells, what it shares, how it begins anew."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter

from target_display.core.motion import MotionConfig, trajectory
from target_display.nodes.display_node import DisplayNode
from ur5_rl_interfaces.msg import TargetState
from ur5_rl_interfaces.srv import ResetTarget
from ur5_rl_ros import qos
from ur5_rl_ros.process import Stop
from ur5_rl_ros.shared_array import SharedArrayReader
from ur5_rl_ros.testing import node_environment

pytestmark = pytest.mark.realtime


class Audience:
    """Hears the display and asks it to begin anew."""

    def __init__(self, executor):
        self.node = rclpy.create_node("audience", context=executor.context)
        self.states = []
        self.diagnostics = []
        self.node.create_subscription(
            TargetState, "target_state", self.states.append, qos.SENSOR
        )
        self.node.create_subscription(
            DiagnosticArray, "/diagnostics", self.diagnostics.append, 10
        )
        self.resets = self.node.create_client(ResetTarget, "reset_target")
        executor.add_node(self.node)


@pytest.fixture
def audience(ros):
    return Audience(ros)


@pytest.fixture
def display(ros):
    """Return a way to run a display node with parameters; its loop has a thread."""

    @contextmanager
    def start(draws=True, **parameters):
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node = DisplayNode(context=ros.context, parameter_overrides=overrides)
        stop = Stop()
        ros.add_node(node)
        loop = threading.Thread(target=node.run, args=(stop,))
        if draws:
            loop.start()
        try:
            yield node
        finally:
            stop.request()
            if draws:
                loop.join(2.0)
            assert not loop.is_alive()
            node.close()
            ros.remove_node(node)

    return start


def reset(audience, spin_until, episode):
    spin_until(audience.resets.service_is_ready)
    future = audience.resets.call_async(ResetTarget.Request(episode=episode))
    spin_until(future.done)
    return future.result()


def test_it_tells_sixty_times_a_second_where_the_target_is(display, audience, spin_until):
    with display(motion="tracking", seed=3, speed_units_s=40.0):
        spin_until(lambda: len(audience.states) >= 60)
    stamps = np.array([state.steady_ns for state in audience.states])
    assert np.median(np.diff(stamps)) / 1e6 == pytest.approx(1000 / 60, rel=0.05)
    path = trajectory(MotionConfig(motion="tracking", seed=3, speed_units_s=40.0), 0)
    first, last = audience.states[0], audience.states[-1]
    elapsed_s = (last.steady_ns - first.steady_ns) / 1e9
    zero_s = abs(first.x_units - 80.0) / abs(path.start.velocity_x_units_s)
    expected = path.at(zero_s + elapsed_s)
    assert last.x_units == pytest.approx(expected.x_units, abs=0.5)
    assert last.y_units == pytest.approx(expected.y_units, abs=0.5)
    assert last.velocity_x_units_s == pytest.approx(expected.velocity_x_units_s)
    assert (last.motion, last.radius_units) == ("tracking", 7.0)
    assert (last.width_px, last.height_px) == (640, 360)


def test_the_stamps_are_the_instant_of_the_flip_on_both_clocks(
    display, audience, spin_until
):
    with display():
        spin_until(lambda: len(audience.states) >= 5)
        state = audience.states[-1]
        offset_ns = time.time_ns() - time.monotonic_ns()
    stamp_ns = state.header.stamp.sec * 10**9 + state.header.stamp.nanosec
    assert stamp_ns - state.steady_ns == pytest.approx(offset_ns, abs=5e6)
    assert 0 <= time.monotonic_ns() - state.steady_ns < 10e9


def test_a_reset_is_answered_with_the_first_flip_that_shows_it(
    display, audience, spin_until
):
    with display(motion="tracking", seed=8):
        spin_until(lambda: len(audience.states) >= 3)
        assert audience.states[-1].episode == 0
        answer = reset(audience, spin_until, 17)
        spin_until(lambda: audience.states[-1].episode == 17)
        spin_until(lambda: audience.states[-1].steady_ns > answer.steady_ns + 10**8)
    start = trajectory(MotionConfig(motion="tracking", seed=8), 17).at(0.0)
    assert answer.success
    assert (answer.x_units, answer.y_units) == (start.x_units, start.y_units)
    for state in audience.states:
        if state.episode == 17:
            elapsed_s = (state.steady_ns - answer.steady_ns) / 1e9
            x = start.x_units + start.velocity_x_units_s * elapsed_s
            assert state.x_units == pytest.approx(x, abs=0.5)
            assert elapsed_s >= 0.0


def test_each_reaching_episode_has_its_own_place_and_it_repeats(
    display, audience, spin_until
):
    with display(motion="reaching"):
        places = [
            (answer.x_units, answer.y_units)
            for answer in (reset(audience, spin_until, n) for n in (1, 2, 1))
        ]
    assert places[0] == places[2] != places[1]


def test_the_shared_screen_shows_what_was_told(display, audience, spin_until, tmp_path):
    file = tmp_path / "screen"
    with display(motion="tracking", screen_file=str(file)):
        spin_until(lambda: len(audience.states) >= 3)
        reader = SharedArrayReader(file)
        answer = reset(audience, spin_until, 2)
        pixels, steady_ns = reader.read()
        assert steady_ns >= answer.steady_ns  # whoever is answered can look at once
        for _ in range(10):
            pixels, steady_ns = reader.read()
            spin_until(lambda ns=steady_ns: audience.states[-1].steady_ns >= ns)
            told = {state.steady_ns: state for state in audience.states}
            if steady_ns in told:
                break
    state = told[steady_ns]
    cover = (255.0 - pixels[..., 1]) / 255.0
    rows, columns = np.mgrid[0:360, 0:640] + 0.5
    assert (cover * columns).sum() / cover.sum() == pytest.approx(
        4 * state.x_units, abs=0.05
    )
    assert (cover * rows).sum() / cover.sum() == pytest.approx(
        4 * state.y_units, abs=0.05
    )
    assert (pixels[0, 0] == 255).all()


def test_a_still_target_keeps_the_shared_screen_fresh(display, spin_until, tmp_path):
    with display(motion="static", screen_file=str(tmp_path / "screen")):
        reader = SharedArrayReader(tmp_path / "screen")
        spin_until(lambda: reader.steady_ns > 0)
        first_ns = reader.steady_ns
        spin_until(lambda: reader.steady_ns > first_ns + 10**8)


def test_diagnostics_tell_the_measured_rate(display, audience, spin_until):
    with display(frame_rate_hz=30.0):
        spin_until(lambda: len(audience.diagnostics) >= 2)
    status = audience.diagnostics[-1].status[0]
    values = {pair.key: pair.value for pair in status.values}
    assert status.name == "/display_node"
    assert float(values["flips_hz"]) == pytest.approx(30.0, rel=0.1)


def test_fault_episode_zero_is_refused_by_name(display, audience, spin_until):
    with display():
        answer = reset(audience, spin_until, 0)
        spin_until(lambda: len(audience.states) >= 3)
    assert not answer.success
    assert "episode counts from 1" in answer.message
    assert audience.states[-1].episode == 0


def test_fault_a_display_that_does_not_draw_says_so(display, audience, spin_until):
    with display(draws=False):
        answer = reset(audience, spin_until, 1)
    assert not answer.success
    assert "nothing was drawn for 0.5 s" in answer.message


# As a process.

COMMAND = (sys.executable, "-m", "target_display.nodes.display_node", "--ros-args")


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        (("motion:=jumping",), "motion must be one of"),
        (("screen:=window",), "set DISPLAY; sim: or --headless"),
        (("sped_units_s:=20.0",), "unknown parameter sped_units_s"),
        (("screen_file:=/proc/nowhere/screen",), "/proc/nowhere"),
    ],
)
def test_fault_wrong_configuration_is_one_line_and_exit_code_2(
    ros_domain, parameters, complaint
):
    environment = node_environment(ros_domain)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        environment.pop(name, None)
    words = [word for parameter in parameters for word in ("-p", parameter)]
    done = subprocess.run(
        [*COMMAND, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert complaint in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_code_0(ros_domain, tmp_path, number):
    file = tmp_path / "screen"
    process = subprocess.Popen(
        [*COMMAND, "-p", f"screen_file:={file}"], env=node_environment(ros_domain)
    )
    deadline = time.monotonic() + 15.0
    while not file.exists() or SharedArrayReader(file).steady_ns == 0:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    used_s, since = _cpu_s(process.pid), time.monotonic()
    reader = SharedArrayReader(file)
    while time.monotonic() < since + 1.5:
        time.sleep(0.05)
    share = (_cpu_s(process.pid) - used_s) / (time.monotonic() - since)
    assert reader.steady_ns > since * 1e9
    assert share < 0.10, f"takes {share:.0%} of a core"
    process.send_signal(number)
    assert process.wait(2.0) == 0


def _cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
