"""What one run of `bench cycle` heard, as numbers. Loads no ROS."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sac_learner.core.architectures import SEQUENTIAL

Json = dict[str, Any]

NOMINAL_CYCLE_MS = 40.0
CYCLE_TOLERANCE_MS, MAX_LATENESS_P99_MS = 0.1, 5.0
MS_PER_S = 1e3
SERIES = {  # name in an EpisodeSummary: name in the report, factor
    "cycle_ms": ("cycle_ms", 1.0),
    "lateness_ms": ("lateness_ms", 1.0),
    "observation_to_command_ms": ("obs_to_command_ms", 1.0),
    "policy_age_s": ("policy_age_ms", MS_PER_S),
    "learner_wait_ms": ("learner_wait_ms", 1.0),
}
TIME_LIMIT = "time_limit"


@dataclass
class CycleRecord:
    """Episodes that began after the learner's first update, and its newest status."""

    series: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name, _ in SERIES.values()}
    )
    cut_short: Counter[str] = field(default_factory=Counter)
    episodes: int = 0
    transitions: int = 0
    missed_actions: int = 0
    transitions_lost: int = 0
    first: tuple[float, int] | None = None  # [s], updates: where the counting begins
    newest: tuple[float, int] | None = None

    def on_status(self, status: Any, now_s: float) -> None:
        """Take a LearnerStatus into account."""
        self.transitions_lost = status.transitions_lost
        if status.updates:
            self.newest = (now_s, status.updates)
            self.first = self.first or self.newest

    def on_episode(self, summary: Any, now_s: float) -> None:
        """Take an EpisodeSummary into account, if the learner worked all along."""
        if self.first is None or now_s - summary.duration_s < self.first[0]:
            return
        self.episodes += 1
        self.transitions += summary.steps
        self.missed_actions += summary.missed_actions
        if summary.end != TIME_LIMIT:
            self.cut_short[summary.end] += 1
        for name, (ours, factor) in SERIES.items():
            self.series[ours] += [factor * value for value in getattr(summary, name)]

    @property
    def updates_per_s(self) -> float:
        """Between the first status with an update and the newest one [1/s]."""
        if self.first is None or self.newest is None or self.first == self.newest:
            return 0.0
        return (self.newest[1] - self.first[1]) / (self.newest[0] - self.first[0])

    def entry(self, architecture: str) -> Json:
        """Return the report's entry of one architecture."""
        figures = {name: distribution(values) for name, values in self.series.items()}
        return {
            "architecture": architecture,
            **figures,
            "updates_per_s": round(self.updates_per_s, 3),
            "episodes": self.episodes,
            "transitions": self.transitions,
            "transitions_lost": self.transitions_lost,
            "missed_actions": self.missed_actions,
            "cut_short": dict(self.cut_short),
            "meets_bar": meets_bar(figures),
        }


def distribution(values: ArrayLike) -> Json:
    """Return mean, percentiles and maximum of `values`, shape (n,); null for none."""
    array = np.asarray(values, np.float64)
    if not array.size:
        return dict.fromkeys(("mean", "p50", "p99", "max")) | {"count": 0}
    p50, p99 = np.percentile(array, (50, 99))
    figures = {"mean": array.mean(), "p50": p50, "p99": p99, "max": array.max()}
    rounded = {name: round(float(value), 3) for name, value in figures.items()}
    return rounded | {"count": array.size}


def meets_bar(figures: dict[str, Json]) -> bool:
    """Return whether the cycle is 40 ms in the mean and 99 % at most 5 ms late."""
    cycle_ms, lateness_ms = figures["cycle_ms"]["mean"], figures["lateness_ms"]["p99"]
    if cycle_ms is None or lateness_ms is None:
        return False
    is_punctual = abs(cycle_ms - NOMINAL_CYCLE_MS) <= CYCLE_TOLERANCE_MS
    return bool(is_punctual and lateness_ms <= MAX_LATENESS_P99_MS)


def late(entries: Sequence[Json]) -> list[str]:
    """Return which architectures miss the bar; sequential, which waits, has none."""
    names = ((entry["architecture"], entry["meets_bar"]) for entry in entries)
    return [name for name, is_met in names if not is_met and name != SEQUENTIAL]


def bar_line(entries: Sequence[Json]) -> str:
    """Return the bar and who misses it."""
    is_judged = any(entry["architecture"] != SEQUENTIAL for entry in entries)
    verdict = "met" if is_judged else "not judged"
    if missed := late(entries):
        verdict = f"missed by {', '.join(missed)}"
    return (
        f"bar: a cycle of {NOMINAL_CYCLE_MS:g} ms within {CYCLE_TOLERANCE_MS:g} in the "
        f"mean, {MAX_LATENESS_P99_MS:g} ms late at p99, not for {SEQUENTIAL}: {verdict}"
    )


def table(entry: Json) -> list[str]:
    """Return what a person wants to read of one entry."""
    rows = [f"  {'[ms]':18}{'mean':>9}{'p50':>9}{'p99':>9}{'max':>9}{'count':>8}"]
    for name, _ in SERIES.values():
        row = entry[name]
        cells = "".join(_cell(row[key]) for key in ("mean", "p50", "p99", "max"))
        rows.append(f"  {name.removesuffix('_ms'):18}{cells}{row['count']:>8}")
    return [
        *rows,
        f"  {entry['updates_per_s']:.1f} updates/s, {entry['transitions']} transitions, "
        f"{entry['transitions_lost']} lost, {entry['missed_actions']} actions missed, "
        f"cut short: {entry['cut_short'] or 'none'}",
    ]


def _cell(value: float | None) -> str:
    return f"{'-' if value is None else format(value, '.2f'):>9}"
