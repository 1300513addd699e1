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
    # In the plane of the arm: r outwards, z upwards, after the shoulder.
    reach = A_M[1] * math.cos(q2) + A_M[2] * math.cos(q2 + q3) + D_M[4] * s234
    height = A_M[1] * math.sin(q2) + A_M[2] * math.sin(q2 + q3) - D_M[4] * c234
    # Columns of the wrist before wrist_3, in `base`.
    ax, ay, az = -c1 * c234 * s5 + s1 * c5, -s1 * c234 * s5 - c1 * c5, -s234 * s5
    ux, uy, uz = c1 * c234 * c5 + s1 * s5, s1 * c234 * c5 - c1 * s5, s234 * c5
    vx, vy, vz = -c1 * s234, -s1 * s234, c234
    x = c1 * reach + s1 * D_M[3] + D_M[5] * ax
    y = s1 * reach - c1 * D_M[3] + D_M[5] * ay
    z = D_M[0] + height + D_M[5] * az
    rotation = (
        -(ux * c6 + vx * s6), -(vx * c6 - ux * s6), -ax,
        -(uy * c6 + vy * s6), -(vy * c6 - uy * s6), -ay,
        uz * c6 + vz * s6, vz * c6 - uz * s6, az,
    )  # fmt: skip
    return rotation, (-x, -y, z)


def position_of_tool0(q: Sequence[float]) -> tuple[float, ...]:
    """Return the position of `tool0` in `base_link` [m]."""
    return pose_of_tool0(q)[1]


def transform_of_tool0(q: Sequence[float]) -> Array:
    """Return the pose of `tool0` in `base_link` as a homogeneous matrix, shape (4, 4)."""
    rotation, position = pose_of_tool0(q)
    transform = np.eye(4)
    transform[:3, :3] = np.reshape(rotation, (3, 3))
    transform[:3, 3] = position
    return transform


def position_jacobian(q: Sequence[float], step_rad: float = 1e-5) -> Array:
    """Return d(position of tool0) / dq [m/rad], shape (3, 6), by central differences."""
    columns = []
    for joint in range(len(q)):
        above, below = list(q), list(q)
        above[joint] += step_rad
        below[joint] -= step_rad
        difference = np.subtract(position_of_tool0(above), position_of_tool0(below))
        columns.append(difference / (2.0 * step_rad))
    return np.stack(columns, axis=1)
