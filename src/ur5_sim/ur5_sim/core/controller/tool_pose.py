"""Poses as the controller tells them: in its `base`, x, y, z [m] and a rotation vector.

`base` is `base_link` turned by 180 deg about z. Rotations are 9 numbers, row by row.
"""

import math
from collections.abc import Sequence

from ur5_rl_env.core.kinematics import pose_of_tool0

Pose = tuple[float, ...]  # x, y, z, rx, ry, rz
Rotation = tuple[float, ...]

NO_OFFSET: Pose = (0.0,) * 6
MAX_OFFSET = 10.0  # of a tool centre point [m], [rad]
STEP_S = 1e-4  # of the difference that gives the speed of the tool


def tool_pose(q: Sequence[float], tcp_offset: Pose = NO_OFFSET) -> Pose:
    """Return the pose of the tool centre point in `base` at joint positions `q`."""
    rotation, (x, y, z) = pose_of_tool0(q)
    rotation = (*(-r for r in rotation[:6]), *rotation[6:])
    flange = (-x, -y, z, *vector_of_rotation(rotation))
    return flange if tcp_offset == NO_OFFSET else composed(flange, tcp_offset)


def tool_speed(
    q: Sequence[float], qd: Sequence[float], tcp_offset: Pose = NO_OFFSET
) -> tuple[float, ...]:
    """Return linear [m/s] and angular [rad/s] speed of the tool centre point."""
    if not any(qd):
        return (0.0,) * 6
    before, after = (
        tool_pose([p + sign * STEP_S * s for p, s in zip(q, qd, strict=True)], tcp_offset)
        for sign in (-1.0, 1.0)
    )
    turned = product(
        rotation_of_vector(after[3:]), transposed(rotation_of_vector(before[3:]))
    )
    moved = [b - a for a, b in zip(before[:3], after[:3], strict=True)]
    return tuple(d / (2.0 * STEP_S) for d in (*moved, *vector_of_rotation(turned)))


def checked_offset(offset: Pose) -> Pose:
    """Return `offset`.

    Raises:
        ValueError: a number of it is beyond `MAX_OFFSET`, or none.
    """
    if not all(abs(value) <= MAX_OFFSET for value in offset):
        raise ValueError(
            f"tcp offset must be within +-{MAX_OFFSET:g} m and rad, got {offset}"
        )
    return offset


def composed(first: Sequence[float], second: Sequence[float]) -> Pose:
    """Return `second`, given in the frame that `first` is, where `first` is given."""
    rotation = rotation_of_vector(first[3:])
    x, y, z = second[:3]
    rows = (rotation[0:3], rotation[3:6], rotation[6:9])
    position = (
        p + a * x + b * y + c * z for p, (a, b, c) in zip(first[:3], rows, strict=True)
    )
    turned = product(rotation, rotation_of_vector(second[3:]))
    return (*position, *vector_of_rotation(turned))


def rotation_of_vector(vector: Sequence[float]) -> Rotation:
    """Return the rotation about `vector` by its length [rad]."""
    angle = math.sqrt(sum(v * v for v in vector))
    if angle < 1e-12:
        return (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    x, y, z = (v / angle for v in vector)
    c, s = math.cos(angle), math.sin(angle)
    v = 1.0 - c
    return (
        c + x * x * v, x * y * v - z * s, x * z * v + y * s,
        y * x * v + z * s, c + y * y * v, y * z * v - x * s,
        z * x * v - y * s, z * y * v + x * s, c + z * z * v,
    )  # fmt: skip


def vector_of_rotation(r: Rotation) -> tuple[float, float, float]:
    """Return axis times angle, with the angle in [0, pi] (by way of a quaternion)."""
    squares = (
        1.0 + r[0] + r[4] + r[8],  # 4 w^2, 4 x^2, 4 y^2, 4 z^2
        1.0 + r[0] - r[4] - r[8],
        1.0 - r[0] + r[4] - r[8],
        1.0 - r[0] - r[4] + r[8],
    )
    largest = squares.index(max(squares))
    products = (  # 4 times the product of the largest component with w, x, y, z
        (squares[0], r[7] - r[5], r[2] - r[6], r[3] - r[1]),
        (r[7] - r[5], squares[1], r[3] + r[1], r[2] + r[6]),
        (r[2] - r[6], r[3] + r[1], squares[2], r[7] + r[5]),
        (r[3] - r[1], r[2] + r[6], r[7] + r[5], squares[3]),
    )[largest]
    sign = 1.0 if products[0] >= 0.0 else -1.0
    w, x, y, z = (sign * p for p in products)
    length = math.sqrt(x * x + y * y + z * z)
    if length < 1e-12:
        return (0.0, 0.0, 0.0)
    scale = 2.0 * math.atan2(length, w) / length
    return (x * scale, y * scale, z * scale)


def product(a: Rotation, b: Rotation) -> Rotation:
    """Return the rotation `b` followed by `a`."""
    return tuple(
        sum(a[3 * row + k] * b[3 * k + column] for k in range(3))
        for row in range(3)
        for column in range(3)
    )


def transposed(r: Rotation) -> Rotation:
    """Return the opposite rotation."""
    return (r[0], r[3], r[6], r[1], r[4], r[7], r[2], r[5], r[8])
