"""Replay buffer: frames once, steps in a ring, transitions only where they happened."""

from enum import Enum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sac_learner.core.batch import AnyBatch, empty_batch, on_device
from sac_learner.core.frame_keeper import FrameKeeper
from sac_learner.core.frame_memory import Images, Numbers
from sac_learner.core.frame_store import HOST, FrameStore
from sac_learner.core.networks import NetworkConfig
from sac_learner.core.time_step import COLOURS, STACK_FRAMES, TimeStep

STEPS_PER_TRANSITION = 2  # room for steps that end no transition: first ones, after gaps


class Added(Enum):
    """What became of a time step."""

    TRANSITION = "makes a transition with the step before it"
    FIRST = "starts an episode"
    AFTER_GAP = "its predecessor was lost"
    INCOMPLETE = "a frame of its stack was lost"
    DUPLICATE = "was already here"


class ReplayBuffer:
    """The newest `capacity` transitions. Owned by one thread.

    Frames lie in host memory, or on a torch device: then batches are filled there, and
    their pixels never leave it. Both ways draw the same batches.

    Steps are numbered 0, 1, 2 ... and live at their number modulo the ring's size. Step t
    ends a transition if step t - 1 came right before it; `_arrivals` lists these t in
    order, so that each is drawn with the same probability.
    """

    def __init__(
        self,
        capacity: int,
        network: NetworkConfig,
        *,
        discount: float,
        n_step: int = 1,
        replay_device: str = HOST,
    ) -> None:
        """Begin empty.

        Raises:
            ValueError: the network does not see stacks of three colour frames, or
                `replay_device` is not there or has too little memory.
        """
        if network.channels != STACK_FRAMES * COLOURS:
            raise ValueError(
                f"channels must be {STACK_FRAMES * COLOURS}, got {network.channels}"
            )
        self.transitions_added = 0  # since the start of the run; a resume sets it
        self._capacity = capacity
        self._network = network
        self._powers = discount ** np.arange(n_step + 1, dtype=np.float32)
        self._device = replay_device
        self._frames = FrameStore(
            network.height_px, network.width_px, replay_device, expected=capacity
        )
        self._keeper = FrameKeeper(self._frames)
        self._newest: TimeStep | None = None
        self._newest_is_stored = False

        self._ring = STEPS_PER_TRANSITION * capacity + n_step
        self._tail = 0  # number of the oldest step
        self._head = 0  # number that the next step gets
        self._arrivals = np.zeros(capacity, np.int64)
        self._arrivals_added = 0
        self._size = 0
        self._slots = np.zeros((self._ring, STACK_FRAMES), np.int64)
        self._oldest_frame = np.zeros(self._ring, np.int64)  # of the step's stack
        self._proprioception = np.zeros((self._ring, network.proprioception), np.float32)
        self._action = np.zeros((self._ring, network.actions), np.float32)
        self._reward = np.zeros(self._ring, np.float32)
        self._is_terminal = np.zeros(self._ring, bool)
        self._is_arrival = np.zeros(self._ring, bool)

    def __len__(self) -> int:
        """Transitions that can be drawn."""
        return self._size

    @property
    def frames_held(self) -> int:
        """Camera frames in memory."""
        return len(self._frames)

    @property
    def frames_unused(self) -> int:
        """Camera frames that came, and no step that could be stored showed them."""
        return self._keeper.unused

    @property
    def nbytes(self) -> int:
        """Bytes of memory taken, nearly all of them pixels."""
        arrays = (v for v in vars(self).values() if isinstance(v, np.ndarray))
        own = sum(array.nbytes for array in arrays)
        return self._frames.nbytes + self._keeper.nbytes + own

    def empty_batch(self, size: int) -> AnyBatch:
        """Return a batch for `sample_into`, where the frames are."""
        batch = empty_batch(size, self._network)
        if self._device == HOST:
            return batch
        return on_device(batch, torch.device(self._device))

    def add(self, step: TimeStep) -> Added:
        """Store a time step; drop the oldest ones if the buffer is full.

        Raises:
            ValueError: its shapes are not those of the network; nothing was stored.
        """
        self._check(step)
        before = self._newest
        if before is not None and before.run_id == step.run_id:
            if step.sequence <= before.sequence:
                return Added.DUPLICATE
        else:
            self._keeper.forget_names()
        is_arrival = self._newest_is_stored and step.follows(before)
        self._newest_is_stored = self._keeper.take(step)
        self._newest = step
        if not self._newest_is_stored:
            return Added.INCOMPLETE
        self._write(step, is_arrival)
        if is_arrival:
            return Added.TRANSITION
        return Added.FIRST if step.is_first else Added.AFTER_GAP

    def sample_into(self, batch: AnyBatch, rng: np.random.Generator) -> None:
        """Fill a batch with transitions drawn uniformly, each image cropped at random."""
        size = len(batch.reward)
        drawn = self._arrivals_added - 1 - rng.integers(0, self._size, size)
        arrival: Numbers = self._arrivals[drawn % self._capacity]
        last, reward, discount = self._returns(arrival)
        start, end = (arrival - 1) % self._ring, last % self._ring
        _fill(batch.action, self._action[arrival % self._ring])
        _fill(batch.reward, reward)
        _fill(batch.discount, discount)
        _fill(batch.proprioception, self._proprioception[start])
        _fill(batch.next_proprioception, self._proprioception[end])
        self._crop_into(batch.frames, self._slots[start], rng)
        self._crop_into(batch.next_frames, self._slots[end], rng)

    def _returns(
        self, arrival: Numbers
    ) -> tuple[Numbers, NDArray[np.float32], NDArray[np.float32]]:
        """Return last step, summed reward and discount of n steps from each arrival on.

        A sum stops early where the episode or the record of it does.
        """
        last = arrival.copy()
        reward = self._reward[arrival % self._ring].copy()
        for power in self._powers[1:-1]:
            goes_on = last + 1 < self._head
            goes_on &= self._is_arrival[(last + 1) % self._ring]
            last += goes_on
            reward += np.where(goes_on, power * self._reward[last % self._ring], 0.0)
        is_terminal = self._is_terminal[last % self._ring]
        discount = self._powers[last - arrival + 1]
        return last, reward, np.where(is_terminal, 0.0, discount)

    def _crop_into(
        self, images: Images, slots: Numbers, rng: np.random.Generator
    ) -> None:
        """Copy the stacks in `slots` (B, 3), each cropped at one random place."""
        network = self._network
        tops = rng.integers(0, 2 * network.crop_rows + 1, len(slots))
        lefts = rng.integers(0, 2 * network.crop_columns + 1, len(slots))
        self._frames.crop_into(images, slots, tops, lefts)

    def _check(self, step: TimeStep) -> None:
        network = self._network
        for name, shape, wanted in (
            ("frames", step.frames.shape[1:], self._frames.shape),
            ("action", step.action.shape, (network.actions,)),
            ("proprioception", step.proprioception.shape, (network.proprioception,)),
        ):
            if shape != wanted:
                raise ValueError(f"{name} of a time step must be {wanted}, got {shape}")

    def _write(self, step: TimeStep, is_arrival: bool) -> None:
        while self._head - self._tail == self._ring:
            self._drop_oldest()
        while is_arrival and self._size == self._capacity:
            self._drop_oldest()
        i = self._head % self._ring
        self._slots[i], self._oldest_frame[i] = self._keeper.use(step.stack_ids)
        self._proprioception[i] = step.proprioception
        self._action[i] = step.action
        self._reward[i] = step.reward
        self._is_terminal[i] = step.is_terminal
        self._is_arrival[i] = is_arrival
        if is_arrival:
            self._arrivals[self._arrivals_added % self._capacity] = self._head
            self._arrivals_added += 1
            self.transitions_added += 1
            self._size += 1
        self._head += 1

    def _drop_oldest(self) -> None:
        """Forget the oldest step, the transition that leaves it, and unused frames."""
        self._tail += 1
        i = self._tail % self._ring
        if self._is_arrival[i]:
            self._size -= 1
        self._keeper.release_before(int(self._oldest_frame[i]))


def _fill(target: NDArray[np.float32] | Tensor, values: NDArray[np.float32]) -> None:
    """Copy numbers into an array or onto a device."""
    if isinstance(target, Tensor):
        target.copy_(torch.from_numpy(values))
    else:
        target[...] = values
