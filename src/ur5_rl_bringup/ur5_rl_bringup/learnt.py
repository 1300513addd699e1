"""Where a policy learnt, by the files beside it. Loads no torch."""

import json
from pathlib import Path

from sac_learner.core.bounded_file import in_one_line, read_bounded

STATE = "state.json"  # of a checkpoint, see sac_learner.core.checkpoint
DESCRIPTION = "run.json"  # of a run, see resolved.py
MAX_BYTES = 1_000_000


def learnt_period_ms(checkpoint: Path) -> float:
    """Return the time between two actions where a policy learnt [ms]; 0 = unknown.

    Args:
        checkpoint: One checkpoint, or a run's folder: then its newest.

    Raises:
        ValueError: its state cannot be read; names it.
    """
    states = [path for path in [checkpoint / STATE] if path.exists()]
    states = states or sorted(checkpoint.glob(f"checkpoints/[0-9]*/{STATE}"), key=_age)
    if not states:
        return 0.0
    path = states[-1]
    try:
        config = json.loads(read_bounded(path, MAX_BYTES))["config"]
        return round(1e3 * float(config.get("action_period_s", 0.0)), 6)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"checkpoint: {path}: {in_one_line(error)}") from None


def learnt_task(checkpoint: Path) -> str:
    """Return the task that a policy learnt; "" = its run does not say it.

    Args:
        checkpoint: One checkpoint, or a run's folder.
    """
    for folder in (checkpoint, checkpoint.absolute().parent.parent):
        try:
            options = json.loads(read_bounded(folder / DESCRIPTION, MAX_BYTES))["options"]
            return str(options["task"])
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return ""


def has_learnt(run_dir: Path) -> bool:
    """Whether a run holds a checkpoint of a policy, which its learner sends at once."""
    paths = run_dir.glob("checkpoints/[0-9]*")
    updates = (path.name.partition("-")[0] for path in paths)
    return any(number.isdigit() and int(number) > 0 for number in updates)


def _age(state: Path) -> tuple[int, int]:
    """Return updates, and the number among checkpoints of the same update."""
    updates, _, number = state.parent.name.partition("-")
    return int(updates), int(number or 0)
