"""Where the target is: a pure function of configuration, episode and time.

Lengths are in display units: the screen is 160 units wide and 90 high, x to the right,
y down, origin top left. Whoever knows seed and episode knows the whole motion; nothing is
stepped, so a slow or fast display shows the same target at the same time.
"""

import math
import random
from dataclasses import dataclass

WIDTH_UNITS = 160.0
HEIGHT_UNITS = 90.0
MOTIONS = ("static", "reaching", "tracking")


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """How the target moves; `DisplayConfig` explains each field."""

    motion: str = "reaching"
    seed: int = 0
    speed_units_s: float = 25.0
    radius_units: float = 7.0

    def __post_init__(self) -> None:
        if self.motion not in MOTIONS:
            raise ValueError(f"motion must be one of {MOTIONS}, got '{self.motion}'")
        if not 0.0 < self.radius_units < HEIGHT_UNITS / 2:
            raise ValueError(
                f"radius_units must be above 0 and below {HEIGHT_UNITS / 2}, "
                f"got {self.radius_units}"
            )
        if not (math.isfinite(self.speed_units_s) and self.speed_units_s >= 0.0):
            raise ValueError(
                f"speed_units_s must be finite and >= 0, got {self.speed_units_s}"
            )


@dataclass(frozen=True)
class Target:
    """Centre [units] and velocity [units/s] of the dot at one instant."""

    x_units: float
    y_units: float
    velocity_x_units_s: float = 0.0
    velocity_y_units_s: float = 0.0


@dataclass(frozen=True)
class Trajectory:
    """The target's motion through one episode, for all times."""

    start: Target
    radius_units: float

    def at(self, time_s: float) -> Target:
        """Return the target `time_s` after the motion's beginning [s]."""
        start, radius = self.start, self.radius_units
        x, vx = _bounce(
            start.x_units, start.velocity_x_units_s, time_s, radius, WIDTH_UNITS
        )
        y, vy = _bounce(
            start.y_units, start.velocity_y_units_s, time_s, radius, HEIGHT_UNITS
        )
        return Target(x, y, vx, vy)


def trajectory(config: MotionConfig, episode: int) -> Trajectory:
    """Return the motion of one episode; the same arguments give the same motion."""
    # Seeded with a string: Python promises the same numbers in every later version.
    uniform = random.Random(f"{config.seed}/{episode}").uniform
    start = Target(WIDTH_UNITS / 2, HEIGHT_UNITS / 2)
    if config.motion == "reaching":
        margin = config.radius_units
        x = uniform(margin, WIDTH_UNITS - margin)
        start = Target(x, uniform(margin, HEIGHT_UNITS - margin))
    elif config.motion == "tracking":
        angle = uniform(0.0, 2.0 * math.pi)
        vx = config.speed_units_s * math.cos(angle)
        vy = config.speed_units_s * math.sin(angle)
        start = Target(start.x_units, start.y_units, vx, vy)
    return Trajectory(start, config.radius_units)


def _bounce(
    start: float, velocity: float, time_s: float, radius: float, length: float
) -> tuple[float, float]:
    """Return place and velocity of a dot on a line whose ends reflect it.

    Unfolded at its reflections the motion is a straight line: fold it back.
    """
    room = length - 2.0 * radius
    unfolded = (start - radius + velocity * time_s) % (2.0 * room)
    if unfolded <= room:
        return radius + unfolded, velocity
    return radius + 2.0 * room - unfolded, -velocity
