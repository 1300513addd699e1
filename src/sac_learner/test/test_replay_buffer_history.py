"""The buffer against a history written down beside it, by a reader who trusts nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_history import GAMMA, History, assert_it_happened, drawn, filled

from sac_learner.core.frame_memory import BLOCK_FRAMES
from sac_learner.core.networks import NetworkConfig
from sac_learner.core.replay_buffer import ReplayBuffer
from sac_learner.core.time_step import TimeStep

steps = st.tuples(
    st.just("step"),
    st.sampled_from([0, 1, 1, 1, 2, 3]),
    st.sampled_from(["", "", "", "", "limit", "task"]),
)
events = st.one_of(
    steps,
    steps,
    steps,
    st.tuples(st.just("gap"), st.integers(1, 5)),  # lost, or between two segments
    st.tuples(st.just("restart"), st.integers(0, 2)),  # and its first messages are lost
    st.tuples(st.sampled_from(["resume", "twice"])),
)


@settings(max_examples=100, deadline=None)
@given(
    script=st.lists(events, min_size=25, max_size=80),
    capacity=st.one_of(st.integers(1, 5), st.integers(1, 30)),
    n_step=st.integers(1, 3),
)
def test_every_draw_is_one_that_happened(script, capacity, n_step):
    history, buffer = History(), filled([], capacity, n_step)
    for kind, *rest in script:
        if kind == "step":
            buffer.add(history.send(*rest, arrives=True))
        elif kind == "gap":
            for _ in range(rest[0]):
                history.send(1, "", arrives=False)
        elif kind == "restart":
            history.restart()
            for _ in range(rest[0]):
                history.send(1, "", arrives=False)
        elif kind == "resume":
            buffer = filled(history.arrived, capacity, n_step)
        elif history.arrived:
            buffer.add(history.arrived[-1])  # delivered twice
        newest = history.transitions()[-capacity:]
        assert len(buffer) <= len(newest)
        if len(buffer):
            batch = drawn(buffer, seed=len(history.moments))
            assert_it_happened(batch, history, n_step, newest[-len(buffer) :])
    on_tensors = filled(history.arrived, capacity, n_step, device="cpu")
    assert len(on_tensors) == len(filled(history.arrived, capacity, n_step))
    if len(on_tensors):
        one, other = drawn(buffer, seed=0), drawn(on_tensors, seed=0)
        for array, tensor in zip(one, other, strict=True):
            np.testing.assert_array_equal(array, tensor.numpy())


def test_all_that_can_be_known_is_kept():
    """Of few gaps and episodes of some length not one transition is missing."""
    history, buffer = History(), filled([], 50, n_step=1)
    for t in range(170):
        step = history.send(1, "limit" if t % 11 == 10 else "", arrives=t % 23 != 0)
        if t % 23 != 0:
            buffer.add(step)
        assert len(buffer) == min(50, len(history.transitions()))
    starts = set(drawn(buffer, seed=0, size=2000).proprioception[:, 0].astype(int))
    assert starts == {t - 1 for t in history.transitions()[-50:]}


@pytest.mark.parametrize("n_step", [1, 2, 3])
def test_fault_the_newest_sum_reads_no_entry_of_the_last_round(n_step):
    history, buffer = History(), filled([], 2, n_step)
    for t in range(40):
        buffer.add(history.send(1, "limit" if t % 9 == 8 else "", arrives=True))
        if len(buffer):
            allowed = history.transitions()[-2:]
            assert_it_happened(drawn(buffer, seed=t), history, n_step, allowed)


def step_of_a_full_episode(i, frame):
    """Return time step i of episodes of 100 transitions, a new frame each."""
    step = i % 101
    return TimeStep(
        run_id=1,
        sequence=i + 1,
        episode=i // 101,
        step=step,
        is_first=step == 0,
        is_last=step == 100,
        is_terminal=False,
        action=np.zeros(5, np.float32),
        reward=0.0,
        stack_ids=tuple(max(i - age, i - step) for age in (2, 1, 0)),
        frame_ids=(i,),
        frames=frame,
        proprioception=np.zeros(15, np.float32),
    )


@pytest.mark.parametrize(("size", "limit_gb"), [((90, 160), 4.4), ((180, 320), 17.5)])
def test_a_full_buffer_of_100_000_transitions_keeps_to_its_memory(size, limit_gb):
    """101 frames per 100 transitions, in whole blocks; extrapolated from 1000."""
    network = NetworkConfig(height_px=size[0], width_px=size[1])
    frame = np.zeros((1, 3, *size), np.uint8)
    buffer = ReplayBuffer(1000, network, discount=GAMMA)
    for i in range(1500):
        buffer.add(step_of_a_full_episode(i, frame))
    assert len(buffer) == 1000
    assert 1010 <= buffer.frames_held <= 1014
    slack = BLOCK_FRAMES * frame.nbytes
    numbers = 250  # bytes beside the pixels, a transition
    assert buffer.nbytes <= 1014 * frame.nbytes + slack + 1000 * numbers
    assert (101_000 * frame.nbytes + slack + 100_000 * numbers) / 1e9 <= limit_gb
