"""The update-to-data ratio as an object of its own: a token bucket."""

from typing import NamedTuple


class LimiterState(NamedTuple):
    """What a checkpoint keeps of the limiter."""

    transitions: int
    tokens: float


class UpdateLimiter:
    """Lets the learner take so many updates per transition, and owe a bounded number.

    Each transition after the first `learning_starts` brings `updates_per_transition`
    tokens; an update costs one. A learner that is too slow for the ratio owes at most
    `max_pending` updates, so that after a pause it does not train on old data for hours.
    A ratio of 0 is no limit: once learning has started, an update is always due and
    nothing is owed. Owned by the thread that updates.
    """

    def __init__(
        self, updates_per_transition: float, learning_starts: int, max_pending: int
    ) -> None:
        self._ratio = updates_per_transition
        self._learning_starts = learning_starts
        self._max_pending = float(max_pending)
        self.state = LimiterState(transitions=0, tokens=0.0)

    def observe(self, transitions: int) -> None:
        """Credit the transitions since the last call; `transitions` is the total."""
        seen = max(self.state.transitions, self._learning_starts)
        tokens = self.state.tokens + self._ratio * max(transitions - seen, 0)
        self.state = LimiterState(
            max(transitions, self.state.transitions), min(tokens, self._max_pending)
        )

    def start_after(self, transitions: int) -> None:
        """Let all up to this total bring no tokens, as the first `learning_starts` do."""
        self._learning_starts = max(self._learning_starts, transitions)

    @property
    def is_free_running(self) -> bool:
        """Whether there is no limit."""
        return self._ratio == 0.0

    @property
    def update_due(self) -> bool:
        """Whether an update is paid for."""
        if self.is_free_running:
            return self.state.transitions >= max(self._learning_starts, 1)
        return self.state.tokens >= 1.0

    @property
    def updates_owed(self) -> float:
        """Updates that are paid for and not taken, with a fraction; 0 without a limit."""
        return 0.0 if self.is_free_running else self.state.tokens

    def spend(self) -> None:
        """Account for one update."""
        if not self.is_free_running:
            self.state = self.state._replace(tokens=self.state.tokens - 1.0)
