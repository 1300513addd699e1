"""What a checkpoint says about its run: task and action period."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sac_learner.core.checkpoint import STATE
from ur5_rl_env.core.task import ACTION_PERIOD_S

# Beside the checkpoints: written by `./ur5rl sim`, by `./ur5rl experiment`; and where in
# them the task is.
RUN_FILES = (("run.json", "options"), ("result.json", "config"))


@dataclass(frozen=True)
class Origin:
    """Where a policy comes from.

    Attributes:
        task: Motion of the dot that it learnt from; "" = nobody wrote it down.
        action_period_s: Time between two actions [s].
    """

    task: str = ""
    action_period_s: float = ACTION_PERIOD_S


def origin_of(checkpoint: Path) -> Origin:
    """Return what the checkpoint's state and its run's files say.

    Raises:
        ValueError: a file that is there cannot be read, or a value is no number.
    """
    config = _part(checkpoint / STATE, "config")
    run_dir = checkpoint.absolute().parent.parent
    tasks = [config.get("task")]
    for name, part in RUN_FILES:
        if (run_dir / name).is_file():
            tasks.append(_part(run_dir / name, part).get("task"))
    period_s = config.get("action_period_s", ACTION_PERIOD_S)
    if not isinstance(period_s, int | float):
        raise ValueError(f"{checkpoint / STATE}: action_period_s is {period_s!r}")
    return Origin(next((str(task) for task in tasks if task), ""), float(period_s))


def _part(path: Path, name: str) -> Mapping[str, Any]:
    """Return the object of this name in a JSON file."""
    try:
        part = json.loads(path.read_bytes())[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: {type(error).__name__} {error}") from None
    if not isinstance(part, dict):
        raise ValueError(f"{path}: {name} is no object")
    return part
