"""Forward kinematics of the UR5 (CB3) in closed form, in `base_link`.

Denavit-Hartenberg parameters: UR5 CB3 manual and ur_description. `base_link` is the
controller's `base` turned by 180 deg about z (REP-103 against the teach pendant).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

A_M = (0.0, -0.425, -0.39225, 0.0, 0.0, 0.0)
D_M = (0.089159, 0.0, 0.0, 0.10915, 0.09465, 0.0823)
ALPHA_RAD = (math.pi / 2, 0.0, 0.0, math.pi / 2, -math.pi / 2, 0.0)
# Distance of a link from the plane that the arm moves in (ur_description; the
# Denavit-Hartenberg parameters sum them up in D_M[3]).
UPPER_ARM_OFFSET_M = 0.13585
FOREARM_OFFSET_M = 0.01615


class Links(NamedTuple):
    """Where the links are in the arm's own plane, which turns with the shoulder pan.

    Coordinates [m]: r from the pan axis, against the reach of the arm; z upwards; offset
    beside the plane. The shoulder lift axis lies at r = 0, z = D_M[0].
    """

    cos_pan: float
    sin_pan: float
    elbow_r: float
    elbow_z: float
    wrist_r: float  # axis of wrist_1
    wrist_z: float
    hand_r: float  # where the axes of wrist_2 and wrist_3 meet, at offset D_M[3]
    hand_z: float
    axis_r: float  # unit vector along wrist_3, towards tool0
    axis_z: float
    axis_offset: float
    turn_r: float  # change of that vector with wrist_2 [1/rad]
    turn_z: float
    turn_offset: float

    @property
    def tool0(self) -> tuple[float, float, float]:
        """Position of `tool0` in `base_link` [m]."""
        r = self.hand_r + D_M[5] * self.axis_r
        offset = D_M[3] + D_M[5] * self.axis_offset
        cos, sin = self.cos_pan, self.sin_pan
        z = self.hand_z + D_M[5] * self.axis_z
        return -cos * r - sin * offset, cos * offset - sin * r, z

    @property
    def elbow(self) -> tuple[float, float, float]:
        """Position of the elbow joint in `base_link` [m]: the frame of the forearm."""
        r, cos, sin = self.elbow_r, self.cos_pan, self.sin_pan
        x = -cos * r - sin * FOREARM_OFFSET_M
        return x, cos * FOREARM_OFFSET_M - sin * r, self.elbow_z


def links_of(q: Sequence[float]) -> Links:
    """Return where the links are. Plain floats, about 2 us a call."""
    q1, q2, q3, q4, q5, _ = q
    c5, s5 = math.cos(q5), math.sin(q5)
    c234, s234 = math.cos(q2 + q3 + q4), math.sin(q2 + q3 + q4)
    elbow_r, elbow_z = A_M[1] * math.cos(q2), D_M[0] + A_M[1] * math.sin(q2)
    wrist_r = elbow_r + A_M[2] * math.cos(q2 + q3)
    wrist_z = elbow_z + A_M[2] * math.sin(q2 + q3)
    hand_r, hand_z = wrist_r + D_M[4] * s234, wrist_z - D_M[4] * c234
    axis = -c234 * s5, -s234 * s5, c5
    turn = -c234 * c5, -s234 * c5, -s5
    plane = elbow_r, elbow_z, wrist_r, wrist_z, hand_r, hand_z
    return Links(math.cos(q1), math.sin(q1), *plane, *axis, *turn)


def pose_of_tool0(q: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return rotation and position of `tool0` in `base_link`.

    Plain floats: about 2 us a call, for loops that run hundreds of times a second.

    Args:
        q: Joint positions [rad], pan first, six of them.

    Returns:
        Rotation matrix, row by row (9 numbers), and position [m] (3 numbers).
    """
    q1, q2, q3, q4, q5, q6 = q
    c1, s1 = math.cos(q1), math.sin(q1)
    c5, s5 = math.cos(q5), math.sin(q5)
    c6, s6 = math.cos(q6), math.sin(q6)
    c234, s234 = math.cos(q2 + q3 + q4), math.sin(q2 + q3 + q4)
    # Columns of the wrist before wrist_3, in `base`.
    ax, ay, az = -c1 * c234 * s5 + s1 * c5, -s1 * c234 * s5 - c1 * c5, -s234 * s5
    ux, uy, uz = c1 * c234 * c5 + s1 * s5, s1 * c234 * c5 - c1 * s5, s234 * c5
    vx, vy, vz = -c1 * s234, -s1 * s234, c234
    rotation = (
        -(ux * c6 + vx * s6), -(vx * c6 - ux * s6), -ax,
        -(uy * c6 + vy * s6), -(vy * c6 - uy * s6), -ay,
        uz * c6 + vz * s6, vz * c6 - uz * s6, az,
    )  # fmt: skip
    return rotation, position_of_tool0(q)


