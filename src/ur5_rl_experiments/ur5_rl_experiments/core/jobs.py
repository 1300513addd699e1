"""How many runs of a table fit a machine at a time, and where each computes."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sac_learner.core.frame_store import HOST
from sac_learner.core.time_step import COLOURS, STACK_FRAMES
from ur5_rl_experiments.core.thesis import Run
from ur5_rl_experiments.core.virtual_run import RunConfig

PROCESS_BYTES = 10**9  # of a worker beside its frames
USABLE = 0.8  # of the machine's memory
FIRST_FRAMES = 1.01  # of 100 transitions, at least


def runs_here(runs: Iterable[Run], **machine: Any) -> list[Run]:
    """Return the runs with the given `MACHINE` fields of their learners; None: as it is.

    Raises:
        ValueError: a value is refused.
    """
    changes = {name: value for name, value in machine.items() if value is not None}
    return [
        replace(
            run,
            config=replace(run.config, learner=replace(run.config.learner, **changes)),
        )
        for run in runs
    ]


def jobs_for(runs: Sequence[Run], cpus: int, memory_bytes: int) -> int:
    """Return how many of them the cores and the memory of a machine carry at a time."""
    threads = max(1, *(run.config.learner.threads for run in runs))
    largest = max(bytes_of(run.config) for run in runs)
    return max(1, min(cpus // threads, int(USABLE * memory_bytes / largest)))


def bytes_of(config: RunConfig) -> int:
    """Return the host memory that a run takes at its end, about [B]."""
    learner = config.learner
    if learner.replay_device != HOST:
        return PROCESS_BYTES
    steps = config.start_steps + 60.0 * config.minutes / config.period_s
    if config.env_steps:
        steps = min(steps, config.env_steps)
    stored = min(steps, learner.replay_capacity)
    new_frames = min(STACK_FRAMES, config.period_s * config.world().camera.rate_hz)
    frame_bytes = COLOURS * learner.height_px * learner.width_px
    return PROCESS_BYTES + round(FIRST_FRAMES * stored * new_frames * frame_bytes)


def memory_of_machine() -> int:
    """Return its memory [B]."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
