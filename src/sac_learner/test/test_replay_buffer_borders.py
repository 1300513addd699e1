"""Where published buffers go wrong: borders of segments, episodes, runs and of the ring.

Each check is run against the buffer, and against buffers broken as others are (HIL-SERL
and LeRobot were measured to be): there it must fail. So each fix has a test to miss it.
"""

from dataclasses import replace

import numpy as np
import pytest

from sac_learner.core.batch import on_device
from sac_learner.core.frame_store import HOST
from sac_learner.core.replay_buffer import Added, ReplayBuffer
from sac_learner.core.time_step import TimeStep

GAMMA = 0.9


class World:
    """One kind of buffer, and a counter environment to fill it from."""

    def __init__(self, kind, network, environment, read_image, device=HOST):
        self.kind, self.network, self.device = kind, network, device
        self.environment, self.read_image = environment, read_image

    def buffer(self, capacity=200, n_step=1):
        return self.kind(
            capacity,
            self.network,
            discount=GAMMA,
            n_step=n_step,
            replay_device=self.device,
        )

    def draw(self, buffer, size=400):
        """Return rows of start, end, frames shown at both, action, reward, discount."""
        batch = buffer.empty_batch(size)
        buffer.sample_into(batch, np.random.default_rng(0))
        numbers = [np.asarray(tensor) for tensor in on_device(batch, "cpu")]
        frames, start, action, reward, discount, next_frames, end = numbers
        shown = [self.read_image(image).ids for image in frames]
        next_shown = [self.read_image(image).ids for image in next_frames]
        starts, ends = start[:, 0].astype(int).tolist(), end[:, 0].astype(int).tolist()
        return list(
            zip(
                starts,
                ends,
                shown,
                next_shown,
                action[:, 0],
                reward,
                discount,
                strict=True,
            )
        )


@pytest.fixture(params=[HOST, "cpu"])
def world(request, network, counter_environment, read_image):
    return World(ReplayBuffer, network, counter_environment, read_image, request.param)


def assert_images_are_true(rows, sent):
    for start, end, shown, next_shown, *_ in rows:
        assert shown == sent[start].stack_ids
        assert next_shown == sent[end].stack_ids


# The checks ---------------------------------------------------------------------------


def check_first_stack_after_a_segment_border(world):
    """Three segments of five steps of one episode are kept, what is between them is not.

    As a store of interventions does; each segment brings the frames of its first stack.
    """
    environment, buffer = world.environment(), world.buffer()
    for _ in range(3):
        for i in range(5):
            buffer.add(environment.advance(new_frames=3 if i == 0 else 1))
        for _ in range(10):
            environment.advance()
    rows = world.draw(buffer)
    assert {start for start, *_ in rows} == {*range(4), *range(15, 19), *range(30, 34)}
    assert_images_are_true(rows, environment.sent)


def check_no_transition_across_a_lost_step(world):
    environment, buffer = world.environment(), world.buffer()
    for i in range(40):
        step = environment.advance(new_frames=3)
        if i % 4 != 3:
            buffer.add(step)
    assert all(end == start + 1 for start, end, *_ in world.draw(buffer))


def check_no_bootstrap_across_a_reset(world):
    environment, buffer = world.environment(), world.buffer()
    for step in environment.steps(63, episode_length=20):
        buffer.add(step)
    rows = world.draw(buffer)
    assert {start for start, *_ in rows} == set(range(63)) - {20, 41, 62}
    for start, end, *_ in rows:
        assert environment.sent[end].episode == environment.sent[start].episode


