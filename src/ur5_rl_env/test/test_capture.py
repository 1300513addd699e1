"""A V4L2 camera whose driver keeps frames while nobody reads them."""

import os

import numpy as np
import pytest

from ur5_rl_env.core.camera_config import CameraConfig
from ur5_rl_env.nodes import capture

HZ = 20.0
PERIOD_S = 1.0 / HZ


class Driver:
    """Exposes a frame each period and keeps the oldest ones that nobody has read.

    A frame holds the number of its exposure. Time passes by waiting for a frame, and by
    `pass_s`: no test depends on how fast the machine is.
    """

    def __init__(self, buffers=1):
        self.now_s, self.buffers, self.number, self.kept = 100.0, buffers, 0, []

    def pass_s(self, duration_s):
        end_s = self.now_s + duration_s
        while self.now_s < end_s:
            self._expose(end_s)

    def _expose(self, latest_s=float("inf")):
        due_s = 100.0 + (self.number + 1) * PERIOD_S
        self.now_s = min(due_s, latest_s)
        if due_s <= latest_s:
            self.number += 1
            if len(self.kept) < self.buffers:
                self.kept.append(self.number)

    # What OpenCV's class offers.

    def isOpened(self):  # noqa: N802
        return True

    def set(self, *_):
        return True

    def grab(self):
        while not self.kept:
            self._expose()
        self._grabbed = self.kept.pop(0)
        return True

    def retrieve(self):
        return True, np.full((2, 2, 3), self._grabbed, np.uint8)


class Stubborn(Driver):
    """Takes no exposure."""

    is_released = False

    def set(self, name, _value):
        return name != capture.cv2.CAP_PROP_EXPOSURE

    def release(self):
        self.is_released = True


@pytest.fixture
def open_camera(monkeypatch):
    def open_camera(driver, **settings):
        monkeypatch.setitem(os.environ, "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
        monkeypatch.setattr(capture.cv2, "VideoCapture", lambda *_: driver)
        clock = type("Clock", (), {"monotonic_ns": lambda: round(driver.now_s * 1e9)})
        monkeypatch.setattr(capture, "time", clock)
        return capture.Camera(CameraConfig(device="0", capture_hz=HZ, **settings))

    return open_camera


def age_periods(driver, camera):
    """Return by how much the next image is older than its arrival says [periods]."""
    image, arrival_ns = camera.read()
    return arrival_ns / 1e9 / PERIOD_S - (100.0 / PERIOD_S + image[0, 0, 0])


def test_fault_an_exposure_that_the_camera_does_not_take_is_named(open_camera):
    driver = Stubborn()
    with pytest.raises(ConnectionError, match="camera 0 does not take exposure 9000"):
        open_camera(driver, exposure=9000.0)
    assert driver.is_released
    assert open_camera(Stubborn()).dropped == 0  # automatic: nothing to take


def test_who_reads_in_time_gets_every_frame(open_camera):
    driver = Driver(buffers=4)
    camera = open_camera(driver)
    for _ in range(20):
        assert age_periods(driver, camera) == pytest.approx(0.0, abs=1e-6)
        driver.pass_s(0.9 * PERIOD_S)  # of work
    assert (driver.number, camera.dropped) == (20, 0)


@pytest.mark.parametrize("buffers", [1, 2, 4])
@pytest.mark.parametrize("stall_periods", [1.6, 3.0, 50.4])
def test_fault_a_frame_from_before_a_stall_is_not_taken_for_a_new_one(
    open_camera, buffers, stall_periods
):
    driver = Driver(buffers)
    camera = open_camera(driver)
    for _ in range(3):
        camera.read()
    driver.pass_s(stall_periods * PERIOD_S)
    assert age_periods(driver, camera) == pytest.approx(0.0, abs=1e-6)
    assert 1 <= camera.dropped <= buffers + 1
    for _ in range(3):
        assert age_periods(driver, camera) == pytest.approx(0.0, abs=1e-6)


def test_fault_a_camera_that_falls_silent_after_a_stall_is_an_error(
    open_camera, monkeypatch
):
    driver = Driver()
    camera = open_camera(driver)
    camera.read()
    driver.pass_s(10.0)
    monkeypatch.setattr(driver, "grab", lambda: False)
    with pytest.raises(OSError, match="camera 0 gives no image"):
        camera.read()
