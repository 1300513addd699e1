"""`./ur5rl fuzz files`: damaged files into the functions that read them.

Allowed is a refusal in one line that names the file, or what was written, bit by bit.
Where no checksum guards a file, or a forger has made it fit, another valid value may be
read. Not allowed: any other exception, a hang, a gigabyte, or code that is executed.
"""

import argparse
import json
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ur5_rl_bringup.core.report import write_json
from ur5_rl_experiments.fuzz.verdicts import Tally, Trial, Verdict, text

KIND_NAMES = (
    "manifest", "state", "training", "policy", "versions", "segment", "parameters",
    "shared_array",
)  # fmt: skip
WORKER = ("-m", "ur5_rl_experiments.fuzz.file_trials")
HANG_S = 10.0
START_S = 120.0


def main(root: Path, words: Sequence[str]) -> int:  # noqa: ARG001  as every command
    """Fuzz the kinds that are asked for; return 1 if a bar is missed."""
    options = _parser().parse_args(words)
    if options.number < 1:
        raise ValueError(f"--number must be at least 1, got {options.number}")
    tallies = []
    for kind in options.kinds:
        tallies.append(tally(kind, options.number, options.seed))
        print(text(tallies[-1:]), flush=True)
    is_good = not any(tally.failures for tally in tallies)
    if options.report:
        rows = [tally.as_dict() for tally in tallies]
        head = {"seed": options.seed, "number": options.number, "is_good": is_good}
        write_json(options.report, head | {"kinds": rows})
    print("fuzz files:", "no failure" if is_good else "FAILED")
    return 0 if is_good else 1


def tally(kind: str, count: int, seed: int) -> Tally:
    """Read so many damaged files of a kind, in as many processes as that takes.

    Raises:
        RuntimeError: a process ends before its first trial; says by what.
    """
    found, first = Tally(kind), 0
    while first < count:
        with tempfile.TemporaryDirectory(prefix="ur5rl-fuzz-") as folder:
            for trial in _trials(kind, seed, first, count, Path(folder)):
                found.add(trial)
                first = trial.index + 1
    return found


def _trials(kind: str, seed: int, first: int, last: int, folder: Path) -> Iterator[Trial]:
    """Yield the trials of one process; the last one failed if it ends early."""
    words = [sys.executable, *WORKER, kind, str(seed), str(first), str(last), str(folder)]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
    begun: dict[str, Any] = {}
    try:
        for line in _lines(process):
            begun = json.loads(line)
            if "verdict" in begun:
                verdict = Verdict(begun["verdict"])
                yield Trial(begun["index"], begun["damage"], verdict, begun["why"])
    finally:
        is_hanging = process.poll() is None
        process.kill()
        process.wait()
    if not begun:
        raise RuntimeError(f"no trial of {kind}: {(folder / 'log').read_text()[-1000:]}")
    if "verdict" not in begun:
        why = f"{process.returncode}: {(folder / 'log').read_text()[-300:]}"
        verdict = Verdict.HANG if is_hanging else Verdict.CRASH
        yield Trial(begun["index"], begun["damage"], verdict, why)


def _lines(process: "subprocess.Popen[str]") -> Iterator[str]:
    """Yield what a process prints until it has ended, or is silent for too long."""
    assert process.stdout is not None  # noqa: S101  it was asked for
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        timeout_s = START_S
        while selector.select(timeout_s):
            line = process.stdout.readline()
            if not line:
                process.wait()
                return
            timeout_s = HANG_S
            yield line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ur5rl fuzz files", description=__doc__)
    add = parser.add_argument
    add("--number", type=int, default=1000, help="damaged files of each kind")
    add("--kinds", nargs="+", default=list(KIND_NAMES), choices=KIND_NAMES)
    add("--seed", type=int, default=0)
    add("--report", type=Path, metavar="FILE.json")
    return parser
