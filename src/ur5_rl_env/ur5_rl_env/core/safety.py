"""The limits that every motion of the arm passes through, last of all.

One question is asked of each joint velocity before it is sent: if the arm braked from it,
on a straight line in joint space, would it come to rest inside the limits? A velocity for
which the answer is yes stays safe by braking, so there is always a safe one to send. What
leads outwards is first turned along the wall, then slowed down. Where nothing but braking
is left, zero is sent: the robot then ramps to rest by itself, even if this process stalls
or dies meanwhile.

Pure functions of plain floats: at most 0.3 ms where walls are near. Lists inside `tuple`
and `max` are on purpose: they take half the time of generators.
"""

import math
from typing import NamedTuple

from ur5_rl_env.core.limits import SafetyLimits
from ur5_rl_env.core.ramp import STILL, Joints, clipped, ramped, smoothed

UNLIMITED: tuple[bool, ...] = (False,) * 6
SLIDES = 3  # corrections along the walls: three walls meet in a corner
HALVINGS = 5  # of the way between braking and what is wanted
LIMITED_RAD_S = 1e-3  # a smaller change is not worth reporting
MIN_ROW_NORM2 = 0.01  # [m^2]; a wall that no joint moves towards


class Pace(NamedTuple):
    """How fast, and how smoothly, what is wanted is followed.

    Attributes:
        max_speed_rad_s: Largest speed of a joint.
        acceleration_rad_s2: Of the leading joint.
        jerk_rad_s3: Of each joint; infinite while braking.
    """

    max_speed_rad_s: float
    acceleration_rad_s2: float
    jerk_rad_s3: float = math.inf


class Limited(NamedTuple):
    """What may be sent.

    Attributes:
        velocity: Joint velocity [rad/s]. Send it with the stop acceleration, so that the
            robot reaches it within a period.
        joints: Per joint, whether a limit has kept it from what it wants.
        acceleration: Joint acceleration [rad/s^2] that the next call goes on from; zero
            where the arm brakes for safety, whose end is as sudden as its beginning.
        is_step: Whether no wall has changed the ramp: acceleration and jerk are those of
            the pace.
    """

    velocity: Joints
    joints: tuple[bool, ...]
    acceleration: Joints
    is_step: bool


def limited_motion(
    wanted: Joints,
    previous: Joints,
    q: Joints,
    limits: SafetyLimits,
    *,
    pace: Pace,
    acceleration: Joints = STILL,
) -> Limited:
    """Return the velocity to send, and which joints a limit has kept from what they want.

    Args:
        wanted: Joint velocity that was asked for [rad/s], 6 joints.
        previous: Joint velocity that the robot is following now [rad/s].
        q: Measured joint positions [rad].
        limits: Where the arm may be, and how fast it can stop.
        pace: Of the way to `wanted`. Being on the way does not count as limited.
        acceleration: What the last call returned; zero if the robot holds `previous`.
    """
    period_s = limits.period_s
    goal = clipped(wanted, pace.max_speed_rad_s)
    step = _following(previous, goal, acceleration, pace, period_s)
    is_free = stops_inside(step, q, limits)
    is_smooth = math.isfinite(pace.jerk_rad_s3)
    if is_free and is_smooth and goal == wanted:  # the usual case
        return Limited(step, UNLIMITED, _rate(previous, step, period_s), True)
    brake = ramped(previous, STILL, limits.stop_acceleration_rad_s2 * period_s)
    safe = step
    if not is_free:
        safe = _stopping_inside(step, previous, brake, q, limits.widened(q))
    joints = _changed(wanted, goal, step, safe)
    after = _common(_rate(previous, safe, period_s), _rate(previous, step, period_s))
    sent = STILL if safe == brake else safe
    return Limited(sent, joints, after if is_smooth else STILL, safe == step)


def _following(
    previous: Joints, goal: Joints, acceleration: Joints, pace: Pace, period_s: float
) -> Joints:
    """Return the next velocity on the way to `goal`, as if there were no walls."""
    most = pace.acceleration_rad_s2 * period_s
    if not math.isfinite(pace.jerk_rad_s3):
        return ramped(previous, goal, most)
    before = tuple([max(-most, min(most, a * period_s)) for a in acceleration])
    return smoothed(previous, goal, before, most, pace.jerk_rad_s3 * period_s**2)


