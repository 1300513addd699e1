"""A run from first step to resume, without ROS."""

import time
from dataclasses import replace

import pytest
import torch

from sac_learner.core.checkpoint import read_policy, replay_dir
from sac_learner.core.config import LearnerConfig
from sac_learner.core.learner import DivergedError, Learner
from sac_learner.core.parameters import decode_policy


@pytest.fixture
def config(tmp_path):
    return LearnerConfig(
        run_dir=str(tmp_path), height_px=32, width_px=40, crop_rows=0, crop_columns=1,
        strides=(2, 2, 1, 1), hidden_size=16, batch_size=8, learning_starts=20,
        replay_capacity=300, updates_per_transition=0.5,
    )  # fmt: skip


def feed(learner, steps, transitions):
    """Offer steps, wait until `transitions` are stored, then take all updates due."""
    for step in steps:
        assert learner.sampler.offer(step)
    deadline = time.monotonic() + 10.0
    while learner.sampler.env_steps < transitions:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    while learner.update_due:
        batch = learner.sampler.take(timeout_s=10.0)
        assert batch is not None
        learner.update(batch)


def test_updates_keep_to_the_ratio_and_a_policy_comes_with_them(
    config, counter_environment
):
    learner = Learner(config)
    steps = counter_environment().steps(62, episode_length=30)  # two episodes
    with learner.sampler:
        feed(learner, steps[:20], transitions=19)
        assert (learner.sac.updates, learner.has_policy) == (0, False)
        assert learner.waiting_for == "1 first transitions"
        feed(learner, steps[20:], transitions=60)
    assert learner.sac.updates == 20
    assert learner.update_to_data_ratio == 0.5
    assert learner.has_policy
    assert learner.waiting_for == "new transitions"
    first, second = learner.next_policy(), learner.next_policy()
    assert (first.version, second.version) == (1, 2)
    decoded = decode_policy(first).state_dict()
    for name, tensor in learner.sac.policy.state_dict().items():
        assert torch.equal(decoded[name], tensor)


def test_a_resumed_run_has_lost_nothing(config, counter_environment):
    environment, learner = counter_environment(), Learner(config)
    with learner.sampler:
        feed(learner, environment.steps(53, episode_length=30), transitions=51)
        path = learner.save()
    again = Learner(replace(config, seed=99))
    assert again.can_resume
    assert again.resume() == []
    assert again.sac.updates == learner.sac.updates == 15
    assert again.sampler.env_steps == again.sampler.buffer_size == 51
    for name, tensor in learner.sac.state().items():
        assert torch.equal(again.sac.state()[name], tensor), name
    assert read_policy(path).version == 1 < again.next_policy().version
    with again.sampler:  # the next step of the same episode makes a transition
        feed(again, environment.steps(1, episode_length=30), transitions=52)
    assert again.sampler.counts.transitions == 1


def test_the_resumed_sampler_draws_what_the_first_would_have(config, counter_environment):
    learner = Learner(config)
    with learner.sampler:
        feed(learner, counter_environment().steps(53), transitions=47)
        learner.save()
    rows = []
    for other_seed in (1, 2):
        again = Learner(replace(config, seed=other_seed))
        again.resume()
        with again.sampler:
            again.sampler.offer(counter_environment(run_id=2).advance())
            rows.append(again.sampler.take(timeout_s=10.0).proprioception.copy())
    assert (rows[0] == rows[1]).all()


def test_versions_never_repeat_after_a_crash(config, counter_environment):
    """Policies that went out after the last checkpoint keep their numbers."""
    learner = Learner(config)
    with learner.sampler:
        feed(learner, counter_environment().steps(25), transitions=22)
        learner.save()
        per_checkpoint = config.checkpoint_period_s / config.publish_period_s
        for _ in range(int(per_checkpoint) + 5):
            newest = learner.next_policy().version
    again = Learner(config)
    again.resume()
    assert again.next_policy().version > newest


def test_each_step_is_written_once_and_old_segments_go(config, counter_environment):
    environment = counter_environment()
    learner = Learner(replace(config, replay_capacity=100, kept_checkpoints=1))
    with learner.sampler:
        for i in range(1, 9):
            feed(learner, environment.steps(31, episode_length=30), transitions=30 * i)
            learner.save()
    names = sorted(path.name for path in replay_dir(learner._run_dir).iterdir())
    assert names == [f"segment_{i:08d}.safetensors" for i in (5, 6, 7, 8)]


def test_a_run_without_saved_replay_gathers_anew(config, counter_environment):
    config = replace(config, save_replay=False)
    environment, learner = counter_environment(), Learner(config)
    with learner.sampler:
        feed(learner, environment.steps(62, episode_length=30), transitions=60)
        learner.save()
    again = Learner(config)
    again.resume()
    assert (again.sampler.env_steps, again.sampler.buffer_size) == (60, 0)
    assert again.has_policy  # the policy acts at once
    with again.sampler:
        for step in environment.steps(10, episode_length=30):
            again.sampler.offer(step)
        assert again.sampler.take(timeout_s=0.05) is None


def test_fault_a_lost_segment_is_named_and_the_rest_is_used(config, counter_environment):
    environment, learner = counter_environment(), Learner(config)
    with learner.sampler:
        for i in (1, 2):
            feed(learner, environment.steps(31, episode_length=30), transitions=30 * i)
            learner.save()
    (replay_dir(learner._run_dir) / "segment_00000001.safetensors").unlink()
    again = Learner(config)
    (problem,) = again.resume()
    assert "segment_00000001" in problem
    assert again.sampler.buffer_size == 30


def test_fault_nothing_to_resume(config):
    learner = Learner(config)
    assert not learner.can_resume
    with pytest.raises(ValueError, match="no whole checkpoint"):
        learner.resume()


def test_fault_a_diverged_run_is_neither_published_nor_saved(config, counter_environment):
    learner = Learner(config)
    with learner.sampler:
        feed(learner, counter_environment().steps(25), transitions=22)
        learner.save()
        with torch.no_grad():
            learner.sac.policy.actor.layers[0].weight[0, 0] = torch.nan
        for attempt in (learner.next_policy, learner.save):
            with pytest.raises(
                DivergedError, match="actor.layers.0.weight is non-finite"
            ):
                attempt()
    assert Learner(config).can_resume
    assert Learner(config).resume() == []
