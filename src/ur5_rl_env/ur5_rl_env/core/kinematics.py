"""Forward kinematics of the UR5 (CB3) in closed form, in `base_link`.

Denavit-Hartenberg parameters: UR5 CB3 manual and ur_description. `base_link` is the
controller's `base` turned by 180 deg about z (REP-103 against the teach pendant).
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

A_M = (0.0, -0.425, -0.39225, 0.0, 0.0, 0.0)
D_M = (0.089159, 0.0, 0.0, 0.10915, 0.09465, 0.0823)
ALPHA_RAD = (math.pi / 2, 0.0, 0.0, math.pi / 2, -math.pi / 2, 0.0)


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


def position_jacobian(q: Sequence[float]) -> Array:
    """Return d(position of tool0) / dq in `base_link` [m/rad], shape (3, 6)."""
    return np.array(jacobian_rows(q))