def _changed(
    wanted: Joints, goal: Joints, step: Joints, safe: Joints
) -> tuple[bool, ...]:
    """Return per joint whether a limit has changed it noticeably; NaN counts."""
    pairs = zip(wanted, goal, step, safe, strict=True)
    changes = [abs(w - g) + abs(s - v) for w, g, s, v in pairs]
    return tuple([not change <= LIMITED_RAD_S for change in changes])


def _rate(velocity: Joints, after: Joints, period_s: float) -> Joints:
    """Return the acceleration from one velocity to the next [rad/s^2]."""
    return tuple([(a - v) / period_s for v, a in zip(velocity, after, strict=True)])


def _common(rate: Joints, other: Joints) -> Joints:
    """Return what two accelerations have in common, per joint."""
    pairs = zip(rate, other, strict=True)
    return tuple([max(min(0.0, a), min(a, b), min(0.0, b)) for a, b in pairs])


def _stopping_inside(
    wanted: Joints, previous: Joints, brake: Joints, q: Joints, limits: SafetyLimits
) -> Joints:
    """Return the velocity next to `wanted` from which the arm can stop inside."""
    if stops_inside(wanted, q, limits):
        return wanted
    change = limits.stop_acceleration_rad_s2 * limits.period_s
    turned = _along_walls(_within_range(wanted, q, limits), q, limits)
    fastest = max(map(abs, (*wanted, *previous)))  # no joint gains speed by turning
    turned = _within_range(clipped(turned, fastest), q, limits)
    turned = _reachable(turned, previous, change)
    return _slowed(turned, brake, q, limits)


def stops_inside(velocity: Joints, q: Joints, limits: SafetyLimits) -> bool:
    """Whether braking from `velocity` ends, and passes, inside the limits."""
    stop = _stop(velocity, q, limits)
    if not limits.hold(stop):
        return False
    return limits.hold_links(tuple([0.5 * (p + s) for p, s in zip(q, stop, strict=True)]))


def _stop(velocity: Joints, q: Joints, limits: SafetyLimits) -> Joints:
    """Return where the arm comes to rest if it brakes from `velocity` [rad]."""
    stopping_s = limits.stopping_s(velocity)
    return tuple([p + v * stopping_s for p, v in zip(q, velocity, strict=True)])


def _within_range(velocity: Joints, q: Joints, limits: SafetyLimits) -> Joints:
    """Slow each joint down so that it stops inside its own range."""
    stopping_s = limits.stopping_s(velocity)
    bounds = zip(velocity, q, limits.joint_lower_rad, limits.joint_upper_rad, strict=True)
    return tuple(
        max((low - p) / stopping_s, min((high - p) / stopping_s, v))
        for v, p, low, high in bounds
    )


def _along_walls(velocity: Joints, q: Joints, limits: SafetyLimits) -> Joints:
    """Take away what carries the stopping point beyond the walls, and no more."""
    for _ in range(SLIDES):
        walls = limits.walls(_stop(velocity, q, limits))
        if not walls:
            break
        stopping_s = limits.stopping_s(velocity)
        for excess, row in walls:
            norm2 = max(sum([j * j for j in row]), MIN_ROW_NORM2)
            gain = excess / (norm2 * stopping_s)
            velocity = tuple([v - gain * j for v, j in zip(velocity, row, strict=True)])
    return velocity


def _reachable(velocity: Joints, previous: Joints, change: float) -> Joints:
    """Return the nearest velocity that braking can reach from `previous` in a period."""
    pairs = zip(velocity, previous, strict=True)
    return tuple([max(p - change, min(p + change, v)) for v, p in pairs])


def _slowed(velocity: Joints, brake: Joints, q: Joints, limits: SafetyLimits) -> Joints:
    """Return what is nearest to `velocity`, on the way from `brake`, and stops inside."""
    if stops_inside(velocity, q, limits):
        return velocity
    safe, part, step = brake, 0.0, 0.5
    for _ in range(HALVINGS):
        pairs = zip(brake, velocity, strict=True)
        tried = tuple([b + (part + step) * (v - b) for b, v in pairs])
        if stops_inside(tried, q, limits):
            safe, part = tried, part + step
        step *= 0.5
    return safe
