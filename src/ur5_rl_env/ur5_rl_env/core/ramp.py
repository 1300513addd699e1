"""From one joint velocity to the next: how fast, and how smoothly, it may change.

Pure functions of plain floats, called at the controller's rate. Lists inside `tuple` and
`max` are on purpose: they take half the time of generators.
"""

import math

Joints = tuple[float, ...]

STILL: Joints = (0.0,) * 6


def ramped(velocity: Joints, goal: Joints, most: float) -> Joints:
    """Move `velocity` straight towards `goal`, its leading joint by at most `most`."""
    lead = max([abs(g - v) for v, g in zip(velocity, goal, strict=True)])
    if lead <= most:
        return goal
    part = most / lead
    return tuple([v + part * (g - v) for v, g in zip(velocity, goal, strict=True)])


def smoothed(
    velocity: Joints, goal: Joints, before: Joints, most: float, bend: float
) -> Joints:
    """Move `velocity` towards `goal` as `ramped` does, but begin and end it gently.

    Args:
        velocity: Joint velocity now [rad/s].
        goal: The one to arrive at [rad/s].
        before: Change of velocity in the last period, per joint [rad/s].
        most: Largest change of the leading joint in a period [rad/s].
        bend: Largest difference of a joint's change from the one before [rad/s].

    Returns:
        The next velocity. No joint passes its goal unless the goal has moved.
    """
    ways = [g - v for v, g in zip(velocity, goal, strict=True)]
    lead = max(map(abs, ways))
    part = 0.0
    if lead > 0.0:  # all joints keep pace with the leading one: straight from rest
        joint = next(j for j, w in enumerate(ways) if abs(w) == lead)
        begun = math.copysign(before[joint], before[joint] * ways[joint])
        part = min(most, _endable(lead, bend), max(0.0, begun) + bend) / lead
    rows = zip(velocity, ways, before, strict=True)
    return tuple([v + max(b - bend, min(b + bend, part * w)) for v, w, b in rows])


def _endable(way: float, bend: float) -> float:
    """Return the largest change that can still be taken back when `way` is gone.

    k + f steps of `bend`, where the sums (k + f) + (k - 1 + f) + ... + f just make up the
    way: k (k + 1) / 2 + (k + 1) f, with 0 <= f < 1.
    """
    way /= bend
    whole = math.floor(0.5 * (math.sqrt(1.0 + 8.0 * way) - 1.0))
    return bend * (whole + (way - 0.5 * whole * (whole + 1)) / (whole + 1))


def clipped(velocity: Joints, most: float) -> Joints:
    """Return `velocity` with each joint within +-`most`; at rest if it is not finite."""
    if not all(map(math.isfinite, velocity)):
        return STILL
    if max(map(abs, velocity)) <= most:
        return velocity
    return tuple([max(-most, min(most, v)) for v in velocity])
