"""The buffer against a history written down beside it, by a reader who trusts nothing.

Every pixel of a frame is drawn from (run, frame number), so that a wrong frame, stack or
crop cannot look right. The oracle knows what was sent, what arrived, and nothing else: it
shares no code with the buffer.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sac_learner.core.frame_memory import BLOCK_FRAMES
from sac_learner.core.networks import NetworkConfig
from sac_learner.core.replay_buffer import ReplayBuffer
from sac_learner.core.time_step import TimeStep

GAMMA = 0.9
NETWORK = NetworkConfig(
    height_px=32, width_px=33, crop_rows=1, crop_columns=1, hidden_size=8, strides=(2, 1)
)
ROWS, COLUMNS = NETWORK.cropped


@lru_cache(maxsize=4096)
def picture(run, number):
    rng = np.random.default_rng((run, number))
    size = (3, NETWORK.height_px, NETWORK.width_px)
    return rng.integers(0, 256, size, dtype=np.uint8)


@dataclass
class Moment:
    """One time step as it happened; its place in the history is its proprioception."""

    run: int
    episode: int
    is_first: bool
    stack: tuple[int, ...]
    carried: tuple[int, ...]  # frame numbers that its message brought
    action: float
    reward: float
    is_terminal: bool
    has_arrived: bool


class History:
    """Sends time steps and writes down what happened."""

    def __init__(self):
        self.moments: list[Moment] = []
        self.arrived: list[TimeStep] = []
        self._run = self._sequence = self._episode = self._step = self._camera = 0
        self._begins = True
        self.restart()

    def restart(self):
        """Begin another run: all numbers start again, those of the frames too."""
        self._run += 1
        self._sequence = self._episode = self._camera = 0
        self._begins = True

    def send(self, fresh, end, arrives):
        """Do one time step of `fresh` new frames; `end` is "", "limit" or "task"."""
        if self._begins:
            self._episode, self._step = self._episode + 1, -1
        carried = tuple(
            range(self._camera, self._camera + (3 if self._begins else fresh))
        )
        before = () if self._begins else self.moments[-1].stack
        now = len(self.moments)
        moment = Moment(
            self._run,
            self._episode,
            self._begins,
            (*before, *carried)[-3:],
            carried,
            action=(now % 97) / 97,
            reward=now * 0.5,
            is_terminal=end == "task",
            has_arrived=arrives,
        )
        self._camera += len(carried)
        self._sequence, self._step = self._sequence + 1, self._step + 1
        self._begins = end != ""
        self.moments.append(moment)
        step = self._message(moment, now, end)
        if arrives:
            self.arrived.append(step)
        return step

    def _message(self, moment, now, end):
        size = (3, NETWORK.height_px, NETWORK.width_px)
        images = [picture(moment.run, number) for number in moment.carried]
        return TimeStep(
            run_id=moment.run,
            sequence=self._sequence,
            episode=self._episode,
            step=self._step,
            is_first=moment.is_first,
            is_last=end != "",
            is_terminal=moment.is_terminal,
            action=np.full(5, moment.action, np.float32),
            reward=moment.reward,
            stack_ids=moment.stack,
            frame_ids=moment.carried,
            frames=np.array(images, np.uint8).reshape(-1, *size),
            proprioception=np.full(15, now, np.float32),
        )

    # The oracle -----------------------------------------------------------------------

    def is_whole(self, t):
        """Whether step t arrived, and with it or earlier each frame that it shows."""
        moment = self.moments[t]
        came = {
            number
            for earlier in self.moments[: t + 1]
            if earlier.run == moment.run and earlier.has_arrived
            for number in earlier.carried
        }
        return moment.has_arrived and set(moment.stack) <= came

    def is_transition(self, t):
        """Whether the buffer can know how step t came from step t - 1."""
        return (
            t > 0
            and not self.moments[t].is_first
            and self.is_whole(t - 1)
            and self.is_whole(t)
        )

    def transitions(self):
        """Return all t that end a transition, oldest first."""
        return [t for t in range(len(self.moments)) if self.is_transition(t)]

    def outcome(self, start, n_step):
        """Return the last step, the return and the discount of n steps from `start`."""
        now, total = start, 0.0
        while now < start + n_step and now + 1 < len(self.moments):
            if not self.is_transition(now + 1):
                break
            total += GAMMA ** (now - start) * self.moments[now + 1].reward
            now += 1
        is_terminal = self.moments[now].is_terminal
        return now, total, 0.0 if is_terminal else GAMMA ** (now - start)

    def shows(self, image, t):
        """Whether an image is the stack of step t behind one of the nine windows."""
        moment = self.moments[t]
        stack = np.concatenate([picture(moment.run, number) for number in moment.stack])
        windows = [
            stack[:, top : top + ROWS, left : left + COLUMNS]
            for top in range(3)
            for left in range(3)
        ]
        return any(np.array_equal(image, window) for window in windows)


def assert_it_happened(batch, history, n_step, allowed):
    for i in range(len(batch.reward)):
        assert len(set(batch.proprioception[i])) == 1
        start = int(batch.proprioception[i, 0])
        assert start + 1 in allowed
        last, total, discount = history.outcome(start, n_step)
        assert (batch.next_proprioception[i] == last).all()
        assert (batch.action[i] == np.float32(history.moments[start + 1].action)).all()
        assert batch.reward[i] == pytest.approx(total, rel=1e-5)
        assert batch.discount[i] == pytest.approx(discount, rel=1e-6)
        assert history.shows(batch.frames[i], start)
        assert history.shows(batch.next_frames[i], last)


def filled(steps, capacity, n_step, device="host"):
    buffer = ReplayBuffer(
        capacity, NETWORK, discount=GAMMA, n_step=n_step, replay_device=device
    )
    for step in steps:
        buffer.add(step)
    return buffer


def drawn(buffer, seed, size=8):
    batch = buffer.empty_batch(size)
    buffer.sample_into(batch, np.random.default_rng(seed))
    return batch


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
