"""The run's report: plain JSON for other programs, whole at any moment."""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ur5_rl_bringup.core.histogram import Histogram
from ur5_rl_bringup.core.monitor_config import MonitorConfig
from ur5_rl_bringup.core.run_record import ListedEpisode, RunRecord

Json = dict[str, Any]


def report(
    record: RunRecord, config: MonitorConfig, *, wall_s: float, ended_by: str | None
) -> Json:
    """Return the report as JSON types. Without data a number is null, never a guess.

    `mean_return`, its standard error and the minimum are of the episodes that reached
    their time limit; the list holds all (the newest `max_listed_episodes`), each with its
    end. Percentiles come from bins of 0.05 ms (ages: 10 ms).

    Args:
        record: What is known so far.
        config: Names the run.
        wall_s: Time since the monitor started [s].
        ended_by: What ended the run; None while it goes on.
    """
    return {
        "task": config.task,
        "policy": config.policy,
        "seed": config.seed,
        "mode": config.mode,
        "ended_by": ended_by,
        "wall_s": round(wall_s, 3),
        "env_steps": record.total_env_steps,
        "updates": record.updates,
        **_returns(record),
        **_quality(record),
        "transitions": {
            "sent": record.transitions_sent,
            "stored": record.stored.total,
            "lost": record.lost.total,
            "time_steps_sent": record.time_steps_sent.total,
        },
        "learner": _finite(asdict(record.learner)) if record.learner else None,
        "episodes": [_episode(listed) for listed in record.episodes],
    }


def _returns(record: RunRecord) -> Json:
    returns = record.returns
    return {
        "num_episodes": record.num_episodes,
        "num_complete": returns.count,
        "cut_short": dict(record.cut_short),
        "mean_return": _number(returns.mean),
        "standard_error": _number(returns.standard_error),
        "minimum": _number(returns.minimum),
        "mean_return_last_20": _number(record.mean_return_last_20),
    }


def _quality(record: RunRecord) -> Json:
    return {
        "joint_states_hz": _number(record.joint_states_hz.mean),
        "joint_states_hz_minimum": _number(record.joint_states_hz.minimum),
        "images_hz": _number(record.images_hz.mean),
        "reset_s": _number(record.reset_s.mean),
        "missed_actions": record.missed_actions,
        "held_observations": record.held_observations,
        "limited_steps": record.limited_steps,
        "synchronisation_misses": record.synchronisation_misses,
        "env_starts": record.env_starts,
        "cycle_ms": _distribution(record.cycle_ms),
        "lateness_ms": _distribution(record.lateness_ms),
        "learner_wait_ms": _distribution(record.learner_wait_ms),
        "obs_to_command_ms": _distribution(record.observation_to_command_ms),
        "policy_age_s": _distribution(record.policy_age_s),
    }


def _distribution(values: Histogram) -> Json:
    return {
        "mean": _number(values.mean),
        "p50": _number(values.percentile(50)),
        "p99": _number(values.percentile(99)),
        "max": _number(values.maximum if values.count else None),
        "count": values.count,
    }


def _episode(listed: ListedEpisode) -> Json:
    episode = listed.episode
    return {
        "return": _number(episode.return_sum),
        "steps": episode.steps,
        "policy_version": episode.policy_version,
        "end": episode.end,
        "duration_s": _number(episode.duration_s),
        "env_steps": listed.env_steps,
    }


def _number(value: float | None) -> float | None:
    """JSON knows no NaN."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def _finite(values: Json) -> Json:
    """Replace numbers that JSON does not know by null, shorten the others."""
    return {
        name: _number(value) if isinstance(value, float) else value
        for name, value in values.items()
    }


def write_json(path: Path, document: Json) -> None:
    """Write `document` so that a reader sees the old file or the new one, whole.

    Raises:
        OSError: it could not be written; an old file stays as it was.
    """
    with _partial_of(path) as partial:
        _write(partial, document)
        os.replace(partial, path)


def check_writable(path: Path) -> None:
    """Write beside `path` as `write_json` does, and leave it as it was.

    Raises:
        OSError: names `path`; a document could not be written there now.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is no file")
        with _partial_of(path) as partial:
            _write(partial, {})
    except OSError as error:
        raise OSError(f"cannot write {path}: {error}") from error


@contextmanager
def _partial_of(path: Path) -> Iterator[Path]:
    """Yield where to write what shall take the place of `path`; gone at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _write(path: Path, document: Json) -> None:
    with open(path, "w") as file:
        json.dump(document, file, allow_nan=False, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
