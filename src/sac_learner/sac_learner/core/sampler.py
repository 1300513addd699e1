"""The thread between the topic and the gradients: it stores and samples, all alone."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from queue import Empty, Queue, SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from sac_learner.core.batch import AnyBatch
from sac_learner.core.config import LearnerConfig
from sac_learner.core.replay_buffer import Added, ReplayBuffer
from sac_learner.core.replay_log import Durable
from sac_learner.core.time_step import TimeStep

JOIN_TIMEOUT_S = 10.0
POLL_S = 0.1
MAX_GAP = 10**8  # 46 days; after a step beyond, all later ones would seem repeated


class Counts(NamedTuple):
    """What became of the time steps that this process was sent."""

    transitions: int = 0
    lost: int = 0  # gaps in the sequence numbers
    refused: int = 0  # duplicates, and steps that do not fit
    repeated: int = 0  # the duplicates among them: DDS sends again after a restart
    incomplete: int = 0  # stored without a predecessor or not at all, because of a loss


@dataclass(frozen=True)
class ReplayState:
    """The replay side of a checkpoint: transitions; what the next batch is drawn by."""

    env_steps: int
    generator: dict[str, Any]


class Handled(NamedTuple):
    """Which time step the thread has finished with: stored, or refused for good."""

    run_id: int = 0
    sequence: int = 0


class Sampler:
    """Owns the replay buffer and its random numbers, in a thread of its own.

    Everybody else talks to that thread through one mailbox: time steps, batches to fill
    and requests for its state go in; filled batches come out of `_ready`, and each new
    time step goes to `record`. So nothing is ever read while it is written, and there is
    no lock. Use as a context manager.

    In `async_2` batches that come back are filled again at once, ahead of the next
    update. In the other architectures there is one batch, and it is filled when the
    learner asks for it: after the update before, with the newest time steps in the draw.

    Attributes:
        counts: Replaced whole by the thread after each step.
        handled: Newest time step, replaced whole by the thread after `counts`.
        overflowed: Steps refused because the mailbox was full; counted by the sender.
        last_refusal: What was wrong with the newest step that was refused.
    """

    def __init__(
        self,
        config: LearnerConfig,
        buffer: ReplayBuffer,
        record: Callable[[TimeStep, int], None] | None,
        generator: np.random.Generator,
    ) -> None:
        """Store into `buffer`; `record` gets what is new, with `transitions_added`."""
        self.counts = Counts()
        self.handled = Handled()
        self.overflowed = 0
        self.last_refusal = ""
        self._config = config
        self._buffer = buffer
        self._record = record
        self._generator = generator
        self._newest: dict[int, int] = {}  # run_id -> sequence
        self._mailbox: SimpleQueue[TimeStep | AnyBatch | Future[ReplayState] | None] = (
            SimpleQueue()
        )
        self._ready: Queue[AnyBatch] = Queue()
        batches = [
            buffer.empty_batch(config.batch_size) for _ in range(config.batches_ahead + 1)
        ]
        self._is_ahead = config.batches_ahead > 0
        self._free: list[AnyBatch] = batches if self._is_ahead else []  # the thread's
        self._idle: list[AnyBatch] = [] if self._is_ahead else batches  # the learner's
        # What the random numbers were before each of the newest batches was drawn.
        self._drawn_from: deque[dict[str, Any]] = deque(maxlen=len(batches))
        self._drawn, self._taken = 0, 0  # by the thread, by the learner
        self._stepped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="sampler")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._mailbox.put(None)
        self._thread.join(JOIN_TIMEOUT_S)

    # For the other threads ------------------------------------------------------------

    @property
    def env_steps(self) -> int:
        """Transitions stored since the start of the run."""
        return self._buffer.transitions_added

    @property
    def buffer_size(self) -> int:
        """Transitions in the buffer."""
        return len(self._buffer)

    @property
    def missing(self) -> int:
        """Transitions without which no batch is drawn."""
        enough = max(self._config.learning_starts, 1)
        return max(enough - len(self._buffer), 0)

    @property
    def inbox_size(self) -> int:
        """Time steps and requests that wait for the thread."""
        return self._mailbox.qsize()

    def wait_for_step(self, timeout_s: float) -> None:
        """Wait until a time step has been handled since the last call, or a while."""
        self._check_alive()
        self._stepped.wait(timeout_s)
        self._stepped.clear()

    def offer(self, step: TimeStep) -> bool:
        """Hand over a time step without waiting; return whether there was room."""
        if self._mailbox.qsize() >= self._config.inbox_capacity:
            self.overflowed += 1
            return False
        self._mailbox.put(step)
        return True

    def take(self, timeout_s: float) -> AnyBatch | None:
        """Return a filled batch, or nothing after `timeout_s`; give it back after use.

        Raises:
            RuntimeError: the thread has died; its error is the cause.
        """
        self._check_alive()
        if self._idle:
            self._mailbox.put(self._idle.pop())
        try:
            batch = self._ready.get(timeout=timeout_s)
        except Empty:
            return None
        self._taken += 1
        return batch

    def give_back(self, batch: AnyBatch) -> None:
        """Return the memory of a batch; it is filled again, at once or when asked for."""
        if self._is_ahead:
            self._mailbox.put(batch)
        else:
            self._idle.append(batch)

    def go_on_after(self, newest: Mapping[int, int], durable: Durable) -> None:
        """Know what a resumed run has: the newest sequence number of each run.

        Call it before the thread is started.
        """
        self._newest = dict(newest)
        self.handled = Handled(durable.run_id, durable.sequence)

    def state(self) -> ReplayState:
        """Return what a checkpoint needs; all batches that were taken must be used.

        Batches that are filled and not taken do not count: a resumed run draws them anew.

        Raises:
            RuntimeError: the thread has died; its error is the cause.
        """
        request: Future[ReplayState] = Future()
        self._mailbox.put(request)
        while not wait([request], timeout=POLL_S).done:
            self._check_alive()
        return request.result()

    def _check_alive(self) -> None:
        if self._error is not None:
            raise RuntimeError("the sampler thread died") from self._error

    # In the thread --------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._prepare()  # from what a resumed run already has
            while (item := self._mailbox.get()) is not None:
                self._handle(item)
                self._prepare()
        except BaseException as error:  # noqa: BLE001  raised again by take()
            self._error = error

    def _handle(self, item: TimeStep | AnyBatch | Future[ReplayState]) -> None:
        if isinstance(item, TimeStep):
            self._store(item)
            self.handled = Handled(item.run_id, item.sequence)
            self._stepped.set()
        elif isinstance(item, Future):
            item.set_result(self._state())
        else:
            self._free.append(item)

    def _store(self, step: TimeStep) -> None:
        counts = self.counts
        before = self._newest.get(step.run_id, step.sequence - 1)
        if step.sequence <= before:
            self.counts = counts._replace(
                refused=counts.refused + 1, repeated=counts.repeated + 1
            )
            return
        try:
            if step.sequence - before > MAX_GAP:
                raise ValueError(f"sequence {step.sequence} is far above {before}")
            added = self._buffer.add(step)
        except ValueError as error:
            self.last_refusal = str(error)
            self.counts = counts._replace(refused=counts.refused + 1)
            return
        if self._record is not None:
            self._record(step, self._buffer.transitions_added)
        self._newest[step.run_id] = step.sequence
        self.counts = counts._replace(
            transitions=counts.transitions + (added is Added.TRANSITION),
            lost=counts.lost + step.sequence - before - 1,
            incomplete=counts.incomplete + (added in (Added.AFTER_GAP, Added.INCOMPLETE)),
        )

    def _prepare(self) -> None:
        while self._free and not self.missing:
            batch = self._free.pop()
            self._drawn_from.append(dict(self._generator.bit_generator.state))
            self._drawn += 1
            self._buffer.sample_into(batch, self._generator)
            self._ready.put(batch)

    def _state(self) -> ReplayState:
        """Return the state; the learner waits for it, so `_taken` stands still."""
        left = self._drawn - self._taken
        state = dict(self._generator.bit_generator.state)
        generator = self._drawn_from[-left] if left else state
        return ReplayState(self._buffer.transitions_added, generator)
