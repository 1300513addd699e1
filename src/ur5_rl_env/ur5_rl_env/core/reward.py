"""The one reward: how well the red dot fills the middle of the image, minus posture.

Source: Yuan 2021, equation 3.1, in the form of the published implementation; the thesis'
literal weight is one setting (`kernel="thesis"`, `vision_clip=0`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Joints = Sequence[float] | NDArray[np.float64]

RED_LOWER_BGR = (0, 0, 120)
RED_UPPER_BGR = (50, 50, 255)
KERNELS = ("tents", "thesis")


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """Form of the reward.

    Attributes:
        kernel: "tents" (product of two linear tents, peak 1/4) or "thesis" (product of
            two tents that fall from 1 to 0).
        vision_scale: Factor on the mean weighted mask.
        vision_clip: Upper bound of the vision term; 0 means none.
        reference_period_s: Reward is per action cycle of this length [s]; another action
            period scales it, so that returns compare. 0 switches the scaling off.
    """

    kernel: str = "tents"
    vision_scale: float = 800.0
    vision_clip: float = 4.0
    reference_period_s: float = 0.04

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise ValueError(f"kernel must be one of {KERNELS}, got '{self.kernel}'")
        for name in ("vision_scale", "vision_clip", "reference_period_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} must be finite and >= 0, got {value}")


class Score(NamedTuple):
    """The reward of one action cycle, and what it is made of.

    Attributes:
        reward: (vision - posture) times the action period in reference periods.
        vision: How well the dot fills the middle, clipped.
        posture: See `posture_penalty`.
        mask_px: Red pixels of the image.
    """

    reward: float
    vision: float
    posture: float
    mask_px: int


class Reward:
    """Scores one image and one pose. Holds the weights of one image size."""

    def __init__(
        self, config: RewardConfig, height: int, width: int, action_period_s: float
    ) -> None:
        self._config = config
        reference = config.reference_period_s
        self._time_scale = action_period_s / reference if reference > 0.0 else 1.0
        self._weight = centre_weight(config.kernel, height, width)

    def __call__(self, image: Image, q: Joints) -> float:
        """Return the reward of one action cycle; arguments as for `score`."""
        return self.score(image, q).reward

    def score(self, image: Image, q: Joints) -> Score:
        """Return the reward of one action cycle and its parts.

        Args:
            image: Newest camera frame, BGR, shape (height, width, 3).
            q: Joint positions [rad], pan first; the first five count.
        """
        seen = self._weight[red_mask(image) > 0]
        mean = float(seen.sum(dtype=np.float64)) / self._weight.size
        vision = self._config.vision_scale * mean
        if self._config.vision_clip > 0.0:
            vision = min(vision, self._config.vision_clip)
        posture = posture_penalty(q)
        return Score((vision - posture) * self._time_scale, vision, posture, seen.size)


def red_mask(image: Image) -> Image:
    """Return 255 where B <= 50, G <= 50 and R >= 120, else 0. BGR (H, W, 3) -> (H, W)."""
    mask: Image = cv2.inRange(image, RED_LOWER_BGR, RED_UPPER_BGR)  # type: ignore[call-overload]
    return mask


def mask_pixels(image: Image) -> int:
    """Return how many pixels of a BGR image are red."""
    return cv2.countNonZero(red_mask(image))


def centre_weight(kernel: str, height: int, width: int) -> NDArray[np.float32]:
    """Return the weight of each pixel, shape (height, width); largest in the middle."""
    rows = 0.5 - np.abs(np.arange(height) - height // 2) / height
    columns = 0.5 - np.abs(np.arange(width) - width // 2) / width
    peak = 4.0 if kernel == "thesis" else 1.0
    return (peak * np.outer(rows, columns)).astype(np.float32)


def posture_penalty(q: Joints) -> float:
    """Return |q1 + q5| + |pi + q2 + q3 + q4| (joints from 1); 0 at the start pose."""
    return float(abs(q[0] + q[4]) + abs(math.pi + q[1] + q[2] + q[3]))
