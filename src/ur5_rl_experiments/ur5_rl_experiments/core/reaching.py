"""Reaching from scratch in process: the best settings found, and what each is worth.

An ablation takes one improvement over the thesis' SAC back at a time.
"""

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from sac_learner.core.architectures import SEQUENTIAL
from sac_learner.core.config import LearnerConfig
from ur5_rl_experiments.core.costs import Costs
from ur5_rl_experiments.core.thesis import Run
from ur5_rl_experiments.core.virtual_run import RunConfig

SEEDS = 3
ENV_STEPS = 10_000
ABLATION_ENV_STEPS = 5_000
FREE_MINUTES = 600.0  # more than any number of steps here takes

# As config/learner_cpu.yaml, which a test holds to this.
BEST = LearnerConfig(
    height_px=45,
    width_px=80,
    crop_rows=2,
    crop_columns=4,
    strides=(2, 2, 1, 1),
    hidden_size=256,
    batch_size=64,
    n_step=3,
    discount=0.97,
    updates_per_transition=2.0,
    architecture=SEQUENTIAL,
    threads=1,
)
TAKEN_BACK: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "narrow_crop": {"crop_rows": 1, "crop_columns": 1},
        "one_step": {"n_step": 1},
        "ratio_1": {"updates_per_transition": 1.0},
        "target_encoder": {"target_encoder": False},
        "layer_norm": {"critic_layer_norm": True},
        "discount_0.99": {"discount": 0.99},
    }
)


def reach_runs(seeds: int = SEEDS, env_steps: int = ENV_STEPS) -> Iterator[Run]:
    """Yield runs of the best settings without latency, each step with its updates."""
    for seed in range(seeds):
        yield _run("reach/best", BEST, seed, env_steps)


def ablation_runs(
    seeds: int = SEEDS, env_steps: int = ABLATION_ENV_STEPS
) -> Iterator[Run]:
    """Yield runs of the best settings and of each variant of them, seed by seed."""
    for seed in range(seeds):
        yield _run("ablation/best", BEST, seed, env_steps)
        for name, changed in TAKEN_BACK.items():
            learner = replace(BEST, **changed)
            yield _run(f"ablation/{name}", learner, seed, env_steps)


def _run(group: str, learner: LearnerConfig, seed: int, env_steps: int) -> Run:
    config = RunConfig(
        costs=Costs(),
        learner=replace(learner, seed=seed),
        minutes=FREE_MINUTES,
        env_steps=env_steps,
    )
    return Run(group=group, config=config)
