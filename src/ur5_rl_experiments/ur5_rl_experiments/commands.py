"""The commands of this package, by the words that are typed after `./ur5rl`."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

BENCHES = {  # name: what it measures; module ur5_rl_experiments.bench.NAME
    "learner": "ms per update and per sampled batch, against the published structure",
    "timing": "the components of thesis table 5.2",
    "cycle": "lateness and latency of the action cycle while the learner works",
    "resume": "kill -9 of the learner at random instants, and what is left",
    "env": "steps per second of the in-process environment",
    "limits": "adversarial policies against the limits of a virtual arm",
}

MODULES = {  # command: module of this package
    "experiment": "experiment",
    "eval": "eval",
    "faults": "faults.command",
    "fuzz": "fuzz.command",
    "soak": "soak.command",
}


def main(root: Path, words: Sequence[str]) -> int:
    """Run one of `MODULES`, or `bench NAME ...`; return the exit code."""
    command, *rest = words
    if command != "bench":
        name = MODULES[command]
    else:
        if not rest or rest[0] not in BENCHES:
            rows = (f"  {name:8} {text}" for name, text in BENCHES.items())
            print("usage: ur5rl bench NAME [--report FILE.json]", *rows, sep="\n")
            return 0 if rest[:1] in ([], ["--help"], ["-h"]) else 2
        name, *rest = f"bench.{rest[0]}", *rest[1:]
    module = importlib.import_module(f"ur5_rl_experiments.{name}")
    try:
        return int(module.main(root, rest))
    except ValueError as error:
        print(f"ur5rl: error: {error}", file=sys.stderr)
        return 2
