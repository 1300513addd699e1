"""What one injected fault led to, and what a number of them amount to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run of one fault. A quantity that does not apply is None.

    Attributes:
        detector: Who noticed, in a few words.
        detect_ms: From the fault until it was noticed.
        brake_ms: From the fault until the arm began to brake.
        stop_ms: From the fault until all joints rested.
        travel_rad: Of the joint that went farthest in that time.
        travel_m: Of `tool0` in that time.
        recover_s: From the end of the fault until episodes ran again.
        failures: What was not as it must be; empty = passed.
        notes: Further figures, by name.
    """

    detector: str
    detect_ms: float | None = None
    brake_ms: float | None = None
    stop_ms: float | None = None
    travel_rad: float | None = None
    travel_m: float | None = None
    recover_s: float | None = None
    failures: tuple[str, ...] = ()
    notes: dict[str, float] = field(default_factory=dict)


def entry(fault: str, limit: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the report's entry of a fault: its runs taken together."""
    return {
        "fault": fault,
        "runs": len(outcomes),
        "passed": sum(not outcome.failures for outcome in outcomes),
        "detect_ms": _spread([o.detect_ms for o in outcomes]),
        "brake_ms": _spread([o.brake_ms for o in outcomes]),
        "stop_ms": _spread([o.stop_ms for o in outcomes]),
        "travel_rad_max": _largest([o.travel_rad for o in outcomes]),
        "travel_m_max": _largest([o.travel_m for o in outcomes]),
        "recover_s_max": _largest([o.recover_s for o in outcomes]),
        "limit": limit,
        "detectors": sorted({o.detector for o in outcomes}),
        "failures": [failure for o in outcomes for failure in o.failures],
        "notes": _notes(outcomes),
    }


def _given(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _spread(values: Sequence[float | None]) -> dict[str, float] | None:
    given = _given(values)
    if not given:
        return None
    return {"p50": round(float(np.median(given)), 1), "max": round(max(given), 1)}


def _largest(values: Sequence[float | None]) -> float | None:
    given = _given(values)
    return round(max(given), 4) if given else None


def _notes(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the largest of each further figure."""
    names = sorted({name for outcome in outcomes for name in outcome.notes})
    return {
        name: round(max(o.notes[name] for o in outcomes if name in o.notes), 3)
        for name in names
    }


COLUMNS = (
    "fault", "injected", "noticed by", "after (p50, max) [ms]",
    "brakes after [ms]", "rests after [ms]", "travel [rad, m]", "back after [s]",
    "limit", "passed", "commit",
)  # fmt: skip


def matrix_rows(rows: Sequence[tuple[str, str, dict[str, Any]]]) -> list[str]:
    """Return the lines of a table in Markdown.

    Args:
        rows: Title, injection and `entry` of each fault, with the `commit` it ran at.
    """
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    for title, injection, item in rows:
        cells = [
            f"**{item['fault']}** {title}",
            injection,
            "; ".join(item["detectors"]),
            _pair(item["detect_ms"]),
            _pair(item["brake_ms"]),
            _pair(item["stop_ms"]),
            _travel(item),
            _number(item["recover_s_max"], 1),
            item["limit"],
            _verdict(item),
            _short(item["commit"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _verdict(item: dict[str, Any]) -> str:
    text = f"{item['passed']} of {item['runs']}"
    return text if item["passed"] == item["runs"] else f"**{text}**"


def _short(commit: str) -> str:
    """Return a commit as people write it: "1a2b3c4", "1a2b3c4-dirty"."""
    return re.sub(r"\b([0-9a-f]{7})[0-9a-f]{33}\b", r"\1", commit)


def _pair(spread: dict[str, float] | None) -> str:
    return f"{spread['p50']:.0f}, {spread['max']:.0f}" if spread else "-"


def _travel(item: dict[str, Any]) -> str:
    if item["travel_rad_max"] is None:
        return "-"
    metres = item["travel_m_max"]
    text = f"{item['travel_rad_max']:.3f}"
    return text if metres is None else f"{text}, {metres:.3f}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
