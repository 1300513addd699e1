"""`./ur5rl fuzz`: mutated messages and files; `messages` or `files` for one of them."""

import argparse
import importlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ur5_rl_bringup.core.report import write_json

WHAT = {  # module ur5_rl_experiments.fuzz.NAME
    "files": "mutated files into the functions that read them",
    "messages": "mutated messages into running nodes",
}


def main(root: Path, words: Sequence[str]) -> int:
    """Run what the first word names, or both; return the exit code."""
    if words and words[0] in WHAT:
        return _run(words[0], root, words[1:])
    options, unknown = _parser().parse_known_args(words)
    if unknown:
        raise ValueError(
            f"fuzz: unknown {unknown[0]}; known are --number, --seed, --report or, "
            f"as the first word, {', '.join(WHAT)}"
        )
    given = vars(options)
    report = given.pop("report", None)
    return _run_both(root, [f"--{key}={value}" for key, value in given.items()], report)


def _run_both(root: Path, words: Sequence[str], report: Path | None) -> int:
    """Run one after the other, whatever comes of the first; write one report of both."""
    with tempfile.TemporaryDirectory(prefix="ur5rl-fuzz-") as folder:
        paths = {name: Path(folder, name) for name in WHAT}
        code = max(
            _run(name, root, [*words, f"--report={path}"]) for name, path in paths.items()
        )
        if report is not None:
            parts = {name: json.loads(path.read_text()) for name, path in paths.items()}
            write_json(report, parts)
    return code


def _run(name: str, root: Path, words: Sequence[str]) -> int:
    module = importlib.import_module(f"ur5_rl_experiments.fuzz.{name}")
    return int(module.main(root, words))


def _parser() -> argparse.ArgumentParser:
    rows = "\n".join(f"  {name:8} {text}" for name, text in WHAT.items())
    parser = argparse.ArgumentParser(
        "ur5rl fuzz",
        usage="ur5rl fuzz [NAME] [--number N] [--seed N] [--report FILE.json]",
        description=f"Both, or one by its NAME, which has more options:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,  # each has its own
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--number", type=int, metavar="N", help="per topic and per kind of files")
    add("--seed", type=int, metavar="N")
    add("--report", type=Path, metavar="FILE.json")
    return parser
