"""The limits that every motion of the arm passes through, last of all.

One question is asked of each joint velocity before it is sent: if the arm braked from it,
on a straight line in joint space, would it come to rest inside the joint range and the
box? A velocity for which the answer is yes stays safe by braking, so there is always a
safe one to send. What leads outwards is first turned along the wall, then slowed down.
Where nothing but braking is left, zero is sent: the robot then ramps to rest by itself,
even if this process stalls or dies meanwhile.

Pure functions of plain floats: at most 0.2 ms where walls are near. Lists inside `tuple`
and `max` are on purpose: they take half the time of generators.
"""

import math
from dataclasses import dataclass
from operator import le

from ur5_rl_env.core.kinematics import jacobian_rows, position_of_tool0

Joints = tuple[float, ...]

STILL: Joints = (0.0,) * 6
UNLIMITED = (False,) * 6
SLIDES = 3  # corrections along the walls: three walls meet in a corner
HALVINGS = 5  # of the way between braking and what is wanted
TOLERANCE = 1e-9  # [rad] and [m]; rounding only
LIMITED_RAD_S = 1e-3  # a smaller change is not worth reporting
MIN_ROW_NORM2 = 0.01  # [m^2]; a wall that no joint moves towards


@dataclass(frozen=True, kw_only=True)
class SafetyLimits:
    """Where the arm may be, and how fast it can stop.

    Attributes:
        joint_lower_rad, joint_upper_rad: Range of each joint, 6 values.
        box_lower_m, box_upper_m: Box of `tool0` in `base_link`, 3 values.
        stop_acceleration_rad_s2: Deceleration of the fastest joint while braking.
        latency_s: Time that passes before a decision changes the motion.
        period_s: Time between two decisions.
    """

    joint_lower_rad: Joints
    joint_upper_rad: Joints
    box_lower_m: Joints
    box_upper_m: Joints
    stop_acceleration_rad_s2: float
    latency_s: float
    period_s: float

    def __post_init__(self) -> None:
        for what, lower, upper in (
            ("joint_lower_rad", self.joint_lower_rad, self.joint_upper_rad),
            ("box_lower_m", self.box_lower_m, self.box_upper_m),
        ):
            if not all(low < high for low, high in zip(lower, upper, strict=True)):
                raise ValueError(f"{what} must be below its upper bound, got {lower}")

    def widened(self, q: Joints) -> "SafetyLimits":
        """Return limits that hold `q`: from outside, only the way back is open."""
        position = position_of_tool0(q)
        if is_within(q, self.joint_lower_rad, self.joint_upper_rad) and is_within(
            position, self.box_lower_m, self.box_upper_m
        ):
            return self
        return SafetyLimits(
            joint_lower_rad=tuple(map(min, self.joint_lower_rad, q)),
            joint_upper_rad=tuple(map(max, self.joint_upper_rad, q)),
            box_lower_m=tuple(map(min, self.box_lower_m, position)),
            box_upper_m=tuple(map(max, self.box_upper_m, position)),
            stop_acceleration_rad_s2=self.stop_acceleration_rad_s2,
            latency_s=self.latency_s,
            period_s=self.period_s,
        )

    def stopping_s(self, velocity: Joints) -> float:
        """Return how long the arm keeps its `velocity` in effect, until it rests [s].

        The distance to rest is `velocity` times this: all of the latency, and half of the
        braking time, which is that of the fastest joint.
        """
        lead = max(map(abs, velocity))
        return self.latency_s + 0.5 * lead / self.stop_acceleration_rad_s2


def limited_velocity(
    wanted: Joints,
    previous: Joints,
    q: Joints,
    limits: SafetyLimits,
    *,
    max_speed_rad_s: float,
    acceleration_rad_s2: float,
) -> tuple[Joints, tuple[bool, ...]]:
    """Return the velocity to send, and which joints a limit has kept from what they want.

    Send it with the stop acceleration, so that the robot reaches it within a period.

    Args:
        wanted: Joint velocity that was asked for [rad/s], 6 joints.
        previous: Joint velocity that the robot is following now [rad/s].
        q: Measured joint positions [rad].
        limits: Where the arm may be, and how fast it can stop.
        max_speed_rad_s: Largest speed of a joint.
        acceleration_rad_s2: Of the leading joint on its way to `wanted`. Being on the way
            does not count as limited.

    Returns:
        Joint velocity [rad/s], and per joint whether it was limited.
    """
    goal = clipped(wanted, max_speed_rad_s)
    step = ramped(previous, goal, acceleration_rad_s2 * limits.period_s)
    brake = ramped(previous, STILL, limits.stop_acceleration_rad_s2 * limits.period_s)
    safe = _stopping_inside(step, previous, brake, q, limits.widened(q))
    if goal == wanted and safe == step:  # the usual case; never true of a NaN
        return (STILL if safe == brake else safe), UNLIMITED
    pairs = zip(wanted, goal, step, safe, strict=True)
    changes = [abs(w - g) + abs(s - v) for w, g, s, v in pairs]
    limited = tuple([not change <= LIMITED_RAD_S for change in changes])  # also if NaN
    return (STILL if safe == brake else safe), limited


