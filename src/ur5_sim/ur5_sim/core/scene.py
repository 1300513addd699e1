"""The simulated room: a monitor before a wall, seen by a camera on the wrist.

Frame `base_link`, metres. Screen and wall are planes y = constant that face the robot
(-y), so a homography maps their pixels into the image exactly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ur5_rl_env.core.kinematics import pose_of_tool0

Array = NDArray[np.float64]
Triple = tuple[float, ...]

FARTHEST_WALL_M = 100.0

# Optical frame (x right, y down, z forward) in tool0: turned by 180 deg about z.
TOOL0_R_OPTICAL = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where things are. Defaults: a 24 inch 16:9 monitor 0.63 m from the start pose.

    Attributes:
        screen_centre_m: Middle of the lit area.
        screen_width_m: Width of the lit area.
        screen_height_m: Height of the lit area.
        bezel_m: Width of the dark frame around it.
        wall_y_m: Distance of the wall behind.
        camera_mount_m: Position of the camera in tool0; it looks along z of tool0.
    """

    screen_centre_m: Triple = (-0.109, 0.95, 0.654)
    screen_width_m: float = 0.531
    screen_height_m: float = 0.299
    bezel_m: float = 0.02
    wall_y_m: float = 1.6
    camera_mount_m: Triple = (0.0, 0.045, 0.02)

    def __post_init__(self) -> None:
        for name in ("screen_centre_m", "camera_mount_m"):
            value = getattr(self, name)
            if len(value) != 3 or not all(map(math.isfinite, value)):
                raise ValueError(f"{name} must be three finite numbers, got {value}")
        for name in ("screen_width_m", "screen_height_m"):
            if not 0.01 <= getattr(self, name) <= 10.0:
                raise ValueError(f"{name} must be in 0.01..10, got {getattr(self, name)}")
        if not 0.0 <= self.bezel_m <= 1.0:
            raise ValueError(f"bezel_m must be in 0..1, got {self.bezel_m}")
        if not self.screen_centre_m[1] < self.wall_y_m <= FARTHEST_WALL_M:
            raise ValueError(
                f"wall_y_m ({self.wall_y_m}) must lie behind the screen "
                f"(y = {self.screen_centre_m[1]}) and not beyond {FARTHEST_WALL_M}"
            )

    def screen(self, width_px: int, height_px: int) -> Array:
        """Return the plane of the lit area, shown with so many pixels."""
        size_m = (self.screen_width_m, self.screen_height_m)
        return plane(self.screen_centre_m, size_m, (width_px, height_px))

    def wall(self, size_m: tuple[float, float], size_px: tuple[int, int]) -> Array:
        """Return the plane of a picture of that size on the wall, behind the screen."""
        x, _, z = self.screen_centre_m
        return plane((x, self.wall_y_m, z), size_m, size_px)

    def screen_corners(self, margin_m: float) -> Array:
        """Return the corners of the lit area and a margin [m], in order, shape (4, 3)."""
        x, y, z = self.screen_centre_m
        half_width = self.screen_width_m / 2 + margin_m
        half_height = self.screen_height_m / 2 + margin_m
        signs = ((-1, 1), (1, 1), (1, -1), (-1, -1))
        return np.array([(x + i * half_width, y, z + j * half_height) for i, j in signs])


def plane(
    centre_m: Triple, size_m: tuple[float, float], size_px: tuple[int, int]
) -> Array:
    """Return M, shape (3, 3): M (column, row, 1) is the point [m] of a pixel's middle."""
    step_x, step_z = size_m[0] / size_px[0], -size_m[1] / size_px[1]
    left = centre_m[0] - step_x * (size_px[0] - 1) / 2
    top = centre_m[2] - step_z * (size_px[1] - 1) / 2
    return np.array([[step_x, 0.0, left], [0.0, 0.0, centre_m[1]], [0.0, step_z, top]])


@dataclass(frozen=True)
class Pinhole:
    """Ideal lens: square pixels, axis through the middle of the image."""

    width_px: int
    height_px: int
    horizontal_fov_deg: float

    @property
    def focal_px(self) -> float:
        return self.width_px / 2 / math.tan(math.radians(self.horizontal_fov_deg) / 2)

    @property
    def matrix(self) -> Array:
        """Return K, shape (3, 3); pixel (0, 0) has its middle at (0, 0)."""
        f, cx, cy = self.focal_px, (self.width_px - 1) / 2, (self.height_px - 1) / 2
        return np.array([[f, 0.0, cx], [0.0, f, cy], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class View:
    """A lens at a place: maps points and planes into the image.

    Attributes:
        projection: K (camera)R(base_link), shape (3, 3).
        position: Of the camera in base_link [m], shape (3,).
    """

    projection: Array
    position: Array

    def homography(self, plane_of_pixels: Array) -> Array:
        """Return H, shape (3, 3): H (column, row, 1) ~ (image x, image y, 1).

        Its third row gives the depth [m], positive before the camera.
        """
        from_camera = plane_of_pixels.copy()
        from_camera[:, 2] -= self.position
        return self.projection @ from_camera

    def shifted(self, left: int, top: int) -> "View":
        """Return the view of a part of the image whose origin is at (left, top) [px]."""
        shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top], [0.0, 0.0, 1.0]])
        return View(shift @ self.projection, self.position)

    def scaled(self, factor: float) -> "View":
        """Return the view with `factor` times as many pixels in each direction."""
        shift = 0.5 * (factor - 1.0)  # pixel edges, not their middles, stay in place
        scale = np.array([[factor, 0.0, shift], [0.0, factor, shift], [0.0, 0.0, 1.0]])
        return View(scale @ self.projection, self.position)

    def project(self, points: Array) -> Array:
        """Return points [m], shape (n, 3), as image (x, y, 1) times depth [m]."""
        return (points - self.position) @ self.projection.T


def view_from(q: Sequence[float], camera_mount_m: Triple, lens: Array) -> View:
    """Return the view of a camera on tool0.

    Args:
        q: Joint positions [rad], pan first, six of them.
        camera_mount_m: Position of the camera in tool0.
        lens: K, shape (3, 3).
    """
    rotation, position = pose_of_tool0(q)
    base_R_tool0 = np.array(rotation).reshape(3, 3)
    camera = np.array(position) + base_R_tool0 @ camera_mount_m
    return View(lens @ (base_R_tool0 @ TOOL0_R_OPTICAL).T, camera)
