"""Results of several seeds as rows of text: mean, standard error, interval, minimum."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ur5_rl_experiments.core.run_result import RunResult
from ur5_rl_experiments.core.statistics import bootstrap_interval, standard_error


class Row(NamedTuple):
    """The seeds of one group. Overall: while it learns; evaluation: of the end."""

    group: str
    seeds: int
    overall: float
    overall_standard_error: float
    overall_interval: tuple[float, float]
    overall_minimum: float
    evaluation: float
    evaluation_standard_error: float
    evaluation_interval: tuple[float, float]
    evaluation_minimum: float
    env_steps: float  # mean over seeds
    updates: float  # likewise
    wall_s: float  # likewise

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return self._asdict()


def rows(groups: Mapping[str, Sequence[RunResult]]) -> list[Row]:
    """Return a row for each group, in the mapping's order."""
    return [_row(group, results) for group, results in groups.items()]


def text(table: Sequence[Row]) -> str:
    """Return the rows for people, intervals at 95 %."""
    wide = max((len(row.group) for row in table), default=0)
    head = (
        f"{'':{wide}}  n | overall +- se [interval]       min | "
        "evaluation +- se [interval]    min |  steps updates wall s"
    )
    return "\n".join([head, *(_line(row, wide) for row in table)])


def _line(row: Row, wide: int) -> str:
    overall = _cell(row.overall, row.overall_standard_error, row.overall_interval)
    after = _cell(row.evaluation, row.evaluation_standard_error, row.evaluation_interval)
    return (
        f"{row.group:{wide}} {row.seeds:2} | {overall} {row.overall_minimum:6.1f} | "
        f"{after} {row.evaluation_minimum:6.1f} | "
        f"{row.env_steps:6.0f} {row.updates:7.0f} {row.wall_s:6.0f}"
    )


def _cell(mean: float, error: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{mean:6.1f} +- {error:4.1f} [{low:6.1f}, {high:6.1f}]"


def _row(group: str, results: Sequence[RunResult]) -> Row:
    overall = [result.overall_return for result in results]
    evaluation = [result.evaluation_return for result in results]
    last = [result.episodes[-1] for result in results]
    return Row(
        group=group,
        seeds=len(results),
        overall=float(np.mean(overall)),
        overall_standard_error=standard_error(overall),
        overall_interval=bootstrap_interval(overall),
        overall_minimum=min(overall),
        evaluation=float(np.mean(evaluation)),
        evaluation_standard_error=standard_error(evaluation),
        evaluation_interval=bootstrap_interval(evaluation),
        evaluation_minimum=min(evaluation),
        env_steps=float(np.mean([episode.env_steps for episode in last])),
        updates=float(np.mean([episode.updates for episode in last])),
        wall_s=float(np.mean([result.wall_s for result in results])),
    )
