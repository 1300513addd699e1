"""The way to the start pose: straight lines in joint space, closed loop."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from ur5_rl_env.core.limits import SafetyLimits
from ur5_rl_env.core.ramp import STILL, Joints
from ur5_rl_env.core.task import JOINT_NAMES

AT_REST_RAD_S = 0.01
SAMPLE_RAD = 0.05  # distance at which a line is looked at
CORNER_RAD = 0.03  # distance from a corner of the route at which it counts as passed
SHOULDER = 1  # shoulder_lift: leans the arm back and forth
NUM_LEANS = 6


@dataclass(frozen=True, kw_only=True)
class Homing:
    """Law of the motion: all joints of a leg arrive together.

    Attributes:
        goal_rad: Where to go, 6 joints.
        speed_rad_s: Of the joint with the longest way.
        deceleration_rad_s2: Of that joint at the end.
        latency_s: Time that passes before a decision changes the motion.
        tolerance_rad: Distance of each joint at which it has arrived.
    """

    goal_rad: Joints
    speed_rad_s: float
    deceleration_rad_s2: float
    latency_s: float
    tolerance_rad: float

    def velocity(self, q: Joints, corner: Joints) -> Joints:
        """Return the joint velocity [rad/s] that leads from `q` to `corner` or the goal.

        The speed v leaves room to stop: v * latency + v^2 / (2 * deceleration) = way.
        """
        way = _difference(corner, q)
        longest = max(map(abs, way))
        if longest == 0.0:
            return STILL
        drift = self.deceleration_rad_s2 * self.latency_s
        stoppable = math.sqrt(drift**2 + 2.0 * self.deceleration_rad_s2 * longest) - drift
        speed = min(self.speed_rad_s, stoppable)
        return tuple(speed * w / longest for w in way)

    def route(
        self, q: Joints, limits: SafetyLimits, attempt: int = 0
    ) -> tuple[Joints, ...]:
        """Return the corners of the shortest way whose tool path stays inside the limits.

        The straight line; or two, some joints first, then the others; or two with the
        shoulder leaning somewhere else on the way. Where nothing stays inside, the
        straight line: the limits then turn it along the walls. Up to 50 ms.

        Args:
            q: Where the arm is [rad].
            limits: Where it may be.
            attempt: How many ways from here have failed: the next longer one is taken.
        """
        limits = limits.widened(q)
        routes = sorted(self._routes(q, limits), key=lambda corners: _length(q, corners))
        inside = (corners for corners in routes if _is_inside(q, corners, limits))
        return next(itertools.islice(inside, attempt, None), (self.goal_rad,))

    def _routes(self, q: Joints, limits: SafetyLimits) -> Iterator[tuple[Joints, ...]]:
        yield (self.goal_rad,)
        low, high = limits.joint_lower_rad[SHOULDER], limits.joint_upper_rad[SHOULDER]
        leans = [low + part * (high - low) / NUM_LEANS for part in range(NUM_LEANS + 1)]
        choices: list[Joints] = list(zip(q[:-1], self.goal_rad[:-1], strict=True))
        choices[SHOULDER] += tuple(leans)
        for joints in itertools.product(*choices):
            corner = (*joints, self.goal_rad[-1])
            if not has_passed(corner, q):  # else it would not be gone to at all
                yield corner, self.goal_rad

    def has_arrived(self, q: Joints, qd: Joints) -> bool:
        """Whether each joint is within tolerance of the goal and at rest."""
        way = _difference(self.goal_rad, q)
        return is_at_rest(qd) and max(map(abs, way)) <= self.tolerance_rad

    def farthest(self, q: Joints) -> str:
        """Name the joint that is farthest from the goal, and how far it is."""
        ways = [abs(w) for w in _difference(self.goal_rad, q)]
        joint = max(range(len(ways)), key=ways.__getitem__)
        return f"{JOINT_NAMES[joint]} is {ways[joint]:.3f} rad away"


def has_passed(corner: Joints, q: Joints) -> bool:
    """Whether a corner of a route is near enough to go on to the next."""
    return max(map(abs, _difference(corner, q))) < CORNER_RAD


def is_at_rest(qd: Joints) -> bool:
    """Whether no joint moves noticeably."""
    return all(abs(speed) < AT_REST_RAD_S for speed in qd)


def _difference(to: Joints, start: Joints) -> Joints:
    return tuple(t - s for t, s in zip(to, start, strict=True))


def _length(q: Joints, corners: tuple[Joints, ...]) -> float:
    """Return the way of the leading joints, leg by leg [rad]."""
    legs = itertools.pairwise((q, *corners))
    return sum(max(map(abs, _difference(end, start))) for start, end in legs)


def _is_inside(q: Joints, corners: tuple[Joints, ...], limits: SafetyLimits) -> bool:
    for start, end in itertools.pairwise((q, *corners)):
        way = _difference(end, start)
        count = max(1, math.ceil(max(map(abs, way)) / SAMPLE_RAD))
        for index in range(1, count + 1):
            part = index / count
            point = tuple(s + part * w for s, w in zip(start, way, strict=True))
            if not limits.hold_links(point):
                return False
    return True
