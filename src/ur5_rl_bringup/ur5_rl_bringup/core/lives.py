"""The lives of one process of the graph, and what the end of one means for the run."""

from dataclasses import dataclass, field
from enum import Enum

RESTART_DELAY_S = 0.5
MAX_RESTARTS = 5  # of one process in RESTART_WINDOW_S; more means that it cannot run
RESTART_WINDOW_S = 60.0
RAN_WELL_S = 20.0  # more than a start takes, the tries to connect included
RETRY_DELAY_S = 1.0
MAX_AWAY_S = 1800.0


class Outlook(Enum):
    """What follows the end of a process that should go on, in words."""

    DONE = "ended; stopping the rest"
    RESTART = "starting it again"
    RETRY = "what it needs is gone: trying again"
    WRONG = "configuration error"
    TOO_OFTEN = f"ended {MAX_RESTARTS + 1} times in a minute; giving up"
    TOO_LONG = f"could not start for {MAX_AWAY_S / 60:g} minutes; giving up"

    @property
    def goes_on(self) -> bool:
        """Whether a fresh process takes over."""
        return self in (Outlook.RESTART, Outlook.RETRY)

    @property
    def delay_s(self) -> float:
        """How long to wait before it does."""
        return RETRY_DELAY_S if self is Outlook.RETRY else RESTART_DELAY_S


@dataclass
class Lives:
    """Judges the ends of one process. Owned by whoever starts it.

    A process that refuses to start (its configuration or a device is wrong) ends the run,
    unless it has run well in it before: then it is the world that has changed. A robot
    that is away for a minute comes back, and so does a camera.
    """

    _restarts_s: list[float] = field(default_factory=list)
    _has_run_well: bool = False
    _away_since_s: float | None = None

    def outlook(
        self, *, refused: bool, lived_s: float, now_s: float, lost_link: bool = False
    ) -> Outlook:
        """Return what follows an end at `now_s` [s] of a life of `lived_s` [s].

        One that `lost_link` has had all that it needs, however short its life was.
        """
        if refused:
            return self._after_refusal(now_s)
        self._away_since_s = None
        self._has_run_well |= lost_link or lived_s >= RAN_WELL_S
        recent = [t for t in self._restarts_s if now_s - t < RESTART_WINDOW_S]
        self._restarts_s = [*recent, now_s]
        too_often = len(self._restarts_s) > MAX_RESTARTS
        return Outlook.TOO_OFTEN if too_often else Outlook.RESTART

    def _after_refusal(self, now_s: float) -> Outlook:
        if not self._has_run_well:
            return Outlook.WRONG
        if self._away_since_s is None:
            self._away_since_s = now_s
        is_hopeless = now_s - self._away_since_s > MAX_AWAY_S
        return Outlook.TOO_LONG if is_hopeless else Outlook.RETRY
