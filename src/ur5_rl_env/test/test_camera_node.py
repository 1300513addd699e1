"""The camera node on a video file, and on cameras that misbehave."""

import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from ur5_rl_env.core.camera_config import CameraConfig
from ur5_rl_env.nodes.camera_node import CameraNode
from ur5_rl_env.nodes.capture import open_capture
from ur5_rl_ros import qos
from ur5_rl_ros.image_bridge import imgmsg_to_cv2
from ur5_rl_ros.process import (
    ConfigurationError,
    LinkLostError,
    Stop,
    spinning_in_background,
)
from ur5_rl_ros.testing import node_environment

pytestmark = pytest.mark.realtime

HZ = 50.0


class FakeCamera:
    """A camera with a switch for each way in which cameras fail.

    Attributes:
        is_there: Off: `open` and `read` fail, as after pulling the plug.
        is_alive: Off: the same image again and again.
        shape: Of its images.
    """

    def __init__(self):
        self.is_there = self.is_alive = True
        self.shape = (36, 64, 3)
        self.opened = self.closed = self.given = self.dropped = 0

    def open(self, _config):
        if not self.is_there:
            raise FileNotFoundError("camera is not there")
        self.opened += 1
        return self

    def read(self):
        time.sleep(1.0 / HZ)  # stands for the exposure
        if not self.is_there:
            raise ConnectionError("camera gives no image")
        self.given += self.is_alive
        return np.full(self.shape, self.given % 256, np.uint8), time.monotonic_ns()

    def close(self):
        self.closed += 1


class Viewer:
    """What a subscriber sees of the camera node."""

    def __init__(self, node):
        self.images, self.reports = [], []
        node.create_subscription(Image, "image_raw", self.images.append, qos.SENSOR)
        node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, 10
        )

    def _on_diagnostics(self, msg):
        self.reports += msg.status


@pytest.fixture
def viewer(ros):
    from rclpy.node import Node

    node = Node("viewer", context=ros.context)
    ros.add_node(node)
    yield Viewer(node)
    node.destroy_node()


@contextmanager
def running(context, open_capture, ends_with=None, **settings):
    settings = {"height_px": 9, "width_px": 16, "capture_hz": HZ} | settings
    parameters = [Parameter(name, value=value) for name, value in settings.items()]
    node = CameraNode(open_capture, context=context, parameter_overrides=parameters)
    stop, errors = Stop(), []

    def loop():
        try:
            with spinning_in_background(node):
                node.run(stop)
        except (ConfigurationError, LinkLostError) as error:
            errors.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield thread
    finally:
        stop.request()
        thread.join(timeout=5.0)
        assert not thread.is_alive()
        node.close()
        node.destroy_node()
        assert [type(error) for error in errors] == ([ends_with] if ends_with else [])


def test_images_arrive_in_the_task_s_format_and_stamped(ros, viewer, spin_until):
    camera = FakeCamera()
    with running(ros.context, camera.open, latency_s=0.1):
        spin_until(lambda: len(viewer.images) >= 20)
        now_s = time.time()
    image = viewer.images[-1]
    assert (image.encoding, image.height, image.width) == ("bgr8", 9, 16)
    stamp_s = image.header.stamp.sec + image.header.stamp.nanosec / 1e9
    assert 0.1 <= now_s - stamp_s < 0.3
    assert camera.closed == 1


def test_rate_is_measured(ros, viewer, spin_until):
    with running(ros.context, FakeCamera().open):
        spin_until(lambda: any("images/s" in r.message for r in viewer.reports))
    report = next(r for r in viewer.reports if "images/s" in r.message)
    values = {value.key: value.value for value in report.values}
    assert 20.0 < float(values["images_hz"]) <= HZ * 1.02
    assert values["camera_width_px"] == "64"


def test_fault_slow_camera_is_a_warning(ros, viewer, spin_until):
    with running(ros.context, FakeCamera().open, capture_hz=100.0):
        spin_until(lambda: any("asked 100" in r.message for r in viewer.reports))
    report = next(r for r in viewer.reports if "asked 100" in r.message)
    assert report.level == DiagnosticStatus.WARN


