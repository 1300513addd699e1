"""The virtual camera's node on real rclpy, with a screen and an arm of the test's."""

import math
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Log
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image

from target_display.core.drawing import Canvas
from ur5_rl_env.core.task import START_POSE_RAD
from ur5_rl_ros import qos
from ur5_rl_ros.image_bridge import imgmsg_to_cv2
from ur5_rl_ros.process import ConfigurationError, Stop
from ur5_rl_ros.shared_array import SharedArrayWriter
from ur5_rl_ros.testing import node_environment
from ur5_sim.core.camera import Camera
from ur5_sim.core.camera_config import CameraConfig
from ur5_sim.nodes.camera_node import CameraNode
from ur5_sim.nodes.feed import FRESH_S

pytestmark = pytest.mark.realtime

SCREEN_SHAPE = (360, 640, 4)


class Writer(threading.Thread):
    """Writes one shared array every few milliseconds, as display and controller do."""

    def __init__(self, path, value, shape=None):
        super().__init__()
        value = np.asarray(value)
        self.value = value
        self._array = SharedArrayWriter(path, shape or value.shape, value.dtype.str)
        self._done = threading.Event()
        self.dies_half_way = False
        self.age_ns = 0

    def run(self):
        while not self._done.wait(0.005):
            self._array.begin()[:] = self.value
            self._array.commit(time.monotonic_ns() - self.age_ns)
        if self.dies_half_way:
            self._array.begin()

    def stop(self):
        self._done.set()
        self.join(2.0)


@pytest.fixture
def write(tmp_path):
    """Return a way to start a writer of a file; all are stopped at the end."""
    writers = []

    def start(name, value):
        writer = Writer(tmp_path / name, value)
        writers.append(writer)
        writer.start()
        return writer

    yield start
    for writer in writers:
        writer.stop()


@pytest.fixture
def viewer(ros):
    """Collect what the camera publishes; `log` holds its own log lines."""
    node = rclpy.create_node("viewer", context=ros.context)
    node.images, node.arrival_ns, node.diagnoses, node.log = [], [], [], []

    def on_image(msg):
        node.arrival_ns.append(time.time_ns())
        node.images.append(msg)

    def on_log(msg):
        if msg.name == "camera_node":
            node.log.append(msg.msg)

    def on_diagnostics(msg):
        node.diagnoses.append(msg.status[0])

    latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(Image, "image_raw", on_image, qos.SENSOR)
    node.create_subscription(Log, "/rosout", on_log, latched)
    node.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, 10)
    ros.add_node(node)
    return node


@pytest.fixture
def camera(ros, tmp_path):
    """Return a way to run a camera node whose loop has a thread of its own."""

    @contextmanager
    def start(**parameters):
        given = {
            "screen_file": str(tmp_path / "screen"),
            "pose_file": str(tmp_path / "pose"),
            "noise_sigma": 0.0,
            **parameters,
        }
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        node = CameraNode(context=ros.context, parameter_overrides=overrides)
        stop, errors = Stop(), []

        def loop():
            try:
                node.run(stop)
            except ConfigurationError as error:
                errors.append(error)

        thread = threading.Thread(target=loop)
        ros.add_node(node)
        thread.start()
        try:
            yield errors
        finally:
            stop.request()
            thread.join(2.0)
            assert not thread.is_alive()
            ros.remove_node(node)
            node.close()
            node.destroy_node()  # later it would take the log of the next one with it

    return start


def screen(x_units=80.0, y_units=45.0, shape=SCREEN_SHAPE):
    canvas = Canvas(np.zeros(shape, np.uint8))
    canvas.draw(x_units, y_units, 7.0)
    return canvas.pixels


def pose(q=START_POSE_RAD, qd=(0.0,) * 6):
    return np.array([q, qd])


def picture(msg):
    return imgmsg_to_cv2(msg, "bgr8")


def clean_picture(pixels, q=START_POSE_RAD):
    return Camera(CameraConfig(noise_sigma=0.0)).render(pixels, q)


def stamp_ns(msg):
    return msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec


def same(msg, expected):
    return np.array_equal(picture(msg), expected)


def since_it_sees(viewer):
    """Return the log lines after the one that ends the wait at the start."""
    starts = [n for n, line in enumerate(viewer.log) if line.startswith("sees")]
    return viewer.log[starts[0] + 1 :] if starts else []


def test_it_publishes_what_is_on_the_screen_25_times_a_second(
    camera, viewer, write, spin_until
):
    write("screen", screen(40.0, 30.0))
    write("pose", pose())
    with camera():
        spin_until(lambda: len(viewer.images) >= 30)
    first = viewer.images[0]
    assert (first.encoding, first.height, first.width) == ("bgr8", 90, 160)
    assert first.header.frame_id == "camera_optical_frame"
    assert same(first, clean_picture(screen(40.0, 30.0)))
    stamps_ns = np.array([stamp_ns(msg) for msg in viewer.images])
    assert np.median(np.diff(stamps_ns)) / 1e6 == pytest.approx(40.0, abs=2.0)
    ages_ms = (np.array(viewer.arrival_ns) - stamps_ns) / 1e6
    assert ages_ms.min() > 0.0
    assert np.median(ages_ms) < 20.0


