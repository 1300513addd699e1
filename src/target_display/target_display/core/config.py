"""Everything about the target and its screen that an experimenter may change."""

import math
from dataclasses import dataclass

from target_display.core.motion import MotionConfig

SCREENS = ("offscreen", "window", "fullscreen")


@dataclass(frozen=True, kw_only=True)
class DisplayConfig:
    """Target motion, its look, and where it is shown.

    Attributes:
        motion: "static" (middle of the screen), "reaching" (a new place each episode) or
            "tracking" (from the middle, constant speed, bounces at the edges).
        seed: With the episode number it decides place and direction.
        speed_units_s: Speed of the tracking target [units/s]; the screen is 160 wide.
        radius_units: Radius of the dot [units].
        screen: "offscreen" (only `screen_file` shows it), "window" or "fullscreen".
        display_index: Monitor of the window, counted from 0.
        width_px: Width off screen and of the window; full screen takes the monitor's.
        height_px: Height, likewise.
        frame_rate_hz: Flips per second.
        dot_colour_bgr: Colour of the dot, three numbers in 0..255.
        background_colour_bgr: Colour of everything else.
        screen_file: Shared array (height, width, 4) that shows what was drawn, BGRX; ""
            for none.
    """

    motion: str = "reaching"
    seed: int = 0
    speed_units_s: float = 25.0
    radius_units: float = 7.0
    screen: str = "offscreen"
    display_index: int = 0
    width_px: int = 640
    height_px: int = 360
    frame_rate_hz: float = 60.0
    dot_colour_bgr: tuple[int, ...] = (0, 0, 255)
    background_colour_bgr: tuple[int, ...] = (255, 255, 255)
    screen_file: str = ""

    def __post_init__(self) -> None:
        self.motion_config()  # checks its part
        if self.screen not in SCREENS:
            raise ValueError(f"screen must be one of {SCREENS}, got '{self.screen}'")
        if self.display_index < 0:
            raise ValueError(f"display_index must be >= 0, got {self.display_index}")
        for name in ("width_px", "height_px"):
            if not 16 <= getattr(self, name) <= 8192:
                raise ValueError(f"{name} must be in 16..8192, got {getattr(self, name)}")
        if not (math.isfinite(self.frame_rate_hz) and 1.0 <= self.frame_rate_hz <= 500.0):
            raise ValueError(f"frame_rate_hz must be in 1..500, got {self.frame_rate_hz}")
        for name in ("dot_colour_bgr", "background_colour_bgr"):
            check_colour(name, getattr(self, name))

    def motion_config(self) -> MotionConfig:
        """Return the motion's part of this configuration."""
        return MotionConfig(
            motion=self.motion,
            seed=self.seed,
            speed_units_s=self.speed_units_s,
            radius_units=self.radius_units,
        )


def check_colour(name: str, colour: tuple[int, ...]) -> None:
    if len(colour) != 3 or not all(0 <= c <= 255 for c in colour):
        raise ValueError(f"{name} must be three numbers in 0..255, got {list(colour)}")
