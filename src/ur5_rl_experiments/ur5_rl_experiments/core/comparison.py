"""Evaluated policies beside each other: a table, and who is better by how much."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ur5_rl_experiments.core.evaluation import EpisodeResult, Summary, summary
from ur5_rl_experiments.core.json_values import finite
from ur5_rl_experiments.core.statistics import (
    BOOTSTRAP,
    FEWEST_RESAMPLED,
    STUDENT,
    Interval,
    mean_interval,
)

COLUMNS = {  # title: width
    "return +- se": 16,
    "[95 % interval]": 19,
    "minimum": 9,
    "centred [95 %]": 17,
    "after": 8,
    "error": 9,
    "limits": 8,
}
EXPLANATION = (
    "intervals of returns: "
    f"{BOOTSTRAP}; {STUDENT} for fewer than {FEWEST_RESAMPLED} episodes;\n"
    "centred: dot within 8 px of the middle for a second, px of an image 160 wide;\n"
    "after: time until then, median; error: mean distance in the second half;\n"
    "limits: steps whose motion a safety limit changed"
)


@dataclass(frozen=True)
class Entry:
    """A policy and its episodes."""

    name: str
    results: tuple[EpisodeResult, ...]

    @property
    def summary(self) -> Summary:
        return summary(self.results)


@dataclass(frozen=True)
class Difference:
    """Return of a policy minus that of the best on the same episodes.

    Attributes:
        name: Of the policy.
        mean: Over the episodes.
        interval: 95 % interval of the mean: `mean_interval`.
    """

    name: str
    mean: float
    interval: Interval


@dataclass(frozen=True)
class Comparison:
    """Policies on the same episodes.

    Attributes:
        entries: All of them.
        best: Index of the one that the others are compared with.
        differences: Of the others, in order. Episode by episode: narrower than two
            intervals side by side, as a far dot costs everybody.
    """

    entries: tuple[Entry, ...]
    best: int
    differences: tuple[Difference, ...]


def compare(entries: Sequence[Entry], candidates: int) -> Comparison:
    """Compare all with the best mean return of the first `candidates`.

    Raises:
        ValueError: there is no candidate, or entries differ in their episodes.
    """
    means = [entry.summary.mean_return for entry in entries[:candidates]]
    best = means.index(max(means))
    others = (entry for index, entry in enumerate(entries) if index != best)
    return Comparison(
        tuple(entries), best, tuple(_difference(other, entries[best]) for other in others)
    )


def _difference(entry: Entry, best: Entry) -> Difference:
    pairs = zip(entry.results, best.results, strict=True)
    deltas = [ours.return_sum - theirs.return_sum for ours, theirs in pairs]
    mean = math.fsum(deltas) / len(deltas)
    return Difference(entry.name, mean, mean_interval(deltas))


def header(name_width: int) -> str:
    """Return the first line of the table."""
    return _line("policy", list(COLUMNS), name_width)


def row(entry: Entry, name_width: int) -> str:
    """Return one line of the table."""
    it = entry.summary
    low, high = it.return_interval
    least, most = (f"{100.0 * end:.0f}" for end in it.centred_interval)
    cells = [
        f"{it.mean_return:.1f} +- {_or_dash(it.standard_error, '4.1f')}",
        f"[{low:.1f}, {high:.1f}]",
        f"{it.minimum:.1f}",
        f"{100.0 * it.centred:.0f} % [{least}, {most}]",
        f"{_or_dash(it.seconds_to_centre, '.2f')} s",
        f"{it.tracking_error_px:.1f} px",
        f"{it.limited_steps}",
    ]
    return _line(entry.name, cells, name_width)


def _line(name: str, cells: Sequence[str], name_width: int) -> str:
    columns = zip(cells, COLUMNS.values(), strict=True)
    return f"{name:{name_width}}" + "".join(f"{cell:>{width}}" for cell, width in columns)


def _or_dash(value: float, form: str) -> str:
    return f"{value:{form}}" if math.isfinite(value) else "-"


def sentences(comparison: Comparison) -> list[str]:
    """Return the comparison with the best in words, one line per other policy."""
    others = comparison.differences
    if not others:
        return []
    width = max(len(other.name) for other in others)
    best = comparison.entries[comparison.best].name
    return [
        f"return less that of {best} on the same episodes [95 % interval]",
        *(
            f"{other.name:{width}} {other.mean:+7.1f} "
            f"[{other.interval[0]:+.1f}, {other.interval[1]:+.1f}]{_verdict(other)}"
            for other in others
        ),
    ]


def _verdict(difference: Difference) -> str:
    low, high = difference.interval
    return " no clear difference" if low <= 0.0 <= high else ""


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON types; null stands for infinite and unknown."""
    document: dict[str, Any] = finite(
        {
            "policies": [
                {
                    "policy": entry.name,
                    **asdict(entry.summary),
                    "results": [asdict(result) for result in entry.results],
                }
                for entry in comparison.entries
            ],
            "best": comparison.entries[comparison.best].name,
            "differences_to_best": [asdict(other) for other in comparison.differences],
        }
    )
    return document
