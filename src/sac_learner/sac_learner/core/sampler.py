"""The thread between the topic and the gradients: it stores and samples, all alone."""

import threading
from concurrent.futures import Future, wait
from dataclasses import dataclass
from queue import Empty, Queue, SimpleQueue
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from sac_learner.core.batch import Batch, empty_batch
from sac_learner.core.config import LearnerConfig
from sac_learner.core.replay_buffer import Added, ReplayBuffer
from sac_learner.core.replay_log import ReplayLog, Segment
from sac_learner.core.time_step import TimeStep

JOIN_TIMEOUT_S = 10.0
POLL_S = 0.1


class Counts(NamedTuple):
    """What became of the time steps that this process was sent."""

    transitions: int = 0
    lost: int = 0  # gaps in the sequence numbers
    refused: int = 0  # duplicates, and steps that do not fit
    incomplete: int = 0  # stored without a predecessor or not at all, because of a loss


@dataclass(frozen=True)
class ReplayState:
    """The replay side of a checkpoint."""

    env_steps: int
    segments: tuple[Segment, ...]
    generator: dict[str, object]


class Sampler:
    """Owns replay buffer, replay log and their random numbers, in a thread of its own.

    Everybody else talks to that thread through one mailbox: time steps, used batches and
    requests to save go in; filled batches come out of `_ready`. So nothing is ever read
    while it is written, and there is no lock. Use as a context manager.

    Attributes:
        counts: Replaced whole by the thread after each step.
        overflowed: Steps refused because the mailbox was full; counted by the sender.
        last_refusal: What was wrong with the newest step that was refused.
    """

    def __init__(
        self,
        config: LearnerConfig,
        buffer: ReplayBuffer,
        log: ReplayLog | None,
        generator: np.random.Generator,
    ) -> None:
        self.counts = Counts()
        self.overflowed = 0
        self.last_refusal = ""
        self._config = config
        self._buffer = buffer
        self._log = log
        self._generator = generator
        self._newest: dict[int, int] = {}  # run_id -> sequence
        self._mailbox: SimpleQueue[TimeStep | Batch | Future[ReplayState] | None] = (
            SimpleQueue()
        )
        self._ready: Queue[Batch] = Queue()
        self._free = [
            empty_batch(config.batch_size, config.network)
            for _ in range(config.prepared_batches + 1)
        ]
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

    def offer(self, step: TimeStep) -> bool:
        """Hand over a time step without waiting; return whether there was room."""
        if self._mailbox.qsize() >= self._config.inbox_capacity:
            self.overflowed += 1
            return False
        self._mailbox.put(step)
        return True

    def take(self, timeout_s: float) -> Batch | None:
        """Return a filled batch, or nothing after `timeout_s`; give it back after use.

        Raises:
            RuntimeError: the thread has died; its error is the cause.
        """
        self._check_alive()
        try:
            return self._ready.get(timeout=timeout_s)
        except Empty:
            return None

    def give_back(self, batch: Batch) -> None:
        """Return the memory of a batch; it is filled again."""
        self._mailbox.put(batch)

    def save(self) -> ReplayState:
        """Write what is new to the replay log; wait until it lies on disk.

        Raises:
            OSError: it cannot be written.
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
            while (item := self._mailbox.get()) is not None:
                self._handle(item)
                self._prepare()
        except BaseException as error:  # noqa: BLE001  raised again by take()
            self._error = error

    def _handle(self, item: TimeStep | Batch | Future[ReplayState]) -> None:
        if isinstance(item, TimeStep):
            self._store(item)
        elif isinstance(item, Future):
            self._save(item)
        else:
            self._free.append(item)

    def _store(self, step: TimeStep) -> None:
        counts = self.counts
        try:
            added = self._buffer.add(step)
        except ValueError as error:
            self.last_refusal = str(error)
            self.counts = counts._replace(refused=counts.refused + 1)
            return
        if added is Added.DUPLICATE:
            self.counts = counts._replace(refused=counts.refused + 1)
            return
        if self._log is not None:
            self._log.append(step, added is Added.TRANSITION)
        before = self._newest.get(step.run_id, step.sequence - 1)
        self._newest = {step.run_id: step.sequence}
        self.counts = counts._replace(
            transitions=counts.transitions + (added is Added.TRANSITION),
            lost=counts.lost + step.sequence - before - 1,
            incomplete=counts.incomplete + (added in (Added.AFTER_GAP, Added.INCOMPLETE)),
        )

    def _prepare(self) -> None:
        enough = max(self._config.learning_starts, 1)
        while self._free and len(self._buffer) >= enough:
            batch = self._free.pop()
            self._buffer.sample_into(batch, self._generator)
            self._ready.put(batch)

    def _save(self, request: Future[ReplayState]) -> None:
        try:
            segments = self._log.flush() if self._log is not None else ()
        except OSError as error:
            request.set_exception(error)
            return
        state = dict(self._generator.bit_generator.state)
        request.set_result(ReplayState(self._buffer.transitions_added, segments, state))
