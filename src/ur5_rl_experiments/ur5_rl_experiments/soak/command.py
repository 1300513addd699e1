"""`./ur5rl soak`: hours of the real graph on the virtual robot; does anything grow?

What is measured is appended to soak.jsonl as it comes, so that a soak which is cut short
has a report and a picture of what it saw: Ctrl-C and SIGTERM end it with both, after a
kill -9 `--read FOLDER` makes them. The replay buffer is made small enough to be full
before the warm-up ends, so that what grows afterwards is not the experience gathered.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sac_learner.core.architectures import ARCHITECTURES
from ur5_rl_bringup.core.report import write_json
from ur5_rl_bringup.options import PRESETS, TASKS
from ur5_rl_experiments.bench.graph_run import RunFailedError
from ur5_rl_experiments.core.soak_picture import draw_soak
from ur5_rl_experiments.core.soak_record import read_lines
from ur5_rl_experiments.core.soak_text import table
from ur5_rl_experiments.core.soak_verdict import soak_report
from ur5_rl_experiments.soak.session import (
    RECORD,
    S_PER_H,
    S_PER_MIN,
    Plan,
    soak,
)

REPORT, PICTURE = "report.json", "soak.png"
DEFAULT_WARM_UP_S = 1200.0
WARM_UP_SHARE = 1.0 / 3.0  # of the whole, at most
TRANSITIONS_PER_S = 15.0  # a little less than come: four of five seconds, 25 a second
FULL_AFTER = 0.4  # of the warm-up; its ring of steps has then turned once within it
MIN_CAPACITY = 200  # transitions


def main(root: Path, words: Sequence[str]) -> int:
    """Run the soak, or read one; return 0 if every bar is met."""
    arguments = parser().parse_args(words)
    folder = (arguments.read or arguments.folder or _new_folder(root)).resolve()
    if not arguments.read:
        print(f"soak: {arguments.hours:g} h; {folder}", flush=True)
        try:
            soak(root, folder, plan(arguments))
        except RunFailedError as error:
            print(f"ur5rl: error: {error}", file=sys.stderr)
            return 1
    return _conclude(folder, arguments.report)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="ur5rl soak", description=__doc__)
    add = parser.add_argument
    add("--hours", type=float, default=2.0, metavar="H")
    warm_up_help = "minutes that are not judged; default 20, a third at most"
    add("--warm-up", type=float, metavar="MIN", help=warm_up_help)
    capacity_help = "transitions in the replay buffer; default: full within the warm-up"
    add("--replay-capacity", type=int, metavar="N", help=capacity_help)
    add("--period-s", type=float, default=5.0, help="between two samples")
    add("--line-min", type=float, default=5.0, help="minutes between two lines")
    add("--task", choices=TASKS, default="reaching")
    add("--preset", choices=PRESETS, default="cpu")
    add("--architecture", choices=ARCHITECTURES, help="as of ur5rl sim")
    add("--seed", type=int, default=0)
    add("--params", type=Path, action="append", default=[], metavar="FILE")
    add("--folder", type=Path, help="what is kept; default: runs/DATE_soak")
    add("--read", type=Path, metavar="FOLDER", help="report on a soak that was killed")
    add("--report", type=Path, metavar="FILE.json", help="besides the one in the folder")
    return parser


def plan(arguments: argparse.Namespace) -> Plan:
    """Return what was typed as a plan.

    Raises:
        ValueError: a number does not fit.
    """
    for name in ("hours", "period_s", "line_min"):
        if not getattr(arguments, name) > 0.0:
            option = name.replace("_", "-")
            raise ValueError(f"--{option} must be > 0, got {getattr(arguments, name)}")
    whole_s = arguments.hours * S_PER_H
    warm_up_s = min(DEFAULT_WARM_UP_S, WARM_UP_SHARE * whole_s)
    if arguments.warm_up is not None:
        warm_up_s = arguments.warm_up * S_PER_MIN
    if not 0.0 <= warm_up_s < whole_s:
        raise ValueError(f"--warm-up must be shorter than {whole_s / S_PER_MIN:g} min")
    capacity = arguments.replay_capacity
    if capacity is None:
        expected = round(FULL_AFTER * TRANSITIONS_PER_S * warm_up_s)
        capacity = max(MIN_CAPACITY, expected)
    if capacity < MIN_CAPACITY:
        raise ValueError(f"--replay-capacity must be >= {MIN_CAPACITY}, got {capacity}")
    return Plan(
        hours=arguments.hours,
        warm_up_s=warm_up_s,
        replay_capacity=capacity,
        period_s=arguments.period_s,
        line_s=arguments.line_min * S_PER_MIN,
        words=tuple(_words(arguments)),
    )


def _words(arguments: argparse.Namespace) -> list[str]:
    """Return the options of `ur5rl sim`."""
    words = ["--task", arguments.task, "--preset", arguments.preset]
    words += ["--seed", str(arguments.seed)]
    if arguments.architecture:
        words += ["--architecture", arguments.architecture]
    for path in arguments.params:
        words += ["--params", str(path.resolve())]
    return words


def _new_folder(root: Path) -> Path:
    return root / "runs" / f"{time.strftime('%Y%m%d-%H%M%S')}_soak"


def _conclude(folder: Path, report_path: Path | None) -> int:
    """Judge what a folder holds: print, write, draw; return the exit code."""
    path = folder / RECORD
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    with open(path) as file:
        record = read_lines(file)
    report = soak_report(record)
    print(*table(report), sep="\n", flush=True)
    for target in (folder / REPORT, report_path):
        if target is not None:
            write_json(target, report)
    draw_soak(record, folder / PICTURE)
    print(f"soak: {folder / REPORT}, {folder / PICTURE}")
    return 0 if report["is_met"] else 1
