"""A table of runs as an array job of a cluster: one command each, with `--only`."""

import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


def submit(
    root: Path,
    words: Sequence[str],
    *,
    count: int,
    paths: Mapping[str, Path | None],
    sbatch_options: str,
) -> int:
    """Submit an array job of `count` runs; return the exit code of sbatch.

    Args:
        root: Top folder of the checkout; the job begins in it.
        words: What was typed after `experiment`.
        count: Runs of the table.
        paths: What was typed for each option that is a path. They are given again, whole:
            later words win, and those that were typed may hold in this folder alone.
        sbatch_options: For sbatch, as a shell reads them.

    Raises:
        ValueError: there is no sbatch.
    """
    if shutil.which("sbatch") is None:
        raise ValueError("slurm: there is no sbatch on this machine")
    kept = [*_without_slurm(words), "--jobs", "1"]
    for option, path in paths.items():
        kept += [option, str(path.resolve())] if path else []
    command = shlex.join([str(root.resolve() / "ur5rl"), "experiment", *kept])
    script = f"{command} --only $SLURM_ARRAY_TASK_ID"
    array = f"--array=0-{count - 1}"
    submission = ["sbatch", array, *shlex.split(sbatch_options), "--wrap", script]
    return subprocess.run(submission, cwd=root, check=False).returncode


def _without_slurm(words: Sequence[str]) -> Iterator[str]:
    remaining = iter(words)
    for word in remaining:
        if word == "--slurm":
            next(remaining)  # its value
        elif not word.startswith("--slurm="):
            yield word