def position_of_tool0(q: Sequence[float]) -> tuple[float, ...]:
    """Return the position of `tool0` in `base_link` [m], 3 numbers.

    Plain floats, about 1 us a call: the safety limits ask three times a cycle.
    """
    q1, q2, q3, q4, q5, _ = q
    c1, s1 = math.cos(q1), math.sin(q1)
    c5, s5 = math.cos(q5), math.sin(q5)
    c234, s234 = math.cos(q2 + q3 + q4), math.sin(q2 + q3 + q4)
    # In the plane of the arm: r outwards, z upwards, after the shoulder.
    reach = A_M[1] * math.cos(q2) + A_M[2] * math.cos(q2 + q3) + D_M[4] * s234
    height = A_M[1] * math.sin(q2) + A_M[2] * math.sin(q2 + q3) - D_M[4] * c234
    # The way along the last axis, whose direction is the third column of the rotation.
    ax, ay, az = -c1 * c234 * s5 + s1 * c5, -s1 * c234 * s5 - c1 * c5, -s234 * s5
    x = c1 * reach + s1 * D_M[3] + D_M[5] * ax
    y = s1 * reach - c1 * D_M[3] + D_M[5] * ay
    z = D_M[0] + height + D_M[5] * az
    return -x, -y, z


def transform_of_tool0(q: Sequence[float]) -> Array:
    """Return the pose of `tool0` in `base_link` as a homogeneous matrix, shape (4, 4)."""
    rotation, position = pose_of_tool0(q)
    transform = np.eye(4)
    transform[:3, :3] = np.reshape(rotation, (3, 3))
    transform[:3, 3] = position
    return transform


def jacobian_rows(q: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """Return d(position of tool0) / dq in `base_link` [m/rad], 3 rows of 6 numbers.

    Closed form in plain floats, about 3 us a call.
    """
    q1, q2, q3, q4, q5, _ = q
    c1, s1 = math.cos(q1), math.sin(q1)
    c5, s5 = math.cos(q5), math.sin(q5)
    c234, s234 = math.cos(q2 + q3 + q4), math.sin(q2 + q3 + q4)
    # The tool in the arm's own plane (radius, height) and beside it (offset).
    forearm_r, forearm_z = A_M[2] * math.cos(q2 + q3), A_M[2] * math.sin(q2 + q3)
    wrist_r = D_M[4] * s234 - D_M[5] * c234 * s5
    wrist_z = -D_M[4] * c234 - D_M[5] * s234 * s5
    elbow_r, elbow_z = forearm_r + wrist_r, forearm_z + wrist_z
    radius, height = A_M[1] * math.cos(q2) + elbow_r, A_M[1] * math.sin(q2) + elbow_z
    offset = D_M[3] + D_M[5] * c5
    # Each joint of the plane turns the point by 90 deg about itself; wrist_2 leaves it.
    d_radius = (-height, -elbow_z, -wrist_z, -D_M[5] * c234 * c5)
    d_height = (radius, elbow_r, wrist_r, -D_M[5] * s234 * c5)
    d_offset = (0.0, 0.0, 0.0, -D_M[5] * s5)
    beside = tuple(zip(d_radius, d_offset, strict=True))
    return (
        (s1 * radius - c1 * offset, *(-c1 * r - s1 * o for r, o in beside), 0.0),
        (-c1 * radius - s1 * offset, *(-s1 * r + c1 * o for r, o in beside), 0.0),
        (0.0, *d_height, 0.0),
    )


def elbow_rows(links: Links) -> tuple[tuple[float, ...], ...]:
    """Return d(position of the elbow joint) / dq in `base_link` [m/rad], 3 rows of 6."""
    cos, sin, r = links.cos_pan, links.sin_pan, links.elbow_r
    height, rest = links.elbow_z - D_M[0], (0.0,) * 4
    return (
        (sin * r - cos * FOREARM_OFFSET_M, cos * height, *rest),
        (-cos * r - sin * FOREARM_OFFSET_M, sin * height, *rest),
        (0.0, r, *rest),
    )


def position_jacobian(q: Sequence[float]) -> Array:
    """Return d(position of tool0) / dq in `base_link` [m/rad], shape (3, 6)."""
    return np.array(jacobian_rows(q))
