"""Messages to the monitor's samples, by name, complete, or an error."""

import math
from dataclasses import fields
from typing import Any, TypeVar

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image

from ur5_rl_bringup.core.samples import (
    ArmSample,
    EnvSample,
    Episode,
    Frame,
    LearnerSample,
    Timing,
)
from ur5_rl_interfaces.msg import ArmStatus, EnvStatus, EpisodeSummary, LearnerStatus
from ur5_rl_ros.image_bridge import imgmsg_to_cv2

T = TypeVar("T")
MUST_BE_FINITE = ("return_sum", "duration_s", "reset_s")


def episode(msg: EpisodeSummary) -> tuple[Episode, Timing]:
    """Return the episode and how punctual it was.

    Raises:
        ValueError: a number of it is not finite.
    """
    for name in MUST_BE_FINITE:
        if not math.isfinite(getattr(msg, name)):
            raise ValueError(
                f"EpisodeSummary.{name} must be finite, got {getattr(msg, name)} "
                f"in episode {msg.episode}"
            )
    series = {
        field.name: np.array(getattr(msg, field.name), np.float32)
        for field in fields(Timing)
    }
    stamp_s = seconds(msg.header.stamp)
    return _by_name(Episode, msg, stamp_s=stamp_s), Timing(**series)


def env(msg: EnvStatus) -> EnvSample:
    return _by_name(EnvSample, msg)


def arm(msg: ArmStatus) -> ArmSample:
    return _by_name(ArmSample, msg)


def learner(msg: LearnerStatus) -> LearnerSample:
    return _by_name(LearnerSample, msg)


def frame(msg: Image, height: int, width: int) -> Frame:
    """Return a copy of the picture, no larger than `height` x `width` [px].

    Raises:
        ValueError: the encoding or the sizes of the message are wrong.
    """
    image = imgmsg_to_cv2(msg, "bgr8")
    scale = min(1.0, height / image.shape[0], width / image.shape[1])
    if scale < 1.0:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return Frame(seconds(msg.header.stamp), image.copy())


def seconds(stamp: Time) -> float:
    """Return system time as one number [s]."""
    return float(stamp.sec + 1e-9 * stamp.nanosec)


def _by_name(sample_type: type[T], msg: Any, **more: Any) -> T:
    names = [field.name for field in fields(sample_type)]  # type: ignore[arg-type]
    return sample_type(**{n: getattr(msg, n) for n in names if n not in more}, **more)
