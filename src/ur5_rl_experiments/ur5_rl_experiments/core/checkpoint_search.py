"""Which checkpoints a folder stands for."""

from pathlib import Path

from sac_learner.core.checkpoint import (
    MANIFEST,
    checkpoint_paths,
    checkpoints_dir,
    newest_checkpoint,
)


def checkpoints_in(path: Path) -> list[Path]:
    """Return what a folder stands for, one or more paths that may be checkpoints.

    A checkpoint stands for itself, `run_dir/checkpoints` for all in it, a run for its
    newest whole one, and a folder of runs for the newest of each. A broken run in a
    folder of runs stands for itself, so that reading it says what is wrong.

    Raises:
        ValueError: there is no such folder, or nothing of this kind in it.
    """
    if not path.is_dir():
        raise ValueError(f"checkpoint {path}: there is no such folder")
    if (path / MANIFEST).exists():
        return [path]
    if checkpoints_dir(path).is_dir():
        return [newest_checkpoint(path)[0].path]
    if path.name == checkpoints_dir(path).name:
        found = checkpoint_paths(path.parent)
    else:
        runs = sorted(p for p in path.iterdir() if checkpoints_dir(p).is_dir())
        found = [_newest(run) for run in runs]
    if not found:
        raise ValueError(
            f"checkpoint {path}: no {MANIFEST}, no checkpoints and no runs in this folder"
        )
    return found


def _newest(run: Path) -> Path:
    try:
        return newest_checkpoint(run)[0].path
    except ValueError:
        return run
