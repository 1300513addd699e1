"""Policies that do everything to lead an arm beyond its limits.

Each is asked once an action for parts of the largest joint speed: a function of a random
source, the number of the action and the joint positions [rad].
"""

import math
import random
from collections.abc import Callable

from ur5_rl_env.core.kinematics import FOREARM_OFFSET_M, Links, links_of
from ur5_rl_env.core.task import BOX_LOWER_M, BOX_UPPER_M, NUM_ACTIONS

Joints = tuple[float, ...]
Policy = Callable[[random.Random, int, Joints], Joints]
Height = Callable[[Links], float]  # what a policy descends [m]

STUBBORN_ACTIONS = 40  # the same wish for so long: from wall to wall
PROBE_RAD = 1e-4


def uniform(source: random.Random, _action: int, _q: Joints) -> Joints:
    """Anything."""
    return tuple(source.uniform(-1.0, 1.0) for _ in range(NUM_ACTIONS))


def bang_bang(source: random.Random, _action: int, _q: Joints) -> Joints:
    """Full speed, either way."""
    return tuple(source.choice((-1.0, 1.0)) for _ in range(NUM_ACTIONS))


def stubborn(_source: random.Random, action: int, q: Joints) -> Joints:
    """Full speed one way, for a while: on to the ends of the joints."""
    return bang_bang(random.Random(action // 20), action, q)


def at_a_wall(_source: random.Random, action: int, q: Joints) -> Joints:
    """Push the tool against one wall of its box after the other."""
    chosen = random.Random(action // STUBBORN_ACTIONS)
    axis, sign = chosen.randrange(3), chosen.choice((-1.0, 1.0))
    return descend(lambda links: sign * links.tool0[axis], q)


def at_the_nearest_wall(_source: random.Random, _action: int, q: Joints) -> Joints:
    """Push the tool against the wall that is nearest, always."""
    tool = links_of(q).tool0
    ways = [(tool[axis] - BOX_LOWER_M[axis], axis, 1.0) for axis in range(3)]
    ways += [(BOX_UPPER_M[axis] - tool[axis], axis, -1.0) for axis in range(3)]
    _, axis, sign = min(ways)
    return descend(lambda links: sign * links.tool0[axis], q)


def into_corners(_source: random.Random, action: int, q: Joints) -> Joints:
    """Push the tool into one corner of its box after the other."""
    chosen = random.Random(action // STUBBORN_ACTIONS)
    signs = [chosen.choice((-1.0, 1.0)) for _ in range(3)]
    return descend(
        lambda links: sum(s * p for s, p in zip(signs, links.tool0, strict=True)), q
    )


def elbow_out(_source: random.Random, action: int, q: Joints) -> Joints:
    """Push the elbow to the table or another wall; the joints beyond it go anywhere."""
    chosen = random.Random(action // STUBBORN_ACTIONS)
    axis, sign = chosen.choice([(2, 1.0), (2, 1.0), (2, -1.0), (1, 1.0), (0, -1.0)])
    elbow = descend(lambda links: sign * links.elbow[axis], q)[:2]
    return (*elbow, *(chosen.choice((-1.0, 1.0)) for _ in range(3)))


def wrist_down(_source: random.Random, action: int, q: Joints) -> Joints:
    """Push the wrist to the table, the tool staying above it."""
    chosen = random.Random(action // STUBBORN_ACTIONS)
    lift = chosen.uniform(0.0, 1.0)
    return descend(
        lambda links: min(links.wrist_z, links.hand_z) - lift * links.tool0[2], q
    )


def into_itself(_source: random.Random, action: int, q: Joints) -> Joints:
    """Push the tool against the base, the upper arm or the forearm."""
    chosen = random.Random(action // STUBBORN_ACTIONS)
    place = chosen.choice((_to_the_base, _to_the_upper_arm, _to_the_forearm))
    return descend(place, q)


ADVERSARIES: dict[str, Policy] = {
    policy.__name__: policy
    for policy in (
        uniform,
        bang_bang,
        stubborn,
        at_a_wall,
        at_the_nearest_wall,
        into_corners,
        elbow_out,
        wrist_down,
        into_itself,
    )
}


def descend(height: Height, q: Joints) -> Joints:
    """Return full speed of each joint the way that lowers `height`."""
    parts = []
    for joint in range(NUM_ACTIONS):
        ahead, behind = list(q), list(q)
        ahead[joint] += PROBE_RAD
        behind[joint] -= PROBE_RAD
        slope = height(links_of(ahead)) - height(links_of(behind))
        parts.append(-math.copysign(1.0, slope) if slope else 0.0)
    return tuple(parts)


def _to_the_base(links: Links) -> float:
    return math.dist(links.tool0, (0.0, 0.0, 0.1))


def _to_the_upper_arm(links: Links) -> float:
    return math.dist(links.tool0, [0.5 * p for p in links.elbow])


def _to_the_forearm(links: Links) -> float:
    """Its middle; the tool beside it, as it may turn there."""
    r, cos, sin = 0.5 * (links.elbow_r + links.wrist_r), links.cos_pan, links.sin_pan
    x, y = -cos * r - sin * FOREARM_OFFSET_M, cos * FOREARM_OFFSET_M - sin * r
    return math.dist(links.tool0, (x, y, 0.5 * (links.elbow_z + links.wrist_z)))
