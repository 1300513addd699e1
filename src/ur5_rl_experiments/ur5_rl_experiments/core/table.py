"""Results of several seeds as rows: mean, standard error, interval, minimum.

The text is a Markdown table, so that a document shows what the command printed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ur5_rl_experiments.core.run_result import RunResult
from ur5_rl_experiments.core.statistics import (
    Interval,
    mean_interval,
    method_for,
    standard_error,
)

ABBREVIATED = 9  # characters of a commit, as people write it


class Row(NamedTuple):
    """The seeds of one group. Overall: while it learns; evaluation: of the end."""

    group: str
    seeds: int
    overall: float
    overall_standard_error: float
    overall_interval: Interval  # at 95 %, by `interval_method`
    overall_minimum: float
    evaluation: float
    evaluation_standard_error: float
    evaluation_interval: Interval
    evaluation_minimum: float
    interval_method: str
    env_steps: float  # mean over seeds
    updates: float  # likewise
    wall_s: float  # likewise
    commits: tuple[str, ...]  # of the program, without repetition
    computes_in: tuple[str, ...]  # number types, likewise

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return self._asdict()


def rows(groups: Mapping[str, Sequence[RunResult]]) -> list[Row]:
    """Return a row for each group, in the mapping's order."""
    return [_row(group, results) for group, results in groups.items()]


def text(table: Sequence[Row]) -> str:
    """Return the rows for people."""
    about = f"+- se [95 % {methods(row.interval_method for row in table)}]"
    head = ("", "seeds", f"overall {about}", "worst seed", f"evaluation {about}")
    return grid((*head, "worst seed", "steps", "updates", "wall s"), map(_cells, table))


def commits_of(table: Sequence[Row]) -> str:
    """Return which commits of the program the rows come from, in one line.

    And what they computed in, where machines differ in that: such runs are not the same
    computation, however alike their settings are.
    """
    found = sorted({commit for row in table for commit in row.commits})
    shown = (f"{c[:ABBREVIATED]}{'-dirty' * c.endswith('-dirty')}" for c in found)
    types = sorted({name for row in table for name in row.computes_in})
    computed = f"; computed in {', '.join(types)}" if types[1:] else ""
    return f"commits of the program: {', '.join(shown)}{computed}"


def methods(used: Iterable[str]) -> str:
    """Return the methods of some intervals in a few words."""
    return " or ".join(sorted(set(used)))


def grid(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are aligned, numbers to the right."""
    table = [tuple(head), *(tuple(line) for line in lines)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        f"| {line[0]:{widths[0]}} | "
        + " | ".join(f"{c:>{w}}" for c, w in zip(line[1:], widths[1:], strict=True))
        + " |"
        for line in (table[0], rule, *table[1:])
    )


def _cells(row: Row) -> tuple[str, ...]:
    overall = _mean(row.overall, row.overall_standard_error, row.overall_interval)
    after = _mean(row.evaluation, row.evaluation_standard_error, row.evaluation_interval)
    return (
        row.group,
        f"{row.seeds}",
        overall,
        f"{row.overall_minimum:.1f}",
        after,
        f"{row.evaluation_minimum:.1f}",
        f"{row.env_steps:.0f}",
        f"{row.updates:.0f}",
        f"{row.wall_s:.0f}",
    )


def _mean(mean: float, error: float, interval: Interval) -> str:
    low, high = interval
    return f"{mean:.1f} +- {error:.1f} [{low:.1f}, {high:.1f}]"


def _row(group: str, results: Sequence[RunResult]) -> Row:
    overall = [result.overall_return for result in results]
    evaluation = [result.evaluation_return for result in results]
    last = [result.episodes[-1] for result in results]
    return Row(
        group=group,
        seeds=len(results),
        overall=float(np.mean(overall)),
        overall_standard_error=standard_error(overall),
        overall_interval=mean_interval(overall),
        overall_minimum=min(overall),
        evaluation=float(np.mean(evaluation)),
        evaluation_standard_error=standard_error(evaluation),
        evaluation_interval=mean_interval(evaluation),
        evaluation_minimum=min(evaluation),
        interval_method=method_for(len(results)),
        env_steps=float(np.mean([episode.env_steps for episode in last])),
        updates=float(np.mean([episode.updates for episode in last])),
        wall_s=float(np.mean([result.wall_s for result in results])),
        commits=tuple(sorted({result.commit for result in results})),
        computes_in=tuple(sorted({result.computes_in for result in results})),
    )
