"""How far the arm is from itself: capsules around its links.

A capsule is a line with a radius. The pan turns all of them about the column, which is
round, so distances are found in the arm's own plane (see `Links`) and do not depend on
it. Pairs that the box of `tool0` or the joints themselves keep apart are left out.
Plain floats: about 2 us a call where nothing is near, 10 us more for each near pair.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from ur5_rl_env.core.kinematics import (
    D_M,
    FOREARM_OFFSET_M,
    UPPER_ARM_OFFSET_M,
    Links,
)

Point = tuple[float, float, float]  # r, z, offset [m]

# Radii of the housings, rounded up [m]; the tool's holds a small camera.
COLUMN_M = 0.075
UPPER_ARM_M = 0.060
FOREARM_M = 0.045
WRIST_M = 0.045
TOOL_M = 0.050
NEAR_M = 0.03  # gaps beyond it are not told apart
TOOL_FROM = 0.5  # the tool's line, in parts of the way from the wrist's middle to tool0
TOOL_MIDDLE_M = 0.5 * (1.0 + TOOL_FROM) * D_M[5]
TOOL_HALF_M = 0.5 * (1.0 - TOOL_FROM) * D_M[5]
# Squares of distances in the plane beyond which a pair is apart, whatever its posture:
# from the hand, which the wrist's line ends in and the tool's is nearer to than that is
# long; from the tool's middle, less its offset's square.
HAND_M = D_M[4] + max(WRIST_M, TOOL_M) + NEAR_M
COLUMN_NEAR_M2 = (HAND_M + COLUMN_M) ** 2 - D_M[3] ** 2
UPPER_ARM_NEAR_M2 = (HAND_M + UPPER_ARM_M) ** 2 - (D_M[3] - UPPER_ARM_OFFSET_M) ** 2
FOREARM_NEAR_M2 = (TOOL_HALF_M + TOOL_M + FOREARM_M + NEAR_M) ** 2


class Capsule(NamedTuple):
    """A link's body; `joints` of shoulder_lift, elbow and wrist_1 turn it."""

    start: Point
    end: Point
    radius_m: float
    joints: int


class Contact(NamedTuple):
    """Two bodies that are near each other.

    Attributes:
        gap_m: Distance of their surfaces; negative inside each other.
        row: d(gap) / dq [m/rad], 6 numbers.
    """

    gap_m: float
    row: tuple[float, ...]


def clearance(links: Links) -> float:
    """Return the smallest gap between two bodies [m]; at most `NEAR_M`."""
    gap_m = NEAR_M
    for fixed, moving in _near_pairs(links):
        distance = closest(fixed, moving)[0]
        gap_m = min(gap_m, distance - fixed.radius_m - moving.radius_m)
    return gap_m


def contacts(links: Links) -> Iterator[Contact]:
    """Yield the pairs whose gap may be less than `NEAR_M`."""
    for fixed, moving in _near_pairs(links):
        distance, at, by = closest(fixed, moving)
        p, s = _point(fixed, at), _point(moving, by)
        scale = 1.0 / max(distance, 1e-6)
        normal = scale * (s[0] - p[0]), scale * (s[1] - p[1]), scale * (s[2] - p[2])
        row = [0.0] * 6
        for joint, (r, z) in enumerate(_axes(links)):
            if joint < moving.joints:
                row[1 + joint] += normal[1] * (s[0] - r) - normal[0] * (s[1] - z)
            if joint < fixed.joints:
                row[1 + joint] -= normal[1] * (p[0] - r) - normal[0] * (p[1] - z)
        if moving.radius_m == TOOL_M:
            turn = links.turn_r, links.turn_z, links.turn_offset
            way = sum([n * t for n, t in zip(normal, turn, strict=True)])
            row[4] = (TOOL_FROM + by * (1.0 - TOOL_FROM)) * D_M[5] * way
        yield Contact(distance - fixed.radius_m - moving.radius_m, tuple(row))


