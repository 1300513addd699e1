"""Sampling and gradient updates on virtual time: the learner's side of the world.

The work is real, the clock is not: a mini-batch is drawn from what the buffer holds at
the virtual instant at which its drawing begins, and an update takes effect at the instant
at which it ends. How fast the machine is does not matter: the same costs give the same
order of events on any, and the same run, bit by bit, on machines of one kind. Number type
and kernels differ between processors, and one rounding apart two runs soon are two seeds.
"""

import heapq
from collections import deque
from typing import NamedTuple

import numpy as np

from sac_learner.core.architectures import ASYNC_1, ASYNC_2
from sac_learner.core.batch import AnyBatch
from sac_learner.core.replay_buffer import ReplayBuffer
from sac_learner.core.sac import Sac
from sac_learner.core.update_limiter import UpdateLimiter
from ur5_rl_experiments.core.costs import Costs

QUEUE_DEPTH = 3  # mini-batches ahead of the updates, as published


class Parts(NamedTuple):
    """What learns, the same objects as in learner_node."""

    sac: Sac
    buffer: ReplayBuffer
    limiter: UpdateLimiter
    generator: np.random.Generator
    batch_size: int
    learning_starts: int


class _Done(NamedTuple):
    at_s: float
    order: int  # of two ends at one instant the earlier begun comes first
    is_update: bool
    batch: AnyBatch


class VirtualLearner:
    """One learner. Owned by one thread.

    Attributes:
        last_update_s: Virtual instant of the newest update's end.
    """

    def __init__(self, parts: Parts, costs: Costs, architecture: str) -> None:
        self.last_update_s = 0.0
        self._parts, self._costs, self._architecture = parts, costs, architecture
        self._depth = QUEUE_DEPTH if architecture == ASYNC_2 else 1
        self._free = [
            parts.buffer.empty_batch(parts.batch_size) for _ in range(self._depth + 2)
        ]
        self._ready: deque[AnyBatch] = deque()
        self._pending: list[_Done] = []
        self._begun = 0
        self._is_sampling = self._is_updating = False

    @property
    def updates(self) -> int:
        """Gradient updates so far."""
        return self._parts.sac.updates

    def advance(self, until_s: float) -> None:
        """Let what ends until then take effect, and begin what can begin.

        Call it after each stored time step, too: it may be what the learner waits for.
        """
        while self._pending and self._pending[0].at_s <= until_s:
            done = heapq.heappop(self._pending)
            self._finish(done)
            self._begin_work(done.at_s)
        self._begin_work(until_s)

    def update_in_line(self, now_s: float) -> float:
        """Take the updates that are due, in line; return how long that took [s]."""
        costs, begin_s = self._costs, now_s
        while self._is_due():
            batch = self._drawn()
            now_s += costs.sampling_s + costs.update_s
            self._parts.limiter.spend()
            self._update(batch, now_s)
        return now_s - begin_s

    def _begin_work(self, now_s: float) -> None:
        parts, costs = self._parts, self._costs
        if not self._is_updating and self._ready and self._is_due():
            parts.limiter.spend()
            self._is_updating = True
            self._schedule(now_s + costs.update_s, True, self._ready.popleft())
        if self._may_sample():
            self._is_sampling = True
            self._schedule(now_s + costs.sampling_s, False, self._drawn())

    def _may_sample(self) -> bool:
        if self._is_sampling or len(self._parts.buffer) < self._parts.learning_starts:
            return False
        if self._architecture == ASYNC_1:
            return not self._is_updating and not self._ready and self._is_due()
        return len(self._ready) < self._depth

    def _is_due(self) -> bool:
        parts = self._parts
        parts.limiter.observe(parts.buffer.transitions_added)
        return parts.limiter.update_due

    def _drawn(self) -> AnyBatch:
        batch = self._free.pop()
        self._parts.buffer.sample_into(batch, self._parts.generator)
        return batch

    def _schedule(self, at_s: float, is_update: bool, batch: AnyBatch) -> None:
        self._begun += 1
        heapq.heappush(self._pending, _Done(at_s, self._begun, is_update, batch))

    def _finish(self, done: _Done) -> None:
        if done.is_update:
            self._is_updating = False
            self._update(done.batch, done.at_s)
        else:
            self._is_sampling = False
            self._ready.append(done.batch)

    def _update(self, batch: AnyBatch, at_s: float) -> None:
        self._parts.sac.update(batch)
        self._free.append(batch)
        self.last_update_s = at_s
