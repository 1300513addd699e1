"""Which observations may be acted on. Reads no clock."""

from sac_learner.core.observation import Observation

NANOSECONDS = 1_000_000_000


class ObservationGate:
    """Refuses what is stale, from the future, repeated or out of order.

    A first observation may have any episode number, so that a wrong one, heard once,
    does not shut the gate for the rest of the run. Ages are on the steady clock of the
    one host that env_node and actor_node share.
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
            if not is_later or not _may_follow(observation, newest):
                return False
        self._newest = observation
        return True


def _may_follow(observation: Observation, newest: Observation) -> bool:
    if observation.run_id != newest.run_id:
        return True
    if observation.step == 0 and observation.episode != newest.episode:
        return True
    return _place(observation) > _place(newest)


def _place(observation: Observation) -> tuple[int, int]:
    return observation.episode, observation.step
