"""Groups of runs less each other: means, and intervals that say what seeds can tell.

Two intervals that overlap may still differ, and three seeds that all lie higher may not:
the interval of the difference is what decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ur5_rl_experiments.core.run_result import RunResult
from ur5_rl_experiments.core.statistics import (
    Interval,
    difference_interval,
    method_for,
)
from ur5_rl_experiments.core.table import grid, methods


class GroupDifference(NamedTuple):
    """What one group has more than another. Seeds are unpaired; intervals at 95 %."""

    group: str
    less: str  # the group that is taken away
    overall: float
    overall_interval: Interval
    evaluation: float
    evaluation_interval: Interval
    interval_method: str

    def as_dict(self) -> dict[str, Any]:
        """Return the difference for JSON."""
        return self._asdict()


def differences(
    groups: Mapping[str, Sequence[RunResult]], pairs: Iterable[tuple[str, str]]
) -> list[GroupDifference]:
    """Return the differences of those pairs that there are results of."""
    there = ((a, b) for a, b in pairs if a in groups and b in groups)
    return [_difference(a, groups[a], b, groups[b]) for a, b in there]


def text(found: Sequence[GroupDifference]) -> str:
    """Return the differences for people, "" if there is none."""
    if not found:
        return ""
    about = f"[95 % {methods(one.interval_method for one in found)}]"
    lines = (
        (
            _name(one),
            _signed(one.overall, one.overall_interval),
            _signed(one.evaluation, one.evaluation_interval),
        )
        for one in found
    )
    return grid(("difference", f"overall {about}", f"evaluation {about}"), lines)


def _difference(
    a: str, of_a: Sequence[RunResult], b: str, of_b: Sequence[RunResult]
) -> GroupDifference:
    overall_a, overall_b = ([run.overall_return for run in runs] for runs in (of_a, of_b))
    after_a, after_b = ([run.evaluation_return for run in runs] for runs in (of_a, of_b))
    return GroupDifference(
        group=a,
        less=b,
        overall=float(np.mean(overall_a) - np.mean(overall_b)),
        overall_interval=difference_interval(overall_a, overall_b),
        evaluation=float(np.mean(after_a) - np.mean(after_b)),
        evaluation_interval=difference_interval(after_a, after_b),
        interval_method=method_for(len(of_a), len(of_b)),
    )


def _name(one: GroupDifference) -> str:
    """Return "task/setting: async_2 - async_1" of two groups of one table."""
    cell, _, first = one.group.rpartition("/")
    return f"{cell}: {first} - {one.less.rpartition('/')[2]}"


def _signed(mean: float, interval: Interval) -> str:
    low, high = interval
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
