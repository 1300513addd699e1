"""`./ur5rl faults`: inject every fault into the real graph; say what the arm did.

Each fault is injected as often as the matrix asks for; what came of it is kept, so that
the table can be made in several sittings. Motion is read from the virtual robot.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ur5_rl_bringup.core.report import write_json
from ur5_rl_experiments.faults.case import Case
from ur5_rl_experiments.faults.matrix import Harness, all_cases, kept_entries, missing
from ur5_rl_experiments.faults.published import PAGE, publish


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
        publish(root, entries)
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
    add("--write", action="store_true", help=f"bring {PAGE} up to date afterwards")
    add("--write-only", action="store_true", help=f"bring {PAGE} up to date, only that")
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
