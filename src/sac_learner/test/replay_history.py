"""A history of time steps written down beside the buffer, and the oracle that reads it.

Every pixel of a frame is drawn from (run, frame number), so that a wrong frame, stack or
crop cannot look right. The oracle knows what was sent, what arrived, and nothing else: it
shares no code with the buffer.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest

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
