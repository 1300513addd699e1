"""The sampler thread: what goes in comes out whole, in order, and its errors surface."""

import time
from dataclasses import replace

import numpy as np
import pytest

from sac_learner.core.batch import empty_batch
from sac_learner.core.config import LearnerConfig
from sac_learner.core.replay_buffer import ReplayBuffer
from sac_learner.core.replay_log import Durable
from sac_learner.core.sampler import Counts, Handled, Sampler

CONFIG = LearnerConfig(
    height_px=32, width_px=40, crop_rows=0, crop_columns=1, strides=(2, 2, 1, 1),
    hidden_size=16, batch_size=16, learning_starts=20, replay_capacity=200,
    prepared_batches=2,
)  # fmt: skip


def make(config=CONFIG, record=None):
    buffer = ReplayBuffer(config.replay_capacity, config.network, discount=0.99)
    return Sampler(config, buffer, record, np.random.default_rng(0))


def wait_until(condition, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "condition never held"
        time.sleep(0.001)


def test_there_is_no_batch_before_learning_starts(counter_environment):
    steps = counter_environment().steps(30, episode_length=50)
    with make() as sampler:
        for step in steps[:20]:
            sampler.offer(step)
        wait_until(lambda: sampler.env_steps == 19)
        assert sampler.take(timeout_s=0.02) is None
        sampler.offer(steps[20])
        assert sampler.take(timeout_s=10.0) is not None


def test_fault_a_sequence_number_from_nowhere_does_not_end_the_record(
    counter_environment,
):
    """If it were taken for the newest, all that follow would be taken for repeated."""
    steps = counter_environment().steps(20, episode_length=50)
    far = replace(steps[10], sequence=2**64 - 1)
    with make() as sampler:
        for step in (*steps[:10], far, *steps[10:]):
            assert sampler.offer(step)
        wait_until(lambda: sampler.env_steps == 19)
    assert sampler.counts == Counts(transitions=19, refused=1)
    assert "sequence 18446744073709551615 is far above 10" in sampler.last_refusal


@pytest.mark.parametrize("field", ["reward", "proprioception"])
def test_fault_numbers_that_would_make_a_network_overflow_are_refused(
    counter_environment, field
):
    step = counter_environment().advance()
    huge = 1e30 if field == "reward" else np.full(15, 1e30, np.float32)
    with pytest.raises(ValueError, match=r"must lie in \+-1e\+06"):
        replace(step, **{field: huge})


def test_batches_stay_true_while_steps_pour_in(counter_environment, read_image):
    """Samples taken under load are whole transitions: nothing is read while written."""
    environment = counter_environment()
    steps = environment.steps(3000)
    with make() as sampler:
        taken = 0
        for first in range(0, 3000, 30):
            for step in steps[first : first + 30]:
                sampler.offer(step)
            if first < 60:
                continue
            batch = sampler.take(timeout_s=10.0)
            for i in range(len(batch.reward)):
                start = int(batch.proprioception[i, 0])
                assert batch.next_proprioception[i, 0] == start + 1
                assert batch.reward[i] == start + 1
                sent = environment.sent
                assert read_image(batch.frames[i]).ids == sent[start].stack_ids
                assert read_image(batch.next_frames[i]).ids == sent[start + 1].stack_ids
            sampler.give_back(batch)
            taken += 1
        wait_until(lambda: sampler.env_steps == 3000 - 273)
    assert taken == 98
    assert sampler.counts == Counts(transitions=3000 - 273)


def test_a_batch_in_use_is_never_filled_again(counter_environment):
    with make() as sampler:
        for step in counter_environment().steps(100):
            sampler.offer(step)
        held = [sampler.take(timeout_s=10.0) for _ in range(CONFIG.prepared_batches + 1)]
        addresses = {batch.frames.ctypes.data for batch in held}
        assert len(addresses) == len(held)
        assert sampler.take(timeout_s=0.02) is None  # all memory is out
        sampler.give_back(held[1])
        assert (
            sampler.take(timeout_s=10.0).frames.ctypes.data == held[1].frames.ctypes.data
        )


@pytest.mark.parametrize("architecture", ["sequential", "async_1"])
def test_no_batch_is_drawn_before_the_update_before_has_ended(
    counter_environment, monkeypatch, architecture
):
    """Each is drawn when it is asked for, with the newest step in the draw."""
    config = replace(CONFIG, architecture=architecture)
    drawn = []
    whole = ReplayBuffer.sample_into

    def sample_into(buffer, batch, generator):
        drawn.append(len(buffer))
        whole(buffer, batch, generator)

    monkeypatch.setattr(ReplayBuffer, "sample_into", sample_into)
    environment = counter_environment()
    with make(config) as sampler:
        for step in environment.steps(31, episode_length=200):
            sampler.offer(step)
        wait_until(lambda: sampler.env_steps == 30)
        assert drawn == []
        batch = sampler.take(timeout_s=10.0)
        assert sampler.take(timeout_s=0.02) is None  # there is one batch
        sampler.offer(environment.advance())
        wait_until(lambda: sampler.env_steps == 31)
        sampler.give_back(batch)
        sampler.offer(environment.advance())  # the thread passes by, and draws nothing
        wait_until(lambda: sampler.env_steps == 32)
        assert drawn == [30]
        assert sampler.take(timeout_s=10.0) is batch
    assert drawn == [30, 32]


def test_async_2_draws_during_an_update(counter_environment):
    with make() as sampler:
        for step in counter_environment().steps(31, episode_length=200):
            sampler.offer(step)
        sampler.take(timeout_s=10.0)  # an update works on it
        wait_until(lambda: sampler._ready.qsize() == CONFIG.prepared_batches)


def test_it_tells_which_step_is_done_with_refused_ones_too(counter_environment):
    environment = counter_environment(run_id=7)
    with make() as sampler:
        assert sampler.handled == Handled(0, 0)
        for step in environment.steps(5):
            sampler.offer(step)
        wait_until(lambda: sampler.handled == Handled(7, 5))
        assert sampler.env_steps == 4  # stored before it is said
        broken = replace(environment.advance(), frames=np.zeros((1, 3, 5, 5), np.uint8))
        sampler.offer(broken)
        wait_until(lambda: sampler.handled == Handled(7, 6))
        assert sampler.counts.refused == 1


def test_waiting_for_a_step_ends_with_one_and_with_the_deadline(counter_environment):
    with make() as sampler:
        sampler.offer(counter_environment().advance())
        wait_until(lambda: sampler.handled.sequence == 1)
        started = time.monotonic()
        sampler.wait_for_step(timeout_s=10.0)  # handled before: it was not missed
        assert time.monotonic() - started < 5.0
        sampler.wait_for_step(timeout_s=0.01)


def test_losses_and_duplicates_are_counted(counter_environment):
    steps = counter_environment().steps(30, episode_length=50)
    with make() as sampler:
        for step in (*steps[:10], *steps[13:], *steps[:5]):
            sampler.offer(step)
        wait_until(lambda: sampler.counts.refused == 5)
    # After three lost frames two steps stay incomplete, then one has no predecessor.
    assert sampler.counts == Counts(
        transitions=9 + 14, lost=3, refused=5, repeated=5, incomplete=3
    )


def test_a_new_run_is_no_loss(counter_environment):
    with make() as sampler:
        for run_id in (1, 2):
            environment = counter_environment(run_id=run_id)
            environment.sequence = 500  # the learner came late
            for step in environment.steps(5):
                sampler.offer(step)
        wait_until(lambda: sampler.counts.transitions == 8)
    assert sampler.counts.lost == 0


def test_fault_a_step_that_does_not_fit_is_counted_and_named(counter_environment):
    step = counter_environment().advance()
    with make() as sampler:
        sampler.offer(replace(step, frames=np.zeros((3, 3, 5, 5), np.uint8)))
        wait_until(lambda: sampler.counts.refused == 1)
    assert "frames of a time step must be (3, 32, 40)" in sampler.last_refusal


def test_fault_a_full_inbox_refuses_and_counts(counter_environment):
    sampler = make(replace(CONFIG, inbox_capacity=10))  # its thread does not run yet
    offered = [sampler.offer(step) for step in counter_environment().steps(15)]
    assert offered == [True] * 10 + [False] * 5
    assert sampler.overflowed == 5
    with sampler:
        wait_until(lambda: sampler.env_steps == 9)


def test_fault_an_error_in_the_thread_reaches_the_owner(counter_environment, monkeypatch):
    def explode(*_):
        raise MemoryError("no room")

    with make() as sampler:
        monkeypatch.setattr(ReplayBuffer, "sample_into", explode)
        for step in counter_environment().steps(30, episode_length=50):
            sampler.offer(step)
        with pytest.raises(RuntimeError, match="sampler thread died") as caught:
            wait_until(lambda: sampler.take(timeout_s=0.01))
        assert isinstance(caught.value.__cause__, MemoryError)
        with pytest.raises(RuntimeError, match="sampler thread died"):
            sampler.state()


def test_what_is_new_is_recorded_with_the_transitions_so_far(counter_environment):
    steps, recorded = counter_environment().steps(12, episode_length=10), []
    with make(record=lambda *entry: recorded.append(entry)) as sampler:
        for step in (*steps, *steps[5:8]):
            sampler.offer(step)
        wait_until(lambda: sampler.counts.refused == 3)
    assert [step.sequence for step, _ in recorded] == list(range(1, 13))
    assert [env_steps for _, env_steps in recorded] == [*range(11), 10]


def test_a_resumed_one_refuses_what_it_has_and_counts_what_it_missed(counter_environment):
    old, new = counter_environment(run_id=1), counter_environment(run_id=2)
    steps = new.steps(40, episode_length=50)
    sampler = make()
    sampler.go_on_after({1: 25, 2: 30}, Durable(2, 30, env_steps=50))
    assert sampler.handled == (2, 30)
    with sampler:
        for step in (*old.steps(20), *steps[10:30], *steps[33:]):
            sampler.offer(step)
        wait_until(lambda: sampler.handled == (2, 40))
    assert (sampler.counts.refused, sampler.counts.lost) == (40, 3)


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_batches_that_nobody_took_are_drawn_again(counter_environment, taken):
    """The state is that of a run which samples only what it uses."""
    steps = counter_environment().steps(60)
    sampler, again = make(), make()
    for step in steps:  # before the first batch is drawn
        sampler._buffer.add(step)
        again._buffer.add(step)
    with sampler:
        sampler.offer(steps[-1])
        for _ in range(taken):
            sampler.give_back(sampler.take(timeout_s=10.0))
        wait_until(lambda: sampler._drawn == taken + CONFIG.batches_ahead + 1)
        state = sampler.state().generator
        expected = sampler.take(timeout_s=10.0)
    rng = np.random.default_rng(99)
    rng.bit_generator.state = state
    batch = empty_batch(CONFIG.batch_size, CONFIG.network)
    again._buffer.sample_into(batch, rng)
    for name, value in expected._asdict().items():
        np.testing.assert_array_equal(getattr(batch, name), value, err_msg=name)


def test_leaving_ends_the_thread_though_batches_are_out(counter_environment):
    with make() as sampler:
        for step in counter_environment().steps(50):
            sampler.offer(step)
        assert sampler.take(timeout_s=10.0) is not None
    assert not sampler._thread.is_alive()