def test_it_looks_from_where_the_arm_is(camera, viewer, write, spin_until):
    write("screen", screen())
    arm = write("pose", pose())
    aside = np.add(START_POSE_RAD, (0.1, 0.0, 0.0, 0.05, 0.0, 0.0))
    with camera():
        spin_until(lambda: len(viewer.images) >= 2)
        arm.value = pose(aside)
        spin_until(lambda: same(viewer.images[-1], clean_picture(screen(), aside)))


def carried_on(qd, age_s):
    """Return what is seen of an arm that has moved on since its pose was told."""
    return clean_picture(screen(), np.add(START_POSE_RAD, np.multiply(qd, age_s)))


def dot_row(frame):
    """Return the row of the dot's middle [px]."""
    blue, _, red = np.moveaxis(frame.astype(int), -1, 0)
    return np.nonzero(red - blue > 60)[0].mean()


def test_a_moving_arm_is_seen_where_it_is_at_the_exposure(
    camera, viewer, write, spin_until
):
    """Of a pose that is 12 ms old, and up to 5 ms more until the next one is told."""
    qd = (0.0, 0.0, 0.0, 5.0, 0.0, 0.0)
    write("screen", screen())
    write("pose", pose(qd=qd)).age_ns = 12_000_000
    with camera():
        spin_until(lambda: len(viewer.images) >= 30)
    first, last = (dot_row(carried_on(qd, age_s)) for age_s in (0.0, 0.02))
    rows = np.array([dot_row(picture(msg)) for msg in viewer.images[5:]])
    ages_ms = 20.0 * (rows - first) / (last - first)
    assert 8.0 < ages_ms.min() < 17.0  # a row is half a millisecond, a machine shared
    assert ages_ms.max() < 20.5


def test_a_pose_is_carried_on_by_20_ms_and_no_further(camera, viewer, write, spin_until):
    qd = (0.0, 0.0, 0.0, 0.7, 0.0, 0.0)
    write("screen", screen())
    write("pose", pose(qd=qd)).age_ns = 100_000_000
    with camera():
        spin_until(lambda: len(viewer.images) >= 5)
    assert same(viewer.images[-1], carried_on(qd, 0.02))


def test_fault_a_pose_that_nobody_tells_any_more_is_not_published_as_new(
    camera, viewer, write, spin_until
):
    write("screen", screen())
    arm = write("pose", pose())
    with camera():
        spin_until(lambda: viewer.images)
        arm.stop()
        silent_since_ns = time.time_ns()
        spin_until(lambda: "for pose_file" in "".join(since_it_sees(viewer)))
        known = len(viewer.diagnoses)
        spin_until(lambda: len(viewer.diagnoses) >= known + 2)
        assert "waiting for pose_file" in viewer.diagnoses[-1].message
        newest_ns = stamp_ns(viewer.images[-1])
        assert newest_ns - silent_since_ns <= FRESH_S * 1e9
        write("pose", pose())
        spin_until(lambda: stamp_ns(viewer.images[-1]) > newest_ns)


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("screen", b"no shared array", "screen is not a shared array"),
        ("screen", np.zeros((360, 640, 3), np.uint8), "holds uint8 (360, 640, 3)"),
        ("pose", b"", "pose is not a shared array"),
        ("pose", np.full((2, 6), math.nan), "holds float64 (2, 6)"),
    ],
)
def test_fault_a_file_that_turns_into_something_else_is_waited_for(
    camera, viewer, write, spin_until, *, tmp_path, name, bad, message
):
    writers = {"screen": write("screen", screen()), "pose": write("pose", pose())}
    with camera():
        spin_until(lambda: viewer.images)
        writers[name].stop()
        if isinstance(bad, bytes):
            (tmp_path / "bad").write_bytes(bad)
            (tmp_path / "bad").replace(tmp_path / name)
        else:
            write(name, bad)
        spin_until(lambda: any(message in line for line in viewer.log))
        spin_until(lambda: f"for {name}_file" in "".join(since_it_sees(viewer)))
        write(name, {"screen": screen(), "pose": pose()}[name])
        spin_until(lambda: "screen and pose are alive" in since_it_sees(viewer))
        seen = len(viewer.images)
        spin_until(lambda: len(viewer.images) > seen + 2)


