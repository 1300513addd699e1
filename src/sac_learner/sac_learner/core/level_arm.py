"""Inverse kinematics of the UR5 in a level posture: two planar links on a turning base.

Level means q1 + q5 = 0 and q2 + q3 + q4 = -pi (joints counted from 1), which is the
orientation of the start pose: the camera looks along +y of `base_link`, upright, and the
reward's posture penalty is zero. Three freedoms are left, the position of tool0.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ur5_rl_env.core.kinematics import A_M, D_M
from ur5_rl_env.core.task import BOX_LOWER_M, BOX_UPPER_M

Array = NDArray[np.float64]

UPPER_ARM_M, FOREARM_M = -A_M[1], -A_M[2]
MIN_ELBOW_RAD = 0.25  # straighter, the arm is near its singularity
MAX_ELBOW_RAD = math.radians(133.0)  # the joint ends at 135 deg
BOX_MARGIN_M = 0.02


def span_m(elbow_rad: float) -> float:
    """Return the distance from shoulder to wrist at an elbow angle [m]."""
    return math.sqrt(
        UPPER_ARM_M**2
        + FOREARM_M**2
        + 2.0 * UPPER_ARM_M * FOREARM_M * math.cos(elbow_rad)
    )


LONGEST_M, SHORTEST_M = span_m(MIN_ELBOW_RAD), span_m(MAX_ELBOW_RAD)


def level_joints(position: Array) -> Array:
    """Return the joints [rad], shape (5,), that put a level tool0 at `position`.

    Where the arm cannot go, it goes as near as it can: into the Cartesian box first, then
    back along the line of sight until the elbow is bent enough.

    Args:
        position: Of tool0 in `base_link` [m], shape (3,).
    """
    lower, upper = np.array(BOX_LOWER_M), np.array(BOX_UPPER_M)
    x, y, z = np.clip(position, lower + BOX_MARGIN_M, upper - BOX_MARGIN_M)
    height = z - D_M[0] - D_M[4]
    # Seen from above, the wrist stands D_M[3] beside the plane of the two links.
    beside = height * height + x * x - D_M[3] ** 2
    nearest = math.sqrt(max(D_M[3] ** 2, SHORTEST_M**2 - beside))
    farthest = math.sqrt(LONGEST_M**2 - beside)
    ahead = min(max(y - D_M[5], nearest), farthest)
    reach = math.sqrt(x * x + ahead * ahead - D_M[3] ** 2)
    pan = math.atan2(ahead, x) - math.atan2(D_M[3], reach)
    lift, elbow = planar_joints(reach, -height)
    return np.array([pan, lift, elbow, -math.pi - lift - elbow, -pan])


def planar_joints(reach: float, depth: float) -> tuple[float, float]:
    """Return lift and elbow [rad] of two links that end at (reach, depth) [m]."""
    links = 2.0 * UPPER_ARM_M * FOREARM_M
    squares = reach * reach + depth * depth - UPPER_ARM_M**2 - FOREARM_M**2
    elbow = math.acos(min(max(squares / links, -1.0), 1.0))
    along = UPPER_ARM_M + FOREARM_M * math.cos(elbow)
    lift = math.atan2(depth, reach) - math.atan2(FOREARM_M * math.sin(elbow), along)
    return lift, elbow