def closest(one: Capsule, other: Capsule) -> tuple[float, float, float]:
    """Return the distance of two lines [m], and where it is: parts of each, in [0, 1].

    Ericson, Real-Time Collision Detection (2005), section 5.1.9. Neither is a point.
    """
    (ax, ay, az), (bx, by, bz) = one.start, one.end
    (cx, cy, cz), (dx, dy, dz) = other.start, other.end
    ux, uy, uz = bx - ax, by - ay, bz - az
    vx, vy, vz = dx - cx, dy - cy, dz - cz
    wx, wy, wz = ax - cx, ay - cy, az - cz
    uu, vv = ux * ux + uy * uy + uz * uz, vx * vx + vy * vy + vz * vz
    uv = ux * vx + uy * vy + uz * vz
    uw, vw = ux * wx + uy * wy + uz * wz, vx * wx + vy * wy + vz * wz
    sine2 = uu * vv - uv * uv
    at = min(1.0, max(0.0, (uv * vw - uw * vv) / sine2)) if sine2 > 1e-12 else 0.0
    part = (uv * at + vw) / vv
    if not 0.0 <= part <= 1.0:
        part = min(1.0, max(0.0, part))
        at = min(1.0, max(0.0, (uv * part - uw) / uu))
    ex, ey, ez = wx + at * ux - part * vx, wy + at * uy - part * vy, 0.0
    ez = wz + at * uz - part * vz
    return math.sqrt(ex * ex + ey * ey + ez * ez), at, part


def _near_pairs(links: Links) -> list[tuple[Capsule, Capsule]]:
    """Return the pairs that a first look cannot tell to be apart."""
    pairs = []
    hand = links.hand_r, links.hand_z
    shoulder, elbow = (0.0, D_M[0]), (links.elbow_r, links.elbow_z)
    if _distance2(hand, (0.0, 0.0), shoulder) < COLUMN_NEAR_M2:
        column = Capsule((0.0, 0.0, 0.0), (*shoulder, 0.0), COLUMN_M, 0)
        pairs += [(column, _wrist(links)), (column, _tool(links))]
    if _distance2(hand, shoulder, elbow) < UPPER_ARM_NEAR_M2:
        ends = (*shoulder, UPPER_ARM_OFFSET_M), (*elbow, UPPER_ARM_OFFSET_M)
        upper_arm = Capsule(*ends, UPPER_ARM_M, 1)
        pairs += [(upper_arm, _wrist(links)), (upper_arm, _tool(links))]
    wrist, away = (links.wrist_r, links.wrist_z), TOOL_MIDDLE_M * links.axis_offset
    tool = hand[0] + TOOL_MIDDLE_M * links.axis_r, hand[1] + TOOL_MIDDLE_M * links.axis_z
    near2 = FOREARM_NEAR_M2 - (D_M[3] - FOREARM_OFFSET_M + away) ** 2
    if _distance2(tool, elbow, wrist) < near2:
        ends = (*elbow, FOREARM_OFFSET_M), (*wrist, FOREARM_OFFSET_M)
        forearm = Capsule(*ends, FOREARM_M, 2)
        pairs.append((forearm, _tool(links)))
    return pairs


def _distance2(
    point: tuple[float, float], start: tuple[float, float], end: tuple[float, float]
) -> float:
    """Return the square of the distance of a point from a line in the plane [m^2]."""
    (ar, az), (br, bz) = start, end
    ur, uz, wr, wz = br - ar, bz - az, point[0] - ar, point[1] - az
    way = ur * wr + uz * wz
    if way > 0.0:
        part = min(1.0, way / (ur * ur + uz * uz))
        wr, wz = wr - part * ur, wz - part * uz
    return wr * wr + wz * wz


def _wrist(links: Links) -> Capsule:
    start = links.wrist_r, links.wrist_z, D_M[3]
    return Capsule(start, (links.hand_r, links.hand_z, D_M[3]), WRIST_M, 3)


def _tool(links: Links) -> Capsule:
    r, z, offset = links.hand_r, links.hand_z, D_M[3]
    ar, az, ao = links.axis_r, links.axis_z, links.axis_offset
    near, far = TOOL_FROM * D_M[5], D_M[5]
    start = r + near * ar, z + near * az, offset + near * ao
    return Capsule(start, (r + far * ar, z + far * az, offset + far * ao), TOOL_M, 3)


def _axes(links: Links) -> tuple[tuple[float, float], ...]:
    """Return where shoulder_lift, elbow and wrist_1 turn: r, z [m]."""
    elbow, wrist = (links.elbow_r, links.elbow_z), (links.wrist_r, links.wrist_z)
    return (0.0, D_M[0]), elbow, wrist


def _point(capsule: Capsule, part: float) -> Point:
    (ax, ay, az), (bx, by, bz) = capsule.start, capsule.end
    return ax + part * (bx - ax), ay + part * (by - ay), az + part * (bz - az)
