"""A run from first step to resume, without ROS."""

import errno
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sac_learner.core import replay_log, run_writer, version_reserve
from sac_learner.core.checkpoint import (
    checkpoint_paths,
    checkpoints_dir,
    newest_checkpoint,
    read_policy,
    replay_dir,
)
from sac_learner.core.config import LearnerConfig
from sac_learner.core.learner import DivergedError, Learner
from sac_learner.core.parameters import decode_policy
from sac_learner.core.run_lock import RunLock
from sac_learner.core.segment_file import segment_path, segment_paths
from sac_learner.core.version_reserve import VersionReserve


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


def wait_until(condition, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "condition never held"
        time.sleep(0.001)


def test_updates_keep_to_the_ratio_and_a_policy_comes_with_them(
    config, counter_environment
):
    learner = Learner(config)
    steps = counter_environment().steps(62, episode_length=30)  # two episodes
    with learner:
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
    with learner:
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
    with again:  # the next step of the same episode makes a transition
        feed(again, environment.steps(1, episode_length=30), transitions=52)
    assert again.sampler.counts.transitions == 1


def take_updates(learner, count):
    for _ in range(count):
        batch = learner.sampler.take(timeout_s=10.0)
        learner.update(batch)


@pytest.mark.parametrize("architecture", ["sequential", "async_1", "async_2"])
def test_save_load_continue_is_bit_for_bit_the_run_that_was_not_stopped(
    config, counter_environment, tmp_path, architecture
):
    """60 updates in one go, and 23, a kill, and 37 more by another learner."""
    config = replace(config, architecture=architecture, precision="fp32")
    steps = counter_environment().steps(90, episode_length=30)

    def begin(directory):
        learner = Learner(replace(config, run_dir=str(tmp_path / directory)))
        # All steps are stored before the first batch is drawn: what is drawn in a run
        # depends on when steps arrive.
        for step in steps:
            learner._buffer.add(step)
            learner._writer.append(step, learner._buffer.transitions_added)
        learner.sampler.go_on_after({1: 90}, learner.durable)
        learner.sampler.offer(steps[-1])  # a duplicate, so that it begins to draw
        return learner

    straight, stopped = begin("straight"), begin("stopped")
    with straight:
        take_updates(straight, 60)
    with stopped:
        take_updates(stopped, 23)
        stopped.save()
        take_updates(stopped, 9)  # lost by the kill
    again = Learner(replace(config, run_dir=str(tmp_path / "stopped"), seed=99))
    assert again.resume() == []
    assert again.sac.updates == 23
    with again:
        again.sampler.offer(steps[-1])
        take_updates(again, 37)
    assert again.sac.updates == straight.sac.updates == 60
    expected, found = straight.sac.state(), again.sac.state()
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    left, right = straight._generator.bit_generator, again._generator.bit_generator
    assert left.state == right.state


def test_versions_never_repeat_however_often_it_is_killed(config, monkeypatch):
    """Also where no checkpoint came between, and where there is none at all."""
    monkeypatch.setattr(version_reserve, "BLOCK", 10)
    newest = 0
    for life in range(5):
        learner = Learner(config)
        assert learner.can_resume == (life > 0)  # the versions alone are to be resumed
        if life:
            learner.resume()
        with learner:
            versions = [learner.next_policy().version for _ in range(25)]
            if life == 2:
                learner.save()
        assert versions[0] > newest
        newest = versions[-1]
    for damage in ("{", "[]", '{"bound": 1e999}', '{"bound": 4294967295}'):
        (Path(config.run_dir) / "versions.json").write_text(damage)
        learner = Learner(config)
        assert [p for p in learner.resume() if "versions.json" in p]
        assert learner.version >= 2 * 25  # from what the checkpoint knew


def test_fault_versions_that_could_not_be_reserved_are_once_the_disk_takes_them(
    tmp_path,
):
    run_dir = tmp_path / "run"
    run_dir.write_text("in the directory's place")
    versions = VersionReserve(run_dir)
    assert [versions.next() for _ in range(3)] == [1, 2, 3]
    assert versions.unused == 4  # what a checkpoint would begin at
    run_dir.unlink()
    assert versions.next() == 4
    again = VersionReserve(run_dir)
    assert again.resume(at_least=0) == []
    assert again.next() > 4


def test_a_resumed_policy_may_act_before_the_replay_is_read(config, counter_environment):
    with Learner(config) as learner:
        feed(learner, counter_environment().steps(40, episode_length=9), 30)
        learner.save()
        updates = learner.sac.updates
    again, told = Learner(config), []

    def on_policy():
        told.append((again.has_policy, again.next_policy().update_step, len(told)))
        assert again.sampler.buffer_size == 0

    again.resume(on_policy=on_policy)
    assert told == [(True, updates, 0)]
    assert again.sampler.buffer_size > 0


def test_nothing_learnt_is_no_reason_for_another_checkpoint(config, counter_environment):
    with Learner(config) as learner:
        feed(learner, counter_environment().steps(40, episode_length=9), 30)
        for _ in range(3):
            assert learner.begin_save()
            wait_until(learner._saving.done)
        assert len(checkpoint_paths(Path(config.run_dir))) == 1
        before = learner.sampler.env_steps
        feed(
            learner, counter_environment(run_id=2).steps(10, episode_length=9), before + 8
        )
        assert learner.begin_save()
        wait_until(learner._saving.done)
    assert len(checkpoint_paths(Path(config.run_dir))) == 2


def test_fault_a_replay_that_ends_before_the_checkpoint_is_told(
    config, counter_environment
):
    """A file cut at the end of a record is whole; the checkpoint knows better."""
    learner = Learner(config)
    with learner:
        feed(learner, counter_environment().steps(31, episode_length=30), transitions=30)
        learner.save()
    (path,) = segment_paths(replay_dir(Path(config.run_dir)))
    path.unlink()
    (problem,) = Learner(config).resume()
    assert "ends at transition 0, the checkpoint was written at 30" in problem


def test_time_steps_outlive_a_kill_before_the_first_checkpoint(
    config, counter_environment
):
    environment, learner = counter_environment(), Learner(config)
    with learner:
        feed(learner, environment.steps(31, episode_length=30), transitions=30)
        wait_until(lambda: learner.durable.sequence == 31)
    again = Learner(config)
    assert again.can_resume
    (problem,) = again.resume()
    assert "no checkpoint" in problem and "new networks" in problem
    assert (again.sampler.env_steps, again.sampler.buffer_size) == (30, 30)
    assert again.sac.updates == 0
    assert again.durable == learner.durable


def test_time_steps_after_the_checkpoint_come_back_and_pay_for_updates(
    config, counter_environment
):
    environment, learner = counter_environment(), Learner(config)
    with learner:
        feed(learner, environment.steps(31, episode_length=30), transitions=30)
        learner.save()
        updates, state = learner.sac.updates, learner.sac.state()
        feed(learner, environment.steps(31, episode_length=30), transitions=60)
        wait_until(lambda: learner.durable.sequence == 62)
    assert (updates, learner.sac.updates) == (5, 20)
    again = Learner(config)
    assert again.resume() == []
    assert (again.sac.updates, again.sampler.env_steps) == (5, 60)
    for name, tensor in state.items():
        assert torch.equal(again.sac.state()[name], tensor), name
    with again:
        for step in environment.sent.values():  # as DDS would: all of them again
            again.sampler.offer(step)
        feed(again, environment.steps(1), transitions=60)
        wait_until(lambda: again.sampler.handled.sequence == 63)
    assert again.sac.updates == 20
    assert (again.sampler.counts.transitions, again.sampler.env_steps) == (0, 60)
    assert again.sampler.counts.refused == 62


def test_old_time_steps_go_and_the_rest_is_never_rewritten(
    config, counter_environment, monkeypatch
):
    monkeypatch.setattr(replay_log, "SEGMENT_BYTES", 1)
    environment = counter_environment()
    learner = Learner(replace(config, replay_capacity=100, kept_checkpoints=1))
    with learner:
        for i in range(1, 9):
            feed(learner, environment.steps(31, episode_length=30), transitions=30 * i)
            learner.save()
    names = [path.name for path in segment_paths(replay_dir(learner._run_dir))]
    assert 4 <= len(names) <= 10
    assert names[0] != "segment_00000001.steps"
    assert len(checkpoint_paths(learner._run_dir)) == 1
    again = Learner(replace(config, replay_capacity=100))
    assert again.resume() == []
    assert (again.sampler.env_steps, again.sampler.buffer_size) == (240, 100)


def test_a_checkpoint_is_written_while_learning_goes_on(
    config, counter_environment, monkeypatch
):
    may_write, write = threading.Event(), run_writer.write_checkpoint

    def slow_disk(*arguments):
        assert may_write.wait(10.0)
        return write(*arguments)

    monkeypatch.setattr(run_writer, "write_checkpoint", slow_disk)
    environment, learner = counter_environment(), Learner(config)
    with learner:
        feed(learner, environment.steps(53, episode_length=60), transitions=52)
        assert learner.begin_save()
        updates, state = learner.sac.updates, learner.sac.state()
        feed(learner, environment.steps(7, episode_length=60), transitions=59)
        assert learner.sac.updates > updates
        assert not learner.begin_save()  # one at a time
        may_write.set()
        learner._saving.result(timeout=10.0)
        assert learner.begin_save()
        learner._saving.result(timeout=10.0)
    first, second = checkpoint_paths(learner._run_dir)
    assert int(first.name) == updates
    assert int(second.name) == learner.sac.updates
    again = Learner(config)
    second.rename(second.with_name("aside"))
    again.resume()
    for name, tensor in state.items():
        assert torch.equal(again.sac.state()[name], tensor), name


def test_the_commit_and_the_configuration_are_in_the_checkpoint(config):
    learner = Learner(config, commit="1234-dirty")
    with learner:
        learner.save()
    state = newest_checkpoint(learner._run_dir)[0].state
    assert state.commit == "1234-dirty"
    assert state.config["hidden_size"] == 16


@pytest.mark.parametrize("architecture", ["sequential", "async_1", "async_2"])
def test_a_run_without_saved_replay_gathers_anew(
    config, counter_environment, architecture
):
    """What it gathers pays for no update: none is due for which no batch can come."""
    config = replace(config, save_replay=False, architecture=architecture)
    environment, learner = counter_environment(), Learner(config)
    with learner:
        feed(learner, environment.steps(62, episode_length=30), transitions=60)
        learner.save()
    again = Learner(config)
    again.resume()
    assert (again.sampler.env_steps, again.sampler.buffer_size) == (60, 0)
    assert again.has_policy  # the policy acts at once
    with again:
        feed(again, environment.steps(20, episode_length=50), transitions=79)
        assert again.sampler.take(timeout_s=0.05) is None
        assert (again.sac.updates, again.updates_owed) == (20, 0.0)
        assert again.waiting_for == "1 first transitions"
        feed(again, environment.steps(5, episode_length=50), transitions=84)
    assert (again.sac.updates, again.updates_owed) == (22, 0.0)


def test_fault_what_was_owed_waits_for_a_buffer_to_draw_from(config, counter_environment):
    config = replace(config, save_replay=False, updates_per_transition=2.0)
    environment, learner = counter_environment(), Learner(config)
    with learner:
        for step in environment.steps(25, episode_length=50):
            learner.sampler.offer(step)
        wait_until(lambda: learner.sampler.env_steps == 24)
        assert learner.update_due
        learner.save()
    again, environment = Learner(config), counter_environment(run_id=2)
    again.resume()
    with again:
        feed(again, environment.steps(20, episode_length=50), transitions=43)
        assert (again.sac.updates, again.updates_owed) == (0, 8.0)
        feed(again, environment.steps(2, episode_length=50), transitions=45)
    assert (again.sac.updates, again.updates_owed) == (10, 0.0)


def test_fault_a_broken_segment_is_named_and_the_rest_is_used(
    config, counter_environment, monkeypatch
):
    monkeypatch.setattr(replay_log, "SEGMENT_BYTES", 1)
    environment, learner = counter_environment(), Learner(config)
    with learner:
        for i in (1, 2):
            feed(learner, environment.steps(31, episode_length=30), transitions=30 * i)
            learner.save()
    first = segment_path(replay_dir(learner._run_dir), 1)
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    again = Learner(config)
    problem, older_are_missing = again.resume()
    assert "begins at transition" in older_are_missing
    assert "segment_00000001" in problem and "checksum" in problem
    assert 30 <= again.sampler.buffer_size < 60
    assert again.sampler.env_steps == 60  # the counter goes on all the same


def test_fault_on_a_full_disk_nothing_is_acknowledged_and_learning_goes_on(
    config, counter_environment, monkeypatch
):
    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    environment, learner = counter_environment(), Learner(config)
    with learner:
        feed(learner, environment.steps(31, episode_length=30), transitions=30)
        learner.save()
        before = learner.durable
        with monkeypatch.context() as patch:
            patch.setattr("os.write", no_space)
            patch.setattr("os.fsync", no_space)
            feed(learner, environment.steps(31, episode_length=30), transitions=60)
            with pytest.raises(OSError, match="No space left"):
                learner.save()
            assert learner.begin_save()
            wait_until(learner._saving.done)
            assert "No space left" in learner.disk_problem
            assert learner.durable == before
            assert learner.sac.updates == 20
        learner.save()
        assert learner.disk_problem == ""
        assert learner.durable.sequence == 62
    again = Learner(config)
    assert again.resume() == []
    assert (again.sampler.env_steps, again.sac.updates) == (60, 20)


def test_fault_a_directory_that_cannot_be_written(config, counter_environment, tmp_path):
    for name in ("checkpoints", "replay"):
        (tmp_path / name).write_text("in the directory's place")
    learner = Learner(config)
    with learner:
        feed(learner, counter_environment().steps(31, episode_length=30), transitions=30)
        with pytest.raises(OSError):
            learner.save()
        assert learner.disk_problem
        assert learner.sac.updates == 5
    assert learner.durable.sequence == 0


def test_fault_what_a_killed_writer_left_is_cleared_and_named(config):
    learner = Learner(config)
    with learner:
        learner.save()
    partial = checkpoints_dir(learner._run_dir) / ".00000009.partial"
    partial.mkdir()
    (partial / "state.json").write_text("{")
    (problem,) = Learner(config).resume()
    assert "00000009.partial: deleted" in problem
    assert not partial.exists()


def test_fault_an_error_of_the_writer_reaches_the_owner(config, monkeypatch):
    def explode(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(run_writer, "write_checkpoint", explode)
    learner = Learner(config)
    with learner:
        with pytest.raises(RuntimeError, match="writer's thread died") as caught:
            learner.save()
        assert isinstance(caught.value.__cause__, MemoryError)
        with pytest.raises(RuntimeError, match="writer's thread died"):
            learner.begin_save()


def test_fault_a_second_learner_on_a_run_is_refused(tmp_path):
    run_dir = tmp_path / "run"
    lock = RunLock(run_dir)
    with pytest.raises(ValueError, match=r"run_dir .*run is in use by .* process id \d+"):
        RunLock(run_dir)
    lock.close()
    RunLock(run_dir).close()


def test_fault_nothing_to_resume(config):
    learner = Learner(config)
    assert not learner.can_resume
    with pytest.raises(ValueError, match="no whole checkpoint"):
        learner.resume()


def test_fault_a_diverged_run_is_neither_published_nor_saved(config, counter_environment):
    learner = Learner(config)
    with learner:
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
