"""Where the dot is in the image, and since when it is in the middle.

Lengths are in pixels of an image 160 px wide, whatever the size of the camera, so that
policies with other images compare.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sac_learner.core.dot import MIN_MASK_FRACTION
from target_display.core.drawing import Pixels
from ur5_rl_env.core.reward import red_mask

REFERENCE_WIDTH_PX = 160
CENTRED_PX = 8.0  # 5 % of the image's width: two thirds of the radius of a near dot
CENTRED_S = 1.0  # a dot that flies through the middle stays there for less


class Dot(NamedTuple):
    """The dot in an image, in pixels of an image 160 px wide.

    Attributes:
        distance_px: Of its centroid from the middle; out of sight it counts as half the
            image's diagonal.
        area_px: Red pixels.
    """

    distance_px: float
    area_px: float


def sight(image: Pixels) -> Dot:
    """Return where the dot is in a BGR image, shape (height, width, 3)."""
    mask = red_mask(image)
    height, width = mask.shape
    scale = REFERENCE_WIDTH_PX / width
    moments = cv2.moments(mask, binaryImage=True)
    red_px = moments["m00"]
    area_px = red_px * scale * scale
    if red_px < max(1.0, MIN_MASK_FRACTION * mask.size):
        return Dot(scale * math.hypot(width, height) / 2, area_px)
    right = moments["m10"] / red_px - (width - 1) / 2
    down = moments["m01"] / red_px - (height - 1) / 2
    return Dot(scale * math.hypot(right, down), area_px)


def seconds_to_centre(distances_px: NDArray[np.float64], period_s: float) -> float:
    """Return when the dot is centred for the first time, for a second on end [s].

    Args:
        distances_px: From the image's centre, one per observation, shape (n,).
        period_s: Time between two observations [s].
    """
    needed = math.ceil(CENTRED_S / period_s - 1e-9) + 1  # both ends of the second
    run = 0
    for index, distance_px in enumerate(distances_px):
        run = run + 1 if distance_px <= CENTRED_PX else 0
        if run == needed:
            return (index + 1 - needed) * period_s
    return math.inf
