"""The buffer against a counter environment: each sample must be one that happened."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sac_learner.core.batch import empty_batch
from sac_learner.core.replay_buffer import Added, ReplayBuffer

GAMMA = 0.9


def make(network, capacity=1000, n_step=1):
    return ReplayBuffer(capacity, network, discount=GAMMA, n_step=n_step)


def draw(buffer, network, size=64, seed=0):
    batch = empty_batch(size, network)
    buffer.sample_into(batch, np.random.default_rng(seed))
    return batch


def expected(sent, lost, start, n_step):
    """Return reward, discount and last step of a return from `start` on, slowly."""
    reward, now = 0.0, start
    for k in range(n_step):
        after = sent.get(now + 1)
        follows = after is not None and after.follows(sent[now]) and now + 1 not in lost
        if not follows:
            break
        now += 1
        reward += GAMMA**k * after.reward
    terminal = sent[now].is_terminal
    return reward, 0.0 if terminal else GAMMA ** (now - start), now


def assert_happened(batch, environment, read_image, lost=(), n_step=1):
    """Check every row of a batch against what was sent; return where it began."""
    sent, starts = environment.sent, []
    for i in range(len(batch.reward)):
        start = int(batch.proprioception[i, 0])
        reward, discount, last = expected(sent, lost, start, n_step)
        assert last > start, "the end of an episode begins no transition"
        assert batch.next_proprioception[i, 0] == last
        assert read_image(batch.frames[i]).ids == sent[start].stack_ids
        assert read_image(batch.next_frames[i]).ids == sent[last].stack_ids
        np.testing.assert_array_equal(batch.action[i], sent[start + 1].action)
        assert batch.reward[i] == pytest.approx(reward, rel=1e-5)
        assert batch.discount[i] == pytest.approx(discount, rel=1e-6)
        starts.append(start)
    return starts


# One character per step: new frames 0..3, L last, T terminal, x lost on the way.
scripts = st.text(alphabet="0123LTx", min_size=4, max_size=120)


@settings(max_examples=120, deadline=None)
@given(script=scripts, sizes=st.tuples(st.integers(1, 40), st.integers(1, 4)))
def test_every_sample_happened(script, sizes, network, counter_environment, read_image):
    capacity, n_step = sizes
    environment, lost = counter_environment(), set()
    buffer = ReplayBuffer(capacity, network, discount=GAMMA, n_step=n_step)
    for letter in script:
        step = environment.advance(
            new_frames=int(letter) if letter.isdigit() else 1,
            last=letter in "LT",
            terminal=letter == "T",
        )
        if letter == "x" or buffer.add(step) is Added.INCOMPLETE:
            lost.add(environment.clock - 1)
        assert len(buffer) <= capacity
        if len(buffer):
            batch = draw(buffer, network, size=8, seed=environment.clock)
            assert_happened(batch, environment, read_image, lost, n_step)


def test_all_transitions_are_drawn_equally_often(network, counter_environment):
    environment, buffer = counter_environment(), make(network, capacity=20)
    for step in environment.steps(60, episode_length=5):
        buffer.add(step)
    assert len(buffer) == 20
    starts = draw(buffer, network, size=8000).proprioception[:, 0].astype(int)
    counts = np.unique(starts, return_counts=True)[1]
    assert len(counts) == 20
    assert counts.min() > 300 and counts.max() < 500  # 400 each; 5 standard deviations


def test_the_newest_transitions_stay_and_frames_of_others_are_freed(
    network, counter_environment, read_image
):
    environment, buffer = counter_environment(), make(network, capacity=50)
    for step in environment.steps(2000, episode_length=10):
        buffer.add(step)
    assert len(buffer) == 50
    assert buffer.transitions_added == 2000 - 182  # 182 episodes began
    assert buffer.frames_held < 85  # 50 transitions in 6 episodes: 56 steps, 2 more each
    starts = assert_happened(draw(buffer, network, 500), environment, read_image)
    assert min(starts) == 1944  # 1945..1999 are 55 steps, 5 of them first ones


def test_frames_carried_once_rebuild_stacks_of_a_fast_and_a_slow_camera(
    network, counter_environment, read_image
):
    environment, buffer = counter_environment(), make(network)
    for i in range(200):
        buffer.add(environment.advance(new_frames=(0, 1, 2, 3)[i % 4]))
    assert len(buffer) == 199
    assert_happened(draw(buffer, network, 300), environment, read_image)


def test_the_crop_covers_its_full_two_sided_range_apart_for_both_images(
    network, counter_environment, read_image
):
    environment, buffer = counter_environment(), make(network)
    for step in environment.steps(30):
        buffer.add(step)
    batch = draw(buffer, network, 400)
    lefts = [(read_image(a).left, read_image(b).left)
             for a, b in zip(batch.frames, batch.next_frames, strict=True)]  # fmt: skip
    assert set(lefts) == {(a, b) for a in range(3) for b in range(3)}


def test_fault_no_transition_across_a_lost_step(network, counter_environment):
    environment, buffer = counter_environment(), make(network)
    steps = environment.steps(10, episode_length=20)
    results = [buffer.add(step) for step in (*steps[:4], *steps[5:])]
    assert results[0] is Added.FIRST
    assert results[1:4] == [Added.TRANSITION] * 3
    # Two frames of step 5's stack came with steps 4 and 5; step 4's is lost for 3 steps.
    assert results[4:7] == [Added.INCOMPLETE, Added.INCOMPLETE, Added.AFTER_GAP]
    assert results[7:] == [Added.TRANSITION] * 2


def test_fault_no_transition_across_runs(network, counter_environment, read_image):
    first, second = counter_environment(run_id=1), counter_environment(run_id=2)
    buffer = make(network)
    for step in first.steps(5):
        buffer.add(step)
    second.clock = 1000
    results = [buffer.add(step) for step in second.steps(5)]
    assert results == [Added.FIRST, *[Added.TRANSITION] * 4]
    first.sent |= second.sent
    assert_happened(draw(buffer, network, 100), first, read_image)


def test_fault_a_restarted_camera_does_not_show_old_frames(network, counter_environment):
    buffer, first = make(network), counter_environment(run_id=1, camera_start=1)
    for step in first.steps(3):  # the newest stack is 3, 4, 5
        buffer.add(step)
    again = counter_environment(run_id=2, camera_start=1)  # the same numbers, another run
    lost = [again.advance(), again.advance()]
    without_its_stack = again.advance()
    assert without_its_stack.stack_ids == (3, 4, 5) and len(lost) == 2
    assert buffer.add(without_its_stack) is Added.INCOMPLETE
    assert len(buffer) == 2


@pytest.mark.parametrize("broken", ["stack", "run"])
def test_fault_steps_that_never_are_whole_do_not_fill_the_memory(
    network, counter_environment, read_image, broken
):
    """Each brings a frame, and names one that never came; or each is a run of its own."""
    environment, buffer = counter_environment(), make(network, capacity=50)
    for step in environment.steps(40, episode_length=50):
        buffer.add(step)
    held, taken = buffer.frames_held, buffer.nbytes
    for count in range(1, 3001):
        step = environment.advance(new_frames=1)
        never_sent, sent = 10**6 + 3 * count, 10**6 + 3 * count + 2
        stack = {"stack_ids": (never_sent, never_sent + 1, sent), "frame_ids": (sent,)}
        change = stack if broken == "stack" else {"run_id": 100 + count}
        assert buffer.add(replace(step, **change)) is Added.INCOMPLETE
        assert buffer.frames_held <= held + 1
    assert buffer.nbytes == taken
    assert buffer.frames_unused == 2999  # all but the newest
    later = [buffer.add(step) for step in environment.steps(30, episode_length=5000)]
    assert later[-1] is Added.TRANSITION
    assert_happened(draw(buffer, network, 300), environment, read_image)


@pytest.mark.parametrize(
    "change",
    [{"run_id": 9}, {"sequence": 9}, {"episode": 9}, {"step": 9}, {"is_first": True}],
)
def test_fault_a_step_out_of_line_follows_nothing(counter_environment, change):
    first, second = counter_environment().steps(2)
    assert second.follows(first)
    assert not replace(second, **change).follows(first)


def test_fault_nothing_follows_the_last_step_of_an_episode(counter_environment):
    first, second = counter_environment().steps(2)
    assert not second.follows(replace(first, is_last=True))
    assert not second.follows(None)


def test_fault_duplicates_are_refused(network, counter_environment):
    environment, buffer = counter_environment(), make(network)
    steps = environment.steps(5)
    for step in steps:
        buffer.add(step)
    assert [buffer.add(step) for step in steps] == [Added.DUPLICATE] * 5
    assert len(buffer) == 4


def test_fault_a_step_of_another_shape_changes_nothing(network, counter_environment):
    environment, buffer = counter_environment(), make(network)
    steps = environment.steps(3)
    buffer.add(steps[0])
    for field, value in (
        ("frames", np.zeros((1, 3, 5, 5), np.uint8)),
        ("action", np.zeros(1, np.float32)),
        ("proprioception", np.zeros(14, np.float32)),
    ):
        with pytest.raises(ValueError, match=f"{field} of a time step must be"):
            buffer.add(replace(steps[1], **{field: value}))
    assert buffer.add(steps[1]) is Added.TRANSITION


def test_a_terminal_step_has_no_future_and_a_time_limit_has(network, counter_environment):
    environment, buffer = counter_environment(), make(network)
    for terminal in (True, False):
        buffer.add(environment.advance())
        buffer.add(environment.advance(last=True, terminal=terminal))
    batch = draw(buffer, network, 50)
    starts = batch.proprioception[:, 0]
    assert set(batch.discount[starts == 0]) == {np.float32(0.0)}
    assert set(batch.discount[starts == 2]) == {np.float32(GAMMA)}


def test_batches_are_filled_in_place_and_keep_nothing_of_the_buffer(
    network, counter_environment, read_image
):
    environment, buffer = counter_environment(), make(network, capacity=20)
    for step in environment.steps(30):
        buffer.add(step)
    batch = draw(buffer, network)
    addresses = [array.ctypes.data for array in batch]
    buffer.sample_into(batch, np.random.default_rng(1))
    assert [array.ctypes.data for array in batch] == addresses
    frozen = batch.frames.copy()
    for step in environment.steps(300):
        buffer.add(step)  # overwrites every frame that was in use
    np.testing.assert_array_equal(batch.frames, frozen)
