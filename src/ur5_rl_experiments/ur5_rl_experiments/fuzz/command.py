"""`./ur5rl fuzz`: mutated messages and files; `messages` or `files` for one of them."""

import importlib
from collections.abc import Sequence
from pathlib import Path

WHAT = {  # module ur5_rl_experiments.fuzz.NAME
    "files": "mutated files into the functions that read them",
    "messages": "mutated messages into running nodes",
}


def main(root: Path, words: Sequence[str]) -> int:
    """Run what the first word names, or both; return the exit code."""
    if words[:1] in (["--help"], ["-h"]):
        rows = (f"  {name:8} {text}" for name, text in WHAT.items())
        usage = "usage: ur5rl fuzz, or ur5rl fuzz NAME [--number N] [--report FILE.json]"
        print(usage, *rows, sep="\n")
        return 0
    if words and words[0] in WHAT:
        return _run(words[0], root, words[1:])
    if words:
        raise ValueError(f"fuzz: unknown {words[0]}; known are {', '.join(WHAT)}")
    return max(_run(name, root, ()) for name in WHAT)


def _run(name: str, root: Path, words: Sequence[str]) -> int:
    module = importlib.import_module(f"ur5_rl_experiments.fuzz.{name}")
    return int(module.main(root, words))
