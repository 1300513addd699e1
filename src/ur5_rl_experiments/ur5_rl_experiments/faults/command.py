"""`./ur5rl faults`: inject every fault into the real graph; say what the arm did.

Each fault is injected as often as the matrix asks for; what came of it is kept, so that
the table can be made in several sittings. Motion is read from the virtual robot.
"""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ur5_rl_bringup.core.report import write_json
from ur5_rl_experiments.core.fault_outcome import matrix_rows
from ur5_rl_experiments.faults.case import Case
from ur5_rl_experiments.faults.matrix import Harness, all_cases, kept_entries, missing

PAGE = Path("docs") / "fault_matrix.md"


def main(root: Path, words: Sequence[str]) -> int:
    """Run the command; return 0 if every injection passed."""
    arguments = _parser().parse_args(words)
    cases = _chosen(arguments)
    if arguments.list:
        for case in cases:
            print(f"{case.fault:5} {case.runs:3} x  {case.title}: {case.injection}")
        return 0
    folder = arguments.folder or root / "runs" / "faults"
    if not arguments.write_only:
        for case in cases:
            if lacks := missing(case):
                raise ValueError(f"{case.fault} needs {', '.join(lacks)}")
        runs = arguments.runs or (1 if arguments.quick else None)
        failed = _inject(Harness(root, folder, arguments.seed), cases, runs)
    else:
        failed = 0
    entries = kept_entries(folder)
    if arguments.report:
        write_json(Path(arguments.report), entries)
    if arguments.write or arguments.write_only:
        (root / PAGE).write_text("\n".join(page(entries)))
        print(f"faults: wrote {PAGE}")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ur5rl faults", description=__doc__)
    add = parser.add_argument
    add("--only", nargs="+", default=[], metavar="F1", help="these faults")
    add("--quick", action="store_true", help="the fast subset, once each")
    add("--runs", type=int, help="injections of each fault")
    add("--seed", type=int, default=0)
    add("--list", action="store_true", help="say what would be injected")
    add("--folder", type=Path, help="where results are kept; default runs/faults")
    add("--report", default="", metavar="FILE.json")
    add("--write", action="store_true", help=f"write {PAGE} afterwards")
    add("--write-only", action="store_true", help=f"write {PAGE} from what is kept")
    return parser


def _chosen(arguments: argparse.Namespace) -> list[Case]:
    cases = all_cases()
    known = {case.fault for case in cases}
    if unknown := set(arguments.only) - known:
        raise ValueError(f"--only: unknown {sorted(unknown)}; known are {sorted(known)}")
    if arguments.only:
        return [case for case in cases if case.fault in arguments.only]
    return [case for case in cases if case.is_quick or not arguments.quick]


def _inject(harness: Harness, cases: Sequence[Case], runs: int | None) -> int:
    """Inject each so often, None = as the matrix asks; return how many failed once."""
    failed = 0
    for result in harness.run(cases, runs):
        item = result.entry()
        failed += item["passed"] != item["runs"]
        repeated = len(result.disturbed)
        disturbed = f", {repeated} repeated" if repeated else ""
        print(
            f"faults: {result.case.fault} {result.case.title}: "
            f"{item['passed']} of {item['runs']} passed{disturbed}",
            flush=True,
        )
    return failed


def page(entries: Sequence[dict[str, Any]]) -> list[str]:
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
        "Written by `./ur5rl faults --write`; do not edit. Each fault is injected into",
        "the real graph on the virtual robot. Braking, rest and travel are read from the",
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
