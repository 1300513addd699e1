"""Where the red dot is: from one image, and in `base_link` over time."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ur5_rl_env.core.kinematics import pose_of_tool0
from ur5_rl_env.core.reward import red_mask
from ur5_rl_env.core.task import START_POSE_RAD

Array = NDArray[np.float64]

# tool0 -> optical frame (x right, y down, z forwards): half a turn about its axis.
TOOL_R_OPTICAL = np.diag([-1.0, -1.0, 1.0])
MIN_MASK_FRACTION = 2e-4  # fewer red pixels than this are not a dot: 3 px of 160 x 90


@dataclass(frozen=True)
class Optics:
    """What has to be known to turn pixels into metres.

    Attributes:
        field_of_view_deg: Of the camera, along a row.
        dot_radius_m: Of the dot on the monitor.
    """

    field_of_view_deg: float = 60.0
    dot_radius_m: float = 0.0232

    @property
    def half_width(self) -> float:
        """Half of what the camera sees at 1 m [m]."""
        return math.tan(math.radians(self.field_of_view_deg) / 2)

    def depth_m(self, dot_width: float) -> float:
        """Return how far a dot is whose diameter is this part of the image's width."""
        return self.dot_radius_m / (self.half_width * dot_width)


@dataclass(frozen=True)
class Sighting:
    """The dot in one image.

    Attributes:
        ray: From the camera through the dot's centre in the optical frame; the third
            component is 1. Shape (3,).
        depth_m: Distance along the optical axis, from the dot's area.
        is_whole: The dot does not touch the image's edge; else the depth is too large.
    """

    ray: Array
    depth_m: float
    is_whole: bool


def sight_dot(image: NDArray[np.uint8], optics: Optics) -> Sighting | None:
    """Find the dot in a BGR image, shape (height, width, 3); None if it is not there."""
    mask = red_mask(image)
    height, width = mask.shape
    moments = cv2.moments(mask, binaryImage=True)
    area_px = moments["m00"]
    if area_px < max(1.0, MIN_MASK_FRACTION * mask.size):
        return None
    metres_per_px = 2.0 * optics.half_width / width  # at a depth of 1 m
    right = moments["m10"] / area_px - (width - 1) / 2
    down = moments["m01"] / area_px - (height - 1) / 2
    ray = np.array([right * metres_per_px, down * metres_per_px, 1.0])
    depth_m = optics.depth_m(2.0 * math.sqrt(area_px / math.pi) / width)
    return Sighting(ray, depth_m, is_whole=not _touches_edge(mask))


def optical_pose(q: Array) -> tuple[Array, Array]:
    """Return rotation (3, 3) and position [m] (3,) of the optical frame in `base_link`.

    The camera is taken to sit in tool0: as long as it does not turn, its place on the
    flange makes no difference to where it has to go. wrist_3 stands at its start.

    Args:
        q: The five moving joints [rad], shape (5,).
    """
    rotation, position = pose_of_tool0((*q.tolist(), START_POSE_RAD[5]))
    return np.reshape(rotation, (3, 3)) @ TOOL_R_OPTICAL, np.array(position)


class DotFilter:
    """Position and velocity of the dot in `base_link`, from sightings one by one.

    The dot moves on a plane that stands still: its distance is averaged, and along the
    plane an alpha-beta filter follows it.

    Attributes:
        position: [m], shape (3,); None before the first sighting.
        velocity: [m/s], shape (3,).
    """

    def __init__(self, position_gain: float, velocity_gain: float) -> None:
        self._position_gain = position_gain
        self._velocity_gain = velocity_gain
        self.forget()

    def forget(self) -> None:
        self.position: Array | None = None
        self.velocity: Array = np.zeros(3)

    def update(self, q: Array, sighting: Sighting, period_s: float) -> Array:
        """Return the position [m] after a sighting from joints `q` [rad], shape (5,)."""
        rotation, camera = optical_pose(q)
        ray, axis = rotation @ sighting.ray, rotation[:, 2]
        if self.position is None:
            self.position = camera + ray * sighting.depth_m
            return self.position
        predicted = self.position + self.velocity * period_s
        depth_m = float(axis @ (predicted - camera))
        if sighting.is_whole:
            depth_m += self._position_gain * (sighting.depth_m - depth_m)
        error = camera + ray * depth_m - predicted
        forwards = axis * float(axis @ error)
        across = error - forwards
        self.position = predicted + forwards + self._position_gain * across
        self.velocity = self.velocity + self._velocity_gain * across / period_s
        return self.position


def _touches_edge(mask: NDArray[np.uint8]) -> bool:
    sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    return any(bool(side.any()) for side in sides)
