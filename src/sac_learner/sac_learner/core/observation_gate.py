"""Which observations may be acted on. Reads no clock."""

from sac_learner.core.observation import Observation

NANOSECONDS = 1_000_000_000


class ObservationGate:
    """Refuses what is stale, from the future, repeated or out of order.

    Ages are on the steady clock of the one host that env_node and actor_node share.
    """

    def __init__(self, max_age_s: float) -> None:
        self._max_age_ns = round(max_age_s * NANOSECONDS)
        self._newest: Observation | None = None

    def is_fresh(self, observation: Observation, now_ns: int) -> bool:
        """Return whether the observation may still move the arm at `now_ns`."""
        return 0 <= now_ns - observation.steady_ns <= self._max_age_ns

    def is_new(self, observation: Observation) -> bool:
        """Return whether it is later than all before; remember it if so."""
        newest = self._newest
        if newest is not None:
            is_later = observation.steady_ns > newest.steady_ns
            is_same_run = observation.run_id == newest.run_id
            if not is_later or (is_same_run and _place(observation) <= _place(newest)):
                return False
        self._newest = observation
        return True


def _place(observation: Observation) -> tuple[int, int]:
    return observation.episode, observation.step