def test_fault_frozen_camera_falls_silent_and_says_so(ros, viewer, spin_until):
    camera = FakeCamera()
    with running(ros.context, camera.open, frozen_frames=5):
        spin_until(lambda: len(viewer.images) >= 5)
        camera.is_alive = False
        spin_until(lambda: any("frozen" in report.message for report in viewer.reports))
        frozen = imgmsg_to_cv2(viewer.images[-1])[0, 0, 0]
        repeats = [imgmsg_to_cv2(i)[0, 0, 0] == frozen for i in viewer.images]
        assert sum(repeats) <= 4  # the fifth is known to be frozen
        camera.is_alive = True
        seen = len(viewer.images)
        spin_until(lambda: len(viewer.images) > seen)
    frozen_report = next(r for r in viewer.reports if "frozen" in r.message)
    assert frozen_report.level == DiagnosticStatus.ERROR


def test_fault_unplugged_camera_is_found_again(ros, viewer, spin_until):
    camera = FakeCamera()
    with running(ros.context, camera.open):
        spin_until(lambda: viewer.images)
        camera.is_there = False
        spin_until(
            lambda: any(r.message == "camera is not there" for r in viewer.reports)
        )
        camera.is_there = True
        seen = len(viewer.images)
        spin_until(lambda: len(viewer.images) > seen + 5)
        assert camera.opened == 2


def test_fault_camera_that_stays_away_is_a_lost_link(ros, viewer, spin_until):
    camera = FakeCamera()
    lost = LinkLostError
    with running(ros.context, camera.open, lost, reopen_timeout_s=0.3) as thread:
        spin_until(lambda: viewer.images)
        camera.is_there = False
        spin_until(lambda: not thread.is_alive())


def test_fault_camera_without_a_first_image_ends_the_node(ros, spin_until):
    camera = FakeCamera()
    broken = FakeCamera()
    broken.is_there = False
    camera.open = lambda _config: broken
    with running(ros.context, camera.open, ConfigurationError) as thread:
        spin_until(lambda: not thread.is_alive())


def test_fault_other_format_is_cut_to_shape(ros, viewer, spin_until):
    camera = FakeCamera()
    camera.shape = (48, 64, 3)
    with running(ros.context, camera.open):
        spin_until(lambda: viewer.images)
    assert (viewer.images[-1].height, viewer.images[-1].width) == (9, 16)


def test_dropped_images_are_counted_over_all_times_it_was_open(ros, viewer, spin_until):
    def says(count):
        return any(
            ("old_images_dropped", count) in {(v.key, v.value) for v in report.values}
            for report in viewer.reports
        )

    camera = FakeCamera()
    with running(ros.context, camera.open):
        camera.dropped = 2
        spin_until(lambda: says("2"))
        camera.is_there = False
        spin_until(lambda: camera.closed == 1)
        camera.is_there, camera.dropped = True, 1
        spin_until(lambda: says("3"))


@pytest.fixture
def video_file(tmp_path):
    """Ten frames of growing brightness at 50 Hz."""
    path = tmp_path / "ramp.avi"
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, HZ, (64, 36))
    for level in range(10):
        writer.write(np.full((36, 64, 3), 25 * level, np.uint8))
    writer.release()
    return path


def test_video_file_plays_at_its_rate_over_and_over(video_file):
    capture = open_capture(CameraConfig(device=str(video_file)))
    levels, arrivals = [], []
    for _ in range(25):
        image, arrival_ns = capture.read()
        levels.append(round(image.mean() / 25))
        arrivals.append(arrival_ns)
    capture.close()
    assert levels == [*range(10), *range(10), *range(5)]
    assert (arrivals[-1] - arrivals[0]) / 1e9 == pytest.approx(24 / HZ, rel=0.2)


def test_node_publishes_a_video_file(ros, viewer, spin_until, video_file):
    with running(ros.context, open_capture, device=str(video_file)):
        spin_until(lambda: len(viewer.images) >= 15)
    levels = {round(imgmsg_to_cv2(image).mean() / 25) for image in viewer.images}
    assert len(levels) >= 5


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("/dev/v4l/by-id/usb-nothing", "camera /dev/v4l/by-id/usb-nothing is not there"),
        ("99", "camera 99 is not there"),
        (__file__, "cannot be read"),
    ],
)
def test_fault_missing_camera_is_one_line_and_exit_code_2(ros_domain, device, message):
    words = [sys.executable, "-m", "ur5_rl_env.nodes.camera_node"]
    words += ["--ros-args", "-p", f"device:='{device}'"]
    done = subprocess.run(
        words,
        env=node_environment(ros_domain) | {"OPENCV_LOG_LEVEL": "OFF"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and message in lines[0]
    assert "Traceback" not in done.stderr