def check_no_sum_across_a_reset(world):
    environment, buffer = world.environment(), world.buffer(n_step=3)
    for step in environment.steps(63, episode_length=20):
        buffer.add(step)
    for start, end, _, _, _, reward, discount in world.draw(buffer):
        last = min(start + 3, start // 21 * 21 + 20)
        assert end == last
        rewards = [GAMMA**k * (start + 1 + k) for k in range(last - start)]
        assert reward == pytest.approx(sum(rewards))
        assert discount == pytest.approx(GAMMA ** (last - start))


def check_time_limit_is_bootstrapped_with_the_true_next_observation(world):
    environment, buffer = world.environment(), world.buffer()
    for step in environment.steps(63, episode_length=20):
        buffer.add(step)
    rows = world.draw(buffer)
    assert_images_are_true(rows, environment.sent)
    at_limit = [row for row in rows if environment.sent[row[1]].is_last]
    assert {end for _, end, *_ in at_limit} == {20, 41, 62}
    assert all(row[-1] == pytest.approx(GAMMA) for row in at_limit)


def check_the_end_of_the_task_is_not_bootstrapped(world):
    environment, buffer = world.environment(), world.buffer()
    for i in range(40):
        buffer.add(environment.advance(last=i % 4 == 3, terminal=i % 4 == 3))
    rows = world.draw(buffer)
    assert [row for row in rows if row[1] % 4 == 3]
    assert all(row[-1] == 0.0 for row in rows if row[1] % 4 == 3)


def check_frames_in_use_survive_wrap_around(world):
    environment, buffer = world.environment(), world.buffer(capacity=7)
    for i in range(100):
        buffer.add(environment.advance(new_frames=i % 4, last=i % 9 == 8))
        if i % 7 == 6:
            assert_images_are_true(world.draw(buffer, 20), environment.sent)


def check_a_restarted_camera_shows_no_old_frames(world):
    buffer = world.buffer()
    for step in world.environment(run_id=1).steps(3):
        buffer.add(step)
    again = world.environment(run_id=2)  # the same frame numbers, other pictures
    again.advance()
    again.advance()
    step = again.advance()
    assert step.stack_ids == (3, 4, 5) == world.environment().steps(3)[-1].stack_ids
    assert buffer.add(step) is Added.INCOMPLETE  # its 3 and 4 were lost


def check_action_and_reward_belong_to_the_transition(world):
    environment, buffer = world.environment(), world.buffer()
    for step in environment.steps(63, episode_length=20):
        buffer.add(step)
    for _, end, _, _, action, reward, _ in world.draw(buffer):
        assert action == environment.sent[end].action[0]
        assert reward == environment.sent[end].reward


# The buffer passes --------------------------------------------------------------------


def test_fault_first_stack_after_a_segment_border_is_its_own(world):
    check_first_stack_after_a_segment_border(world)


def test_fault_no_transition_across_a_lost_step(world):
    check_no_transition_across_a_lost_step(world)


def test_fault_no_bootstrap_across_a_reset(world):
    check_no_bootstrap_across_a_reset(world)


def test_fault_no_sum_across_a_reset(world):
    check_no_sum_across_a_reset(world)


def test_fault_time_limit_is_bootstrapped_with_the_true_next_observation(world):
    check_time_limit_is_bootstrapped_with_the_true_next_observation(world)


def test_fault_the_end_of_the_task_is_not_bootstrapped(world):
    check_the_end_of_the_task_is_not_bootstrapped(world)


def test_fault_frames_in_use_survive_wrap_around(world):
    check_frames_in_use_survive_wrap_around(world)


def test_fault_a_restarted_camera_shows_no_old_frames(world):
    check_a_restarted_camera_shows_no_old_frames(world)


def test_fault_action_and_reward_belong_to_the_transition(world):
    check_action_and_reward_belong_to_the_transition(world)


# Broken buffers do not ----------------------------------------------------------------


class StackOfNeighbours(ReplayBuffer):
    """HIL-SERL: a stack is the newest frames of the three entries up to this one."""

    def _write(self, step, is_arrival):
        super()._write(step, is_arrival)
        now = self._head - 1
        if not step.is_first and now >= 2:
            entries = np.arange(now - 2, now + 1) % self._ring
            self._slots[now % self._ring] = self._slots[entries, 2]


class AnyNext(TimeStep):
    def follows(self, other):
        return other is not None and self.run_id == other.run_id


class NextEntryIsNextObservation(ReplayBuffer):
    """LeRobot: o' is the entry after o, be it of the next episode or after a gap."""

    def add(self, step):
        return super().add(AnyNext(**vars(step)))


class SumOfNextEntries(ReplayBuffer):
    """Sums n rewards wherever they come from."""

    def _returns(self, arrival):
        kept, self._is_arrival = self._is_arrival, np.ones_like(self._is_arrival)
        try:
            return super()._returns(arrival)
        finally:
            self._is_arrival = kept


class TimeLimitIsTerminal(ReplayBuffer):
    """HIL-SERL: done is done."""

    def add(self, step):
        return super().add(replace(step, is_terminal=step.is_last))


class NothingIsTerminal(ReplayBuffer):
    def add(self, step):
        return super().add(replace(step, is_terminal=False))


class LastObservationIsLost(ReplayBuffer):
    """Stores (o, a, r) only, so the o' of a time limit is o."""

    def _write(self, step, is_arrival):
        super()._write(step, is_arrival)
        if step.is_last and is_arrival:
            now = (self._head - 1) % self._ring
            self._slots[now] = self._slots[now - 1]


class FreesTooEarly(ReplayBuffer):
    """Frees a frame with its own step, though the next two stacks show it."""

    def _drop_oldest(self):
        super()._drop_oldest()
        if self._size > 1:
            self._keeper.release_before(
                int(self._oldest_frame[self._tail % self._ring]) + 1
            )


class RemembersOldRuns(ReplayBuffer):
    """Knows a frame by its number only."""

    def add(self, step):
        if self._newest is not None and self._newest.run_id != step.run_id:
            self._newest = replace(self._newest, run_id=step.run_id, sequence=0)
        return super().add(step)


class ActionOfThePreviousEntry(ReplayBuffer):
    """Takes (o, a, r) from one entry, although a and r are stored with o'."""

    def _write(self, step, is_arrival):
        super()._write(step, is_arrival)
        now = (self._head - 1) % self._ring
        self._action[now - 1], self._reward[now - 1] = step.action, step.reward


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        (check_first_stack_after_a_segment_border, StackOfNeighbours),
        (check_first_stack_after_a_segment_border, NextEntryIsNextObservation),
        (check_no_transition_across_a_lost_step, NextEntryIsNextObservation),
        (check_no_bootstrap_across_a_reset, NextEntryIsNextObservation),
        (check_no_sum_across_a_reset, SumOfNextEntries),
        (
            check_time_limit_is_bootstrapped_with_the_true_next_observation,
            TimeLimitIsTerminal,
        ),
        (
            check_time_limit_is_bootstrapped_with_the_true_next_observation,
            LastObservationIsLost,
        ),
        (check_the_end_of_the_task_is_not_bootstrapped, NothingIsTerminal),
        (check_frames_in_use_survive_wrap_around, FreesTooEarly),
        (check_a_restarted_camera_shows_no_old_frames, RemembersOldRuns),
        (check_action_and_reward_belong_to_the_transition, ActionOfThePreviousEntry),
    ],
)
def test_a_check_fails_when_its_fix_is_taken_out(
    check, broken, network, counter_environment, read_image
):
    check(World(ReplayBuffer, network, counter_environment, read_image))
    with pytest.raises(AssertionError):
        check(World(broken, network, counter_environment, read_image))
