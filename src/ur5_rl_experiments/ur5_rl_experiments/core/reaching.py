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
ENV_STEPS = MappingProxyType(  # of a run; 25 000 are 500 episodes of 4 s
    {"reach": 25_000, "ablation": 4_000}
)
FREE_MINUTES = 600.0  # more than any number of steps here takes

# What config/learner_cpu.yaml sets, at an action period of 80 ms: the same discount and
# the same start in seconds, each step with its updates.
BEST = LearnerConfig(
    height_px=36,
    width_px=64,
    crop_rows=2,
    crop_columns=3,
    strides=(2, 2, 1),
    hidden_size=256,
    batch_size=128,
    critic_layer_norm=True,
    action_period_s=0.08,
    discount=0.97,
    discount_period_s=0.04,
    n_step=2,
    initial_temperature=0.04,
    temperature_learning_rate=3e-4,
    target_entropy=-2.5,
    learning_starts=500,
    updates_per_transition=1.0,
    architecture=SEQUENTIAL,
    threads=1,
)
TAKEN_BACK: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "narrow_crop": {"crop_rows": 0, "crop_columns": 1},
        "no_layer_norm": {"critic_layer_norm": False},
        "one_step": {"n_step": 1},
        "ratio_2": {"updates_per_transition": 2.0},
        "no_target_encoder": {"target_encoder": False},
        "thesis_temperature": {
            "initial_temperature": 0.1,
            "temperature_learning_rate": 1e-4,
        },
        "thesis_target_entropy": {"target_entropy": -5.0},
        "four_convolutions": {"strides": (2, 2, 1, 1)},
        "cycle_40_ms": {
            "action_period_s": 0.04,
            "n_step": 4,
            "learning_starts": 1000,
            "updates_per_transition": 0.5,
        },
    }
)


def reach_runs(seeds: int = SEEDS, env_steps: int = ENV_STEPS["reach"]) -> Iterator[Run]:
    """Yield runs of the best settings without latency, each step with its updates."""
    for seed in range(seeds):
        yield _run("reach/best", BEST, seed, env_steps)


def ablation_runs(
    seeds: int = SEEDS, env_steps: int = ENV_STEPS["ablation"]
) -> Iterator[Run]:
    """Yield runs of the best settings and of each variant of them, seed by seed.

    All see the same time: `env_steps` of 80 ms, or twice as many of 40 ms.
    """
    for seed in range(seeds):
        for name, changed in {"best": {}, **TAKEN_BACK}.items():
            learner = replace(BEST, **changed)
            steps = round(env_steps * BEST.action_period_s / learner.action_period_s)
            yield _run(f"ablation/{name}", learner, seed, steps)


def ablation_pairs() -> Iterator[tuple[str, str]]:
    """Yield the groups to compare: the best settings with each variant of them."""
    for name in TAKEN_BACK:
        yield "ablation/best", f"ablation/{name}"


def _run(group: str, learner: LearnerConfig, seed: int, env_steps: int) -> Run:
    config = RunConfig(
        costs=Costs(),
        learner=replace(learner, seed=seed),
        minutes=FREE_MINUTES,
        env_steps=env_steps,
    )
    return Run(group=group, config=config)
