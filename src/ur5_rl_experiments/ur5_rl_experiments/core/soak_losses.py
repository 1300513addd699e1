"""What a soak's graph has sent, and what of it has never arrived."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from ur5_rl_experiments.core.soak_record import Sample, SoakRecord

Json = dict[str, Any]

ON_DISK_S = 60.0  # a time step that is not acknowledged by then is overdue
ON_ITS_WAY_S = 10.0  # of an episode's end before its last transition counts as missing
COMMANDS_ON_THEIR_WAY = 50  # of two seconds: two nodes speak of themselves once in one
LOST_TIME_STEPS = (
    *("time_steps_lost", "time_steps_refused"),
    *("time_steps_incomplete", "inbox_overflowed"),
)
OTHER_COUNTS = (
    *("time_steps_sent", "transitions_received"),
    *("observations_answered", "commands_accepted", "commands_refused"),
)


def messages(record: SoakRecord) -> Json:
    """Return what was sent, and what of it was lost, since the start of the soak.

    Joint states and images replace each other and are not numbered: of them it is the
    rates at which they were published and at which env_node heard them.
    """
    counts = {n: since_start(record, n) for n in (*OTHER_COUNTS, *LOST_TIME_STEPS)}
    return {
        **counts,
        "transitions_of_episodes": sum(e.steps for e in record.episodes),
        "transitions_missing": missing_transitions(record),
        "time_steps_overdue": overdue_time_steps(record),
        "commands_lost": lost_commands(record),
        "rates_hz": {what: rates_hz(record, what) for what in ("joint_states", "images")},
    }


def lost_experience(record: SoakRecord) -> dict[str, int]:
    """Return what was lost on the way to the learner, by how it was; empty if nothing."""
    counts = {name: since_start(record, name) for name in LOST_TIME_STEPS}
    counts["transitions_missing"] = missing_transitions(record)
    counts["time_steps_overdue"] = overdue_time_steps(record)
    return {name: count for name, count in counts.items() if count}


def since_start(record: SoakRecord, name: str) -> int:
    """Return a counter's sum over all lives of its process, each of which begins at 0."""
    values = [0, *(int(getattr(s.state, name)) for s in record.samples)]
    return sum(new - old if new >= old else new for old, new in pairwise(values))


def missing_transitions(record: SoakRecord) -> int:
    """Return how many transitions of finished episodes the learner has never received.

    None are missing while it has received nothing: it may still be starting.
    """
    received = since_start(record, "transitions_received")
    end_s = record.duration_s - ON_ITS_WAY_S
    sent = sum(e.steps for e in record.episodes if e.time_s <= end_s)
    return max(0, sent - received) if received else 0


def overdue_time_steps(record: SoakRecord) -> int:
    """Return the most time steps that were not on disk a minute after they were sent."""
    worst, due = 0, _Cursor(record.samples)
    for sample in record.samples:
        before = due.newest_until(sample.time_s - ON_DISK_S)
        if before is None:
            continue
        sent, state = before.state.time_steps_sent, sample.state
        if sent <= state.time_steps_sent:  # else env_node has begun anew
            worst = max(worst, sent - state.time_steps_acknowledged)
    return worst


class _Cursor:
    """Finds samples by their time, in ascending order."""

    def __init__(self, samples: list[Sample]) -> None:
        self._samples, self._next = samples, 0

    def newest_until(self, time_s: float) -> Sample | None:
        """Return the newest sample that is not younger than `time_s` [s]."""
        samples = self._samples
        while self._next < len(samples) and samples[self._next].time_s <= time_s:
            self._next += 1
        return samples[self._next - 1] if self._next else None


def lost_commands(record: SoakRecord) -> int:
    """Return how many commands the arm has never seen; refused ones it has seen."""
    seen = sum(since_start(record, f"commands_{n}") for n in ("accepted", "refused"))
    lost = since_start(record, "observations_answered") - seen
    return lost if lost > COMMANDS_ON_THEIR_WAY else 0


def rates_hz(record: SoakRecord, what: str) -> dict[str, float | None]:
    """Return how often "joint_states" or "images" came after the warm-up [Hz]."""
    states = [s.state for s in record.after_warm_up()]
    return {
        side: _mean([getattr(state, f"{what}_{side}_hz") for state in states])
        for side in ("published", "heard")
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
