"""The policy that a run ends with, on disk as every other checkpoint."""

import dataclasses
from pathlib import Path

from sac_learner.core.checkpoint import RunState, write_checkpoint
from sac_learner.core.parameters import encode_policy, parameters_of
from ur5_rl_experiments.core.virtual_run import VirtualRun


def save_policy(folder: Path, run: VirtualRun, commit: str) -> Path:
    """Write `folder/checkpoints/<updates>` for `./ur5rl eval`; return it.

    It holds what acts and what has learnt, but no replay buffer.

    Raises:
        ValueError: a parameter is not finite.
        OSError: it cannot be written.
    """
    learner = dataclasses.replace(run.config.learner, run_dir=str(folder))
    policy = encode_policy(parameters_of(run.sac.policy), learner.network, version=1)
    state = RunState(
        updates=run.sac.updates,
        env_steps=run.env_steps,
        next_version=2,
        limiter=(run.env_steps, 0.0),
        generator={},
        commit=commit,
        config=dataclasses.asdict(learner),
    )
    return write_checkpoint(folder, state, run.sac.state(), policy)
