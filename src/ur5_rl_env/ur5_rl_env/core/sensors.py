"""The newest joint sample and images, and whether they may be used together."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ur5_rl_env.core.env_config import EnvConfig
from ur5_rl_env.core.frame_health import FrozenDetector
from ur5_rl_env.core.reward import mask_pixels
from ur5_rl_env.core.task import NUM_JOINTS, STACK_FRAMES

NANOSECONDS = 1_000_000_000
# Beyond these no UR joint can be: what says so is no joint state of a UR.
MAX_POSITION_RAD = 4.0 * math.pi
MAX_SPEED_RAD_S = 20.0


@dataclass(frozen=True)
class JointSample:
    """Joint state at one instant. Replaced whole, never changed in place."""

    stamp_ns: int  # of the sample, system time
    arrival_ns: int  # steady clock
    q: NDArray[np.float64]  # [rad], shape (6,)
    qd: NDArray[np.float64]  # [rad/s], shape (6,)

    def __post_init__(self) -> None:
        for name, values, bound in (
            ("q", self.q, MAX_POSITION_RAD),
            ("qd", self.qd, MAX_SPEED_RAD_S),
        ):
            if values.shape != (NUM_JOINTS,) or not np.isfinite(values).all():
                raise ValueError(f"{name} must be 6 finite numbers, got {values}")
            if np.abs(values).max() > bound:
                raise ValueError(f"{name} must lie in +-{bound:.3g}, got {values}")


@dataclass(frozen=True)
class Frame:
    """One camera image. Replaced whole, never changed in place."""

    number: int  # counts the images that this process received
    stamp_ns: int  # of the exposure, system time
    arrival_ns: int  # steady clock
    image: NDArray[np.uint8]  # BGR, shape (height, width, 3)
    planes: NDArray[np.uint8]  # the same, channels first, shape (3, height, width)


@dataclass(frozen=True)
class Snapshot:
    """What was known at one tick."""

    joints: JointSample
    frames: tuple[Frame, ...]  # the last three, oldest first

    @property
    def offset_s(self) -> float:
        """How far the stamps of joint sample and newest image lie apart [s]."""
        return abs(self.joints.stamp_ns - self.frames[-1].stamp_ns) / NANOSECONDS


class Sensors:
    """Keeps the newest inputs.

    Written by the callback thread, read by the loop thread: every field is replaced by
    one assignment of an immutable value, so that no reader sees half of one.
    """

    def __init__(self, config: EnvConfig) -> None:
        self._config = config
        self._joints: JointSample | None = None
        self._frames: tuple[Frame, ...] = ()
        self._target_arrival_ns: int | None = None
        self._frozen_detector = FrozenDetector(config.max_equal_images)
        self._is_frozen = False

    def on_joint_sample(self, sample: JointSample) -> None:
        self._joints = sample

    def on_frame(self, frame: Frame) -> None:
        expected = (self._config.height_px, self._config.width_px, 3)
        if frame.image.shape != expected:
            raise ValueError(f"image has shape {frame.image.shape}, expected {expected}")
        self._is_frozen = self._frozen_detector.is_frozen(frame.image)
        self._frames = (*self._frames[1 - STACK_FRAMES :], frame)

    def on_target(self, arrival_ns: int) -> None:
        self._target_arrival_ns = arrival_ns

    @property
    def newest_frame(self) -> Frame | None:
        frames = self._frames
        return frames[-1] if frames else None

    def fault(self, now_ns: int) -> str:
        """Return which input is missing or stale at `now_ns` (steady); "" if none is."""
        config, frame, joints = self._config, self.newest_frame, self._joints
        joints_ns = joints.arrival_ns if joints else None
        frame_ns = frame.arrival_ns if frame else None
        inputs = [
            ("joint_states", joints_ns, config.max_joint_state_age_s),
            ("image_raw", frame_ns, config.max_image_age_s),
        ]
        if config.max_target_age_s > 0.0:
            limit_s = config.max_target_age_s
            inputs.append(("target_state", self._target_arrival_ns, limit_s))
        for topic, arrival_ns, limit_s in inputs:
            if arrival_ns is None:
                return f"{topic} has not been heard yet"
            if (now_ns - arrival_ns) / NANOSECONDS > limit_s:
                return f"{topic} has been silent for more than {limit_s} s"
        if len(self._frames) < STACK_FRAMES:
            return f"image_raw has given {len(self._frames)} of {STACK_FRAMES} images"
        if self._is_frozen:
            return f"camera is frozen: {config.max_equal_images} equal images in a row"
        return ""

    def is_image_old(self, now_ns: int) -> bool:
        """Whether nobody should act on the newest image at `now_ns` (steady)."""
        frame, limit_s = self.newest_frame, self._config.hold_image_age_s
        if frame is None or limit_s == 0.0:
            return False
        return (now_ns - frame.arrival_ns) / NANOSECONDS > limit_s

    def exposure_fault(self) -> str:
        """Return why no episode may begin with the newest image; "" if one may.

        For images of the start pose, from which the whole screen is in sight: during an
        episode the arm may well look away from the target.
        """
        frame, wanted = self.newest_frame, self._config.min_mask
        seen = mask_pixels(frame.image) if frame is not None and wanted else wanted
        if seen >= wanted:
            return ""
        return (
            f"the target is not seen: {seen} red pixels, at least {wanted} expected "
            "(exposure? lens cap? display?)"
        )

    def snapshot(self) -> Snapshot:
        """Return the newest joint sample and images; call it where `fault` is "".

        Raises:
            ValueError: something was never heard.

        """
        joints, frames = self._joints, self._frames
        if joints is None or len(frames) < STACK_FRAMES:
            raise ValueError("no snapshot before every input was heard")
        return Snapshot(joints, frames)

    def ages_ms(self, now_ns: int) -> tuple[float, float]:
        """Return ages of newest image and joint sample [ms]; -1 before the first."""
        frame, joints = self.newest_frame, self._joints
        return (
            (now_ns - frame.arrival_ns) / 1e6 if frame else -1.0,
            (now_ns - joints.arrival_ns) / 1e6 if joints else -1.0,
        )
