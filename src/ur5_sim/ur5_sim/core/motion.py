"""The motions that a UR controller can be asked for, one small object each.

A motion is advanced one control cycle at a time and owns nothing but its own plan. The
laws are those of the URScript manual: speed and acceleration are those of the leading
axis (the one with most to do), the others are scaled so that all arrive together.
Lists inside `tuple` and `max` are on purpose: they take half the time of generators.
"""

import math
from collections.abc import Sequence
from typing import Protocol

Joints = tuple[float, ...]

STILL: Joints = (0.0,) * 6


class Motion(Protocol):
    """What the plant follows. `done` turns true when there is nothing left to do."""

    done: bool

    def advance(
        self, q: Joints, qd: Joints, cycle_s: float, fraction: float
    ) -> tuple[Joints, Joints]:
        """Return the next target position [rad] and speed [rad/s], each of 6 joints.

        `fraction` is the speed slider, in [0, 1].
        """
        ...

    def restart(self) -> None:
        """Forget the plan: the same request is resumed from wherever the arm is now."""
        ...


class SpeedMotion:
    """speedj and stopj: ramp to a joint speed and keep it until told otherwise."""

    def __init__(self, goal: Sequence[float], acceleration_rad_s2: float) -> None:
        self.goal = checked_joints(goal)
        self.acceleration_rad_s2 = checked_positive("acceleration", acceleration_rad_s2)
        self.done = False

    def advance(
        self, q: Joints, qd: Joints, cycle_s: float, fraction: float
    ) -> tuple[Joints, Joints]:
        goal = self.goal if fraction == 1.0 else tuple(fraction * g for g in self.goal)
        next_qd = ramped(qd, goal, self.acceleration_rad_s2 * cycle_s)
        self.done = next_qd == goal
        half_s = 0.5 * cycle_s
        speeds = zip(q, qd, next_qd, strict=True)
        next_q = tuple([p + half_s * (a + b) for p, a, b in speeds])
        return next_q, next_qd

    def restart(self) -> None:
        self.done = False


class MoveMotion:
    """movej: a straight line in joint space with a trapezoidal speed profile.

    An arm that still moves is brought to rest first.
    """

    def __init__(
        self, goal: Sequence[float], speed_rad_s: float, acceleration_rad_s2: float
    ) -> None:
        self.goal = checked_joints(goal)
        self.speed_rad_s = checked_positive("speed", speed_rad_s)
        self.acceleration_rad_s2 = checked_positive("acceleration", acceleration_rad_s2)
        self.done = False
        self._start: Joints | None = None
        self._profile = Trapezoid(0.0, speed_rad_s, acceleration_rad_s2)
        self._elapsed_s = 0.0

    def advance(
        self, q: Joints, qd: Joints, cycle_s: float, fraction: float
    ) -> tuple[Joints, Joints]:
        if self._start is None:
            if any(qd):
                brake = SpeedMotion(STILL, self.acceleration_rad_s2)
                return brake.advance(q, qd, cycle_s, fraction)
            self._start = q
            length = max(abs(g - p) for g, p in zip(self.goal, q, strict=True))
            self._profile = Trapezoid(length, self.speed_rad_s, self.acceleration_rad_s2)
        self._elapsed_s += cycle_s * fraction
        self.done = self._elapsed_s >= self._profile.duration_s
        if self.done:
            return self.goal, STILL
        part, rate_s = self._profile.at(self._elapsed_s)
        rate_s *= fraction
        ends = tuple(zip(self._start, self.goal, strict=True))
        return tuple(s + part * (g - s) for s, g in ends), tuple(
            rate_s * (g - s) for s, g in ends
        )

    def restart(self) -> None:
        self.done = False
        self._start = None
        self._elapsed_s = 0.0

    @property
    def progress(self) -> float:
        """Part of the move's time that is over, in [0, 1]."""
        duration_s = self._profile.duration_s
        return min(1.0, self._elapsed_s / duration_s) if duration_s > 0.0 else 1.0


class ServoMotion:
    """servoj: each joint follows its goal like a critically damped spring."""

    def __init__(self, goal: Sequence[float], lookahead_s: float) -> None:
        self.goal = checked_joints(goal)
        self.lookahead_s = checked_positive("lookahead", lookahead_s)
        self.done = False

    def advance(
        self, q: Joints, qd: Joints, cycle_s: float, fraction: float
    ) -> tuple[Joints, Joints]:
        cycle_s *= fraction
        omega = 2.0 / self.lookahead_s  # delay of a moving goal = lookahead
        decay = math.exp(-omega * cycle_s)
        next_q, next_qd = [], []
        for position, speed, goal in zip(q, qd, self.goal, strict=True):
            error = position - goal
            drift = speed + omega * error
            next_q.append(goal + (error + drift * cycle_s) * decay)
            next_qd.append((speed - omega * drift * cycle_s) * decay)
        return tuple(next_q), tuple(next_qd)

    def restart(self) -> None:
        pass  # there is no plan


class Trapezoid:
    """Speed profile over a length: up with `acceleration`, along at `speed`, down."""

    def __init__(self, length: float, speed: float, acceleration: float) -> None:
        self._length = length
        self._acceleration = acceleration
        self._peak = min(speed, math.sqrt(acceleration * length))
        self._ramp_s = self._peak / acceleration
        cruise_s = length / self._peak - self._ramp_s if length > 0.0 else 0.0
        self.duration_s = 2.0 * self._ramp_s + cruise_s

    def at(self, elapsed_s: float) -> tuple[float, float]:
        """Return the part of the length that is behind, in [0, 1], and its rate [1/s]."""
        left_s = self.duration_s - elapsed_s
        if elapsed_s < self._ramp_s:
            speed = self._acceleration * elapsed_s
            behind = 0.5 * speed * elapsed_s
        elif left_s < self._ramp_s:
            speed = self._acceleration * left_s
            behind = self._length - 0.5 * speed * left_s
        else:
            speed = self._peak
            behind = self._peak * (elapsed_s - 0.5 * self._ramp_s)
        return behind / self._length, speed / self._length


def ramped(qd: Joints, goal: Joints, most: float) -> Joints:
    """Move `qd` straight towards `goal`, the leading axis by at most `most` [rad/s]."""
    lead = max([abs(g - s) for s, g in zip(qd, goal, strict=True)])
    if lead <= most * (1.0 + 1e-9):  # no extra cycle for a rounding error
        return goal
    part = most / lead
    return tuple([s + part * (g - s) for s, g in zip(qd, goal, strict=True)])


def checked_joints(values: Sequence[float]) -> Joints:
    """Return `values` as joints.

    Raises:
        ValueError: they are not 6 finite numbers.
    """
    if len(values) != 6 or not all(map(math.isfinite, values)):
        raise ValueError(f"a joint command must be 6 finite numbers, got {tuple(values)}")
    return tuple(map(float, values))


def checked_positive(name: str, value: float) -> float:
    """Return `value`.

    Raises:
        ValueError: it is not a positive, finite number.
    """
    if not 0.0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")
    return value