def ramped(velocity: Joints, goal: Joints, most: float) -> Joints:
    """Move `velocity` straight towards `goal`, its leading joint by at most `most`."""
    lead = max([abs(g - v) for v, g in zip(velocity, goal, strict=True)])
    if lead <= most:
        return goal
    part = most / lead
    return tuple([v + part * (g - v) for v, g in zip(velocity, goal, strict=True)])


def clipped(velocity: Joints, most: float) -> Joints:
    """Return `velocity` with each joint within +-`most`; at rest if it is not finite."""
    if not all(map(math.isfinite, velocity)):
        return STILL
    if max(map(abs, velocity)) <= most:
        return velocity
    return tuple([max(-most, min(most, v)) for v in velocity])


def _stopping_inside(
    wanted: Joints, previous: Joints, brake: Joints, q: Joints, limits: SafetyLimits
) -> Joints:
    """Return the velocity next to `wanted` from which the arm can stop inside."""
    if _stops_inside(wanted, q, limits):
        return wanted
    change = limits.stop_acceleration_rad_s2 * limits.period_s
    turned = _along_walls(_within_range(wanted, q, limits), q, limits)
    fastest = max(map(abs, (*wanted, *previous)))  # no joint gains speed by turning
    turned = _within_range(clipped(turned, fastest), q, limits)
    turned = _reachable(turned, previous, change)
    return _slowed(turned, brake, q, limits)


def _stops_inside(velocity: Joints, q: Joints, limits: SafetyLimits) -> bool:
    """Whether braking from `velocity` ends, and passes, inside the limits."""
    stopping_s = limits.stopping_s(velocity)
    stop = tuple([p + v * stopping_s for p, v in zip(q, velocity, strict=True)])
    if not is_within(stop, limits.joint_lower_rad, limits.joint_upper_rad):
        return False
    if not is_within(position_of_tool0(stop), limits.box_lower_m, limits.box_upper_m):
        return False
    half = tuple([0.5 * (p + s) for p, s in zip(q, stop, strict=True)])
    return is_within(position_of_tool0(half), limits.box_lower_m, limits.box_upper_m)


def is_within(values: Joints, lower: Joints, upper: Joints) -> bool:
    """Whether each value lies between its bounds."""
    same_length = len(values) == len(lower) == len(upper)
    if same_length and all(map(le, lower, values)) and all(map(le, values, upper)):
        return True  # the usual case; the loop below forgives rounding
    for value, low, high in zip(values, lower, upper, strict=True):
        if not low - TOLERANCE <= value <= high + TOLERANCE:
            return False
    return True


def _within_range(velocity: Joints, q: Joints, limits: SafetyLimits) -> Joints:
    """Slow each joint down so that it stops inside its own range."""
    stopping_s = limits.stopping_s(velocity)
    bounds = zip(velocity, q, limits.joint_lower_rad, limits.joint_upper_rad, strict=True)
    return tuple(
        max((low - p) / stopping_s, min((high - p) / stopping_s, v))
        for v, p, low, high in bounds
    )


def _along_walls(velocity: Joints, q: Joints, limits: SafetyLimits) -> Joints:
    """Take away what carries the stopping point out of the box, and no more."""
    for _ in range(SLIDES):
        stopping_s = limits.stopping_s(velocity)
        stop = tuple(p + v * stopping_s for p, v in zip(q, velocity, strict=True))
        position = position_of_tool0(stop)
        if is_within(position, limits.box_lower_m, limits.box_upper_m):
            return velocity
        rows = jacobian_rows(stop)
        walls = zip(position, limits.box_lower_m, limits.box_upper_m, rows, strict=True)
        for value, low, high, row in walls:
            excess = value - max(low, min(high, value))
            if excess:
                norm2 = max(sum(j * j for j in row), MIN_ROW_NORM2)
                gain = excess / (norm2 * stopping_s)
                velocity = tuple(v - gain * j for v, j in zip(velocity, row, strict=True))
    return velocity


def _reachable(velocity: Joints, previous: Joints, change: float) -> Joints:
    """Return the nearest velocity that braking can reach from `previous` in a period."""
    pairs = zip(velocity, previous, strict=True)
    return tuple(max(p - change, min(p + change, v)) for v, p in pairs)


def _slowed(velocity: Joints, brake: Joints, q: Joints, limits: SafetyLimits) -> Joints:
    """Return what is nearest to `velocity`, on the way from `brake`, and stops inside."""
    if _stops_inside(velocity, q, limits):
        return velocity
    safe, part, step = brake, 0.0, 0.5
    for _ in range(HALVINGS):
        pairs = tuple(zip(brake, velocity, strict=True))
        tried = tuple(b + (part + step) * (v - b) for b, v in pairs)
        if _stops_inside(tried, q, limits):
            safe, part = tried, part + step
        step *= 0.5
    return safe