def test_latency_delays_the_message_not_the_stamp(camera, viewer, write, spin_until):
    write("screen", screen())
    write("pose", pose())
    with camera(latency_s=0.1):  # two periods and a half
        spin_until(lambda: len(viewer.images) >= 20)
    stamps_ns = [stamp_ns(msg) for msg in viewer.images]
    ages_ms = np.subtract(viewer.arrival_ns, stamps_ns) / 1e6
    assert ages_ms.min() >= 100.0
    assert np.median(ages_ms) < 120.0
    assert np.median(np.diff(stamps_ns)) / 1e6 == pytest.approx(40.0, abs=2.0)


def test_frames_are_lost_as_asked_and_counted(camera, viewer, write, spin_until):
    write("screen", screen())
    write("pose", pose())
    with camera(drop_probability=0.5, rate_hz=100.0):
        spin_until(lambda: len(viewer.diagnoses) >= 3 and viewer.images)
    values = {pair.key: pair.value for pair in viewer.diagnoses[-1].values}
    published, dropped = int(values["frames_published"]), int(values["frames_dropped"])
    assert 0.35 < dropped / (published + dropped) < 0.65
    assert float(values["frames_hz"]) < 75.0
    assert float(values["frames_hz"]) > 25.0
    assert 0.0 <= float(values["pose_age_ms"]) < 500.0
    assert 0.0 <= float(values["screen_age_ms"]) < 500.0


def test_it_waits_for_both_and_says_for_what_once(camera, viewer, write, spin_until):
    with camera():
        spin_until(lambda: viewer.diagnoses)
        assert "waiting for screen_file" in viewer.diagnoses[-1].message
        assert not viewer.images
        write("screen", screen())
        spin_until(lambda: any("for pose_file" in line for line in viewer.log))
        write("pose", pose())
        spin_until(lambda: viewer.images)
    waiting = [line for line in viewer.log if line.startswith("waiting")]
    assert len(waiting) == 2  # for both, then for the pose alone
    assert "screen" in waiting[0] and "pose" in waiting[0]
    assert "display" not in waiting[1] and "controller" in waiting[1]


def test_fault_a_restarted_display_is_taken_up(camera, viewer, write, spin_until):
    old = write("screen", screen(20.0, 20.0))
    write("pose", pose())
    with camera():
        spin_until(lambda: viewer.images)
        old.stop()
        new = screen(120.0, 60.0, (180, 320, 4))  # another size, another place
        write("screen", new)
        spin_until(lambda: same(viewer.images[-1], clean_picture(new)))


def test_fault_a_display_that_dies_drawing_leaves_the_last_whole_picture(
    camera, viewer, write, spin_until
):
    display = write("screen", screen(30.0, 30.0))
    write("pose", pose())
    with camera():
        spin_until(lambda: viewer.images)
        display.dies_half_way = True
        display.stop()
        seen = len(viewer.images)
        spin_until(lambda: "for screen_file" in "".join(since_it_sees(viewer)))
        assert len(viewer.images) >= seen + 10  # it goes on at its rate
        assert same(viewer.images[-1], clean_picture(screen(30.0, 30.0)))
        write("screen", screen(90.0, 50.0))
        spin_until(lambda: same(viewer.images[-1], clean_picture(screen(90.0, 50.0))))
        spin_until(lambda: "screen and pose are alive" in since_it_sees(viewer))


def test_fault_files_of_an_earlier_run_are_not_believed(
    camera, viewer, spin_until, tmp_path
):
    for name, value in (("screen", screen()), ("pose", pose())):
        old = SharedArrayWriter(tmp_path / name, value.shape, value.dtype.str)
        old.begin()[:] = value
        old.commit(time.monotonic_ns() - 10**10)
    with camera():
        spin_until(lambda: len(viewer.diagnoses) >= 2)
    assert not viewer.images


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("screen", np.zeros((360, 640, 3), np.uint8)),
        ("pose", np.zeros((2, 5))),
        ("pose", np.full((2, 6), math.nan)),
    ],
)
def test_fault_a_file_of_something_else_ends_the_loop_by_name(
    camera, write, spin_until, name, value
):
    good = {"screen": screen(), "pose": pose()}
    for file, default in good.items():
        write(file, value if file == name else default)
    with camera() as errors:
        spin_until(lambda: errors)
    assert f"{name}_file" in str(errors[0])
    assert str(value.shape) in str(errors[0])


# As a process.

COMMAND = (sys.executable, "-m", "ur5_sim.nodes.camera_node", "--ros-args")


def test_fault_missing_files_in_the_parameters_are_one_line_and_exit_code_2(ros_domain):
    done = subprocess.run(
        COMMAND,
        env=node_environment(ros_domain),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "error: screen_file must name the file that display writes\n"


def test_a_signal_ends_it_with_code_0_while_it_waits(ros_domain, tmp_path):
    files = ("-p", f"screen_file:={tmp_path}/s", "-p", f"pose_file:={tmp_path}/p")
    process = subprocess.Popen(
        [*COMMAND, *files],
        env=node_environment(ros_domain),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "waiting for" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=2.0)
    assert process.returncode == 0
