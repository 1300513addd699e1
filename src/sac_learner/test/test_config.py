import math
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from sac_learner.core.architectures import ARCHITECTURES
from sac_learner.core.config import LearnerConfig
from ur5_rl_ros.params import config_from_values, values_for_node

CONFIG_DIR = Path(__file__).parents[3] / "config"


def load(name):
    values = values_for_node(CONFIG_DIR / name, "learner_node")
    return config_from_values(LearnerConfig, values, where=name)


def test_the_defaults_are_table_5_3_and_so_is_the_thesis_preset():
    assert load("learner_thesis.yaml") == LearnerConfig()
    config = LearnerConfig()
    rates = (config.actor_learning_rate, config.critic_learning_rate,
             config.encoder_learning_rate, config.temperature_learning_rate)  # fmt: skip
    assert rates == (3e-4, 3e-4, 1e-3, 1e-4)
    assert (config.batch_size, config.discount, config.replay_capacity) == (
        128,
        0.99,
        10**5,
    )
    assert (config.actor_update_period, config.target_update_period) == (2, 2)
    assert (config.critic_target_ratio, config.encoder_target_ratio) == (0.01, 0.05)
    assert (config.initial_temperature, config.learning_starts) == (0.1, 1000)
    assert config.network.cropped == (88, 156)


@pytest.mark.parametrize("preset", ["learner_cpu.yaml", "learner_thesis.yaml"])
def test_a_preset_gives_every_node_the_same_image(preset):
    config = load(preset)
    nodes = yaml.safe_load((CONFIG_DIR / preset).read_text())
    for node in ("/**/env_node", "/**/actor_node"):
        size = nodes[node]["ros__parameters"]
        wanted = (config.height_px, config.width_px)
        assert (size["height_px"], size["width_px"]) == wanted


def test_the_small_preset_fits_one_thread():
    config = load("learner_cpu.yaml")
    assert config.threads == 1
    assert (config.height_px, config.width_px, config.batch_size) == (36, 64, 128)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 0), ("n_step", 0), ("learning_starts", -1), ("seed", -1),
        ("discount", 0.0), ("discount", 1.01), ("discount", math.nan),
        ("actor_learning_rate", 0.0), ("actor_learning_rate", math.inf),
        ("critic_target_ratio", 2.0), ("updates_per_transition", -1.0),
        ("replay_capacity", 999), ("publish_period_s", 0.0), ("kept_checkpoints", 0),
        ("precision", "fp16"), ("height_px", 5), ("run_dir", ""), ("device", "gpu"),
        ("target_entropy", math.nan), ("strides", (2, 2, 5)), ("architecture", "async"),
        ("architecture", "async_3"), ("updates_per_transition", math.nan),
        ("action_period_s", 0.0), ("discount_period_s", -0.04),
    ],
)  # fmt: skip
def test_fault_a_bad_value_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        LearnerConfig(**{field: value})


@pytest.mark.parametrize(
    "name", [f.name for f in fields(LearnerConfig) if f.type in (int, float)]
)
def test_fault_each_number_is_checked_by_name(name):
    with pytest.raises(ValueError, match=name):
        LearnerConfig(**{name: math.nan})


def test_fault_a_free_running_sequential_learner_is_refused_by_name():
    with pytest.raises(ValueError, match="updates_per_transition must be > 0"):
        LearnerConfig(architecture="sequential", updates_per_transition=0.0)


def test_only_async_2_prepares_batches_ahead():
    ahead = {a: LearnerConfig(architecture=a).batches_ahead for a in ARCHITECTURES}
    assert ahead == {"sequential": 0, "async_1": 0, "async_2": 2}


@pytest.mark.parametrize("period_s", [0.04, 0.08, 0.12, 0.2])
def test_a_discount_per_time_looks_equally_far_ahead_at_every_cycle(period_s):
    config = LearnerConfig(action_period_s=period_s, discount_period_s=0.04)
    assert config.cycle_discount ** (2.0 / period_s) == pytest.approx(0.99**50)
    per_cycle = LearnerConfig(action_period_s=period_s)
    assert per_cycle.cycle_discount == 0.99  # the thesis': whatever the cycle


def test_fault_a_replay_device_that_does_not_exist_is_refused():
    assert LearnerConfig(replay_device="cuda:1").replay_device == "cuda:1"
    with pytest.raises(ValueError, match="replay_device must be one of"):
        LearnerConfig(replay_device="disk")
