"""What comes out of one cycle of the arm, and what it is made from."""

from dataclasses import dataclass
from typing import NamedTuple

from ur5_rl_env.core.ramp import STILL, Joints
from ur5_rl_env.core.safety import UNLIMITED, Pace


class Wish(NamedTuple):
    """What a state asks for, before the limits."""

    velocity: Joints  # [rad/s]
    pace: Pace  # of the way there


@dataclass(frozen=True)
class Decision:
    """Outcome of one cycle."""

    velocity: Joints  # to be sent [rad/s]
    is_sent: bool  # False: the robot runs no program that could take it
    limited: tuple[bool, ...]  # per joint: reduced by a safety limit
    target: Joints  # what the limits let through [rad/s]: sent, unless in a dry run


NOTHING = Decision(STILL, False, UNLIMITED, STILL)
