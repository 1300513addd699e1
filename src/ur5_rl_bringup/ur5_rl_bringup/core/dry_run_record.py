"""What was seen in a whole dry run, in numbers."""

from dataclasses import dataclass, field


@dataclass
class Range:
    """Least and largest of what was seen."""

    least: float = float("inf")
    most: float = float("-inf")

    def add(self, value: float) -> None:
        self.least, self.most = min(self.least, value), max(self.most, value)

    def text(self, form: str) -> str:
        """Return both ends, each formatted by `form`; "-" if nothing was seen."""
        if self.least > self.most:
            return "-"
        return f"{self.least:{form}} to {self.most:{form}}"


@dataclass
class DryRunRecord:
    """Ranges from the first episode on; `limited` names the joints held back."""

    joint_states_hz: Range = field(default_factory=Range)
    images_hz: Range = field(default_factory=Range)
    mask_px: Range = field(default_factory=Range)
    speed_rad_s: Range = field(default_factory=Range)
    wall_m: Range = field(default_factory=Range)
    limited: set[str] = field(default_factory=set)

    def lines(self) -> list[str]:
        """Return what a person should know of it."""
        lines = [
            f"joint states {self.joint_states_hz.text('.1f')} Hz, camera "
            f"{self.images_hz.text('.1f')} fps, mask {self.mask_px.text('.0f')} px",
            f"the fastest joint would have moved at {self.speed_rad_s.text('.2f')} rad/s",
            f"limits would have held {', '.join(sorted(self.limited)) or 'nothing'}",
            f"tool0 was {self.wall_m.text('.3f')} m from the nearest wall of its box",
        ]
        if self.mask_px.most == 0.0:
            lines.append("the camera has not seen the target: look at where it points")
        return lines
