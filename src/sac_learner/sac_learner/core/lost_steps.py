"""Which time steps never came into the replay buffer, and why."""

from typing import NamedTuple


class LostSteps(NamedTuple):
    """Counts of this process. Each cause here leaves a gap too, once the next step came.

    Attributes:
        gaps: In the sequence numbers.
        malformed: Messages that were no time step.
        unfit: Time steps that the replay buffer refused.
        overflowed: Time steps that found the inbox full.
    """

    gaps: int
    malformed: int
    unfit: int
    overflowed: int

    @property
    def total(self) -> int:
        """At least so many were lost: the newest may have left no gap yet."""
        return max(self.gaps, self.malformed + self.unfit + self.overflowed)

    def __str__(self) -> str:
        causes = {
            "malformed": self.malformed,
            "refused by the replay buffer": self.unfit,
            "for want of room in the inbox": self.overflowed,
        }
        said = ", ".join(f"{count} {cause}" for cause, count in causes.items() if count)
        if not said:
            return f"{self.total} time steps lost on the way"
        return f"at least {self.total} time steps lost; of those that came: {said}"
