"""Cameras and video files through OpenCV: one image at a time, or an OSError."""

import os
import time
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ur5_rl_env.core.camera_config import CameraConfig
from ur5_rl_ros.deadline import NANOSECONDS, Pace

Image = NDArray[np.uint8]

READ_TIMEOUT_S = 1  # of a camera that is there but silent
LATE_PERIODS = 1.5  # between two reads: the driver then holds a frame from before
WAITED_PERIODS = 0.25  # a frame that takes longer was not there already
V4L2_EXPOSURE_MANUAL = 1.0
MAX_BUFFERS = 10  # of OpenCV; some drivers take more than the one that is asked for
BY_ID = Path("/dev/v4l/by-id")


class Capture(Protocol):
    """A source of images.

    Attributes:
        dropped: Images that were too old when they were read.
    """

    dropped: int

    def read(self) -> tuple[Image, int]:
        """Return the next image, BGR, and when it arrived, steady clock [ns].

        Raises:
            OSError: there is none: the camera is gone, or silent.
        """
        ...

    def close(self) -> None: ...


class Camera:
    """A V4L2 device; `read` blocks until its next image.

    What the driver has kept while nobody read is dropped: nothing tells its age.
    """

    def __init__(self, config: CameraConfig) -> None:
        self.dropped = 0
        self._device = config.device
        self._period_ns = round(NANOSECONDS / config.capture_hz)
        self._read_ns = 0  # when the last read ended
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(READ_TIMEOUT_S))
        where = int(config.device) if config.device.isdecimal() else config.device
        self._video = cv2.VideoCapture(where, cv2.CAP_V4L2)
        if not self._video.isOpened():
            raise ConnectionError(
                f"camera {config.device} cannot be opened: is it in use?"
            )
        for name, value in self._settings(config):
            self._video.set(name, value)  # what it does not take, its images show
        if config.exposure and not self._fix_exposure(config.exposure):
            self._video.release()
            raise ConnectionError(
                f"camera {config.device} does not take exposure {config.exposure:g}"
            )

    def _fix_exposure(self, exposure: float) -> bool:
        video = self._video
        is_manual = video.set(cv2.CAP_PROP_AUTO_EXPOSURE, V4L2_EXPOSURE_MANUAL)
        return is_manual and video.set(cv2.CAP_PROP_EXPOSURE, exposure)

    def _settings(self, config: CameraConfig) -> list[tuple[int, float]]:
        settings: list[tuple[int, float]] = []
        if config.fourcc:
            code = cv2.VideoWriter.fourcc(*config.fourcc)
            settings.append((cv2.CAP_PROP_FOURCC, code))
        settings += [
            (cv2.CAP_PROP_FRAME_WIDTH, config.capture_width_px),
            (cv2.CAP_PROP_FRAME_HEIGHT, config.capture_height_px),
            (cv2.CAP_PROP_FPS, config.capture_hz),
            (cv2.CAP_PROP_BUFFERSIZE, 1),  # the newest image, not a queue of old ones
        ]
        return settings

    def read(self) -> tuple[Image, int]:
        pause_ns = time.monotonic_ns() - self._read_ns
        if self._read_ns and pause_ns > LATE_PERIODS * self._period_ns:
            self._drop_kept()
        arrival_ns = self._grab()
        has_image, image = self._video.retrieve()
        if not has_image:
            raise self._silence()
        self._read_ns = time.monotonic_ns()
        return image, arrival_ns

    def _drop_kept(self) -> None:
        """Drop frames up to the first that had to be waited for."""
        for _ in range(MAX_BUFFERS):
            began_ns = time.monotonic_ns()
            waited_ns = self._grab() - began_ns
            self.dropped += 1
            if waited_ns > WAITED_PERIODS * self._period_ns:
                return

    def _grab(self) -> int:
        """Take the next frame from the driver; return when it came [ns]."""
        if not self._video.grab():
            raise self._silence()
        return time.monotonic_ns()

    def _silence(self) -> ConnectionError:
        return ConnectionError(f"camera {self._device} gives no image")

    def close(self) -> None:
        self._video.release()


class VideoFile:
    """A video file at its own rate, over and over."""

    dropped = 0

    def __init__(self, config: CameraConfig) -> None:
        self._path = config.device
        self._video = cv2.VideoCapture(config.device)
        if not self._video.isOpened():
            raise ConnectionError(f"video file {config.device} cannot be read")
        self._pace = Pace(1.0 / (self._video.get(cv2.CAP_PROP_FPS) or config.capture_hz))

    def read(self) -> tuple[Image, int]:
        self._pace.sleep()
        has_image, image = self._video.read()
        if not has_image:
            self._video.set(cv2.CAP_PROP_POS_FRAMES, 0)
            has_image, image = self._video.read()
        if not has_image:
            raise ConnectionError(f"video file {self._path} has no image")
        return image, time.monotonic_ns()

    def close(self) -> None:
        self._video.release()


def open_capture(config: CameraConfig) -> Capture:
    """Open what `config.device` names.

    Raises:
        OSError: it is not there, or cannot be opened; says what there is.
    """
    device = config.device
    path = Path(f"/dev/video{device}" if device.isdecimal() else device)
    if not path.exists():
        raise FileNotFoundError(f"camera {device} is not there; {_cameras()}")
    return VideoFile(config) if path.is_file() else Camera(config)


def _cameras() -> str:
    """Name the cameras that this computer has."""
    devices = sorted(BY_ID.glob("*")) or sorted(Path("/dev").glob("video*"))
    if not devices:
        return "this computer has none"
    return "there are " + ", ".join(str(device) for device in devices)
