"""The published matrix: a record that outlives the runs, and the page made of it."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ur5_rl_bringup.core.report import write_json
from ur5_rl_experiments.core.fault_outcome import matrix_rows
from ur5_rl_experiments.faults.matrix import all_cases

RECORD = Path("docs") / "fault_matrix.json"
PAGE = Path("docs") / "fault_matrix.md"


def publish(root: Path, entries: Sequence[dict[str, Any]]) -> None:
    """Put entries in the place of the published ones of the same faults, in both files.

    A fault that was not injected again keeps what is published of it.

    Args:
        root: Of the checkout.
        entries: Of the report.
    """
    path = root / RECORD
    published = json.loads(path.read_text()) if path.is_file() else []
    by_fault = {entry["fault"]: entry for entry in [*published, *entries]}
    known = [by_fault[c.fault] for c in all_cases() if c.fault in by_fault]
    write_json(path, known)
    (root / PAGE).write_text("\n".join(_page(known)))


def _page(entries: Sequence[dict[str, Any]]) -> list[str]:
    """Return the lines of docs/fault_matrix.md."""
    by_fault = {case.fault: case for case in all_cases()}
    rows = [
        (by_fault[e["fault"]].title, by_fault[e["fault"]].injection, e) for e in entries
    ]
    total = sum(e["runs"] for e in entries)
    passed = sum(e["passed"] for e in entries)
    disturbed = sum(len(e["disturbed"]) for e in entries)
    return [
        "# Fault matrix",
        "",
        f"Written by `./ur5rl faults --write` from {RECORD.name}; do not edit. Each",
        "fault is injected into the real graph on the virtual robot, and into the code",
        "of the commit at the end of its row. Braking, rest and travel are read from the",
        "virtual robot's own joints (125 Hz), not from what the graph says of itself.",
        f"Machine: {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {sys.version.split()[0]}.",
        "",
        f"{passed} of {total} injections passed. Besides them {disturbed} failed while a",
        "sleeping first-in-line process on the same core saw the machine itself stand",
        "still for more than 15 ms, and were repeated; they are listed below.",
        "",
        *matrix_rows(rows),
        "",
        *_not_yet(entries),
        *_further(entries),
    ]


def _not_yet(entries: Sequence[dict[str, Any]]) -> list[str]:
    """Say which faults were injected less often than the matrix asks for."""
    runs = {entry["fault"]: entry["runs"] for entry in entries}
    missing = [
        f"{case.fault} ({runs.get(case.fault, 0)} of {case.runs})"
        for case in all_cases()
        if runs.get(case.fault, 0) < case.runs
    ]
    if not missing:
        return []
    return [f"Injected less often than planned so far: {', '.join(missing)}.", ""]


def _further(entries: Sequence[dict[str, Any]]) -> list[str]:
    lines = ["## Further figures, the largest of all runs", ""]
    for item in entries:
        if item["notes"]:
            notes = ", ".join(
                f"{name} {value:g}" for name, value in item["notes"].items()
            )
            lines.append(f"* {item['fault']}: {notes}")
    for key, title in (("failures", "What failed"), ("disturbed", "What was repeated")):
        texts = [f"* {e['fault']}: {text}" for e in entries for text in e[key]]
        if texts:
            lines += ["", f"## {title}", "", *texts]
    return [*lines, ""]
