"""The best settings are those that the graph starts with on a small machine."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from sac_learner.core.config import LearnerConfig
from ur5_rl_experiments.core.reaching import BEST, TAKEN_BACK, ablation_runs, reach_runs

CONFIG = Path(__file__).parents[3] / "config" / "learner_cpu.yaml"
# In process a cycle takes 80 ms, and each step has its updates in line.
BY_CYCLE = {"action_period_s", "n_step", "learning_starts", "architecture"}


def test_the_best_settings_are_the_cpu_preset_at_another_cycle():
    document = yaml.safe_load(CONFIG.read_text())
    given = document["/**/learner_node"]["ros__parameters"]
    preset = LearnerConfig(**given | {"strides": tuple(given["strides"])})
    different = {
        field.name
        for field in fields(LearnerConfig)
        if getattr(preset, field.name) != getattr(BEST, field.name)
    }
    assert different <= BY_CYCLE
    assert preset.learning_starts * preset.action_period_s == pytest.approx(
        BEST.learning_starts * BEST.action_period_s
    )
    assert preset.cycle_discount**2 == pytest.approx(BEST.cycle_discount)


def test_an_ablation_takes_back_one_thing_at_a_time():
    best, *variants = ablation_runs(seeds=1)
    names = [run.group for run in (best, *variants)]
    assert names == ["ablation/best", *(f"ablation/{name}" for name in TAKEN_BACK)]
    assert best.config.learner == BEST
    for run, changed in zip(variants, TAKEN_BACK.values(), strict=True):
        learner = run.config.learner
        different = {n for n, v in vars(learner).items() if v != getattr(BEST, n)}
        assert different == changed.keys()


def test_every_run_of_an_ablation_sees_the_same_time():
    times_s = {
        run.config.env_steps * run.config.learner.action_period_s
        for run in ablation_runs(seeds=1, env_steps=1000)
    }
    assert times_s == {80.0}


def test_seeds_are_the_only_difference_between_runs_of_a_group():
    first, second = reach_runs(seeds=2)
    assert (first.config.learner.seed, second.config.learner.seed) == (0, 1)
    assert first.group == second.group
