"""The thread that owns what a run leaves on disk: time steps and checkpoints."""

import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from torch import Tensor

from sac_learner.core.checkpoint import RunState, prune, write_checkpoint
from sac_learner.core.parameters import EncodedPolicy
from sac_learner.core.replay_log import Durable, ReplayLog
from sac_learner.core.segment_file import LoggedStep
from sac_learner.core.time_step import TimeStep

FLUSH_PERIOD_S = 0.5  # the most that a kill -9 makes the environment send again
JOIN_TIMEOUT_S = 10.0
POLL_S = 0.1


@dataclass(frozen=True)
class Snapshot:
    """Copies of all that a checkpoint needs; the run goes on while they are written."""

    state: RunState
    tensors: Mapping[str, Tensor]
    policy: EncodedPolicy


class RunWriter:
    """Writes and syncs, so that neither sampler nor gradient loop waits for a disk.

    Use as a context manager; leaving it writes what is left.
    """

    def __init__(
        self, run_dir: Path, log: ReplayLog, *, kept: int, capacity: int
    ) -> None:
        """Write to `run_dir`, keep that many checkpoints and `capacity` transitions."""
        self._replay_problem = ""
        self._checkpoint_problem = ""
        self._run_dir = run_dir
        self._log = log
        self._kept = kept
        # While the disk hangs, the newest steps wait, not all.
        self._arrived: deque[LoggedStep] = deque(maxlen=2 * capacity)
        self._requests: SimpleQueue[tuple[Snapshot, Future[Path]]] = SimpleQueue()
        self._wake = threading.Event()
        self._is_closing = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="run writer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closing = True
        self._wake.set()
        self._thread.join(JOIN_TIMEOUT_S)

    # For the other threads ------------------------------------------------------------

    @property
    def durable(self) -> Durable:
        """How far the time steps on disk reach."""
        return self._log.durable

    @property
    def problem(self) -> str:
        """What the newest writes failed by, for people; "" if they did not."""
        return self._checkpoint_problem or self._replay_problem

    def append(self, step: TimeStep, env_steps: int) -> None:
        """Hand over a time step without waiting; for the sampler's thread alone."""
        self._arrived.append(LoggedStep(step, env_steps))

    def save(self, snapshot: Snapshot) -> Future[Path]:
        """Ask for a checkpoint, after all time steps that were handed over before."""
        request: Future[Path] = Future()
        self._requests.put((snapshot, request))
        self._wake.set()
        return request

    def wait_for(self, request: Future[Path]) -> Path:
        """Wait until a checkpoint that was asked for lies on disk; return it.

        Raises:
            OSError: it cannot be written.
            RuntimeError: the thread has died; its error is the cause.
        """
        while not wait([request], timeout=POLL_S).done:
            self.check_alive()
        return request.result()

    def check_alive(self) -> None:
        """Raise the error that ended the thread, if one did.

        Raises:
            RuntimeError: its cause is that error.
        """
        if self._error is not None:
            raise RuntimeError("the run writer's thread died") from self._error

    # In the thread --------------------------------------------------------------------

    def _run(self) -> None:
        try:
            is_last = False
            while not is_last:
                self._wake.wait(FLUSH_PERIOD_S)
                self._wake.clear()
                is_last = self._is_closing  # what was handed over before is still written
                self._write()
            self._log.close()
        except BaseException as error:  # noqa: BLE001  raised again by check_alive()
            self._error = error

    def _write(self) -> None:
        requests = _drained(self._requests)  # before the steps that they must not miss
        failure = self._flush()
        self._replay_problem = f"no time step is saved: {failure}" if failure else ""
        for snapshot, request in requests:
            try:
                if failure is not None:
                    raise failure
                path = write_checkpoint(
                    self._run_dir, snapshot.state, snapshot.tensors, snapshot.policy
                )
            except OSError as error:
                self._checkpoint_problem = f"no checkpoint: {error}"
                request.set_exception(error)
            else:
                self._checkpoint_problem = "; ".join(prune(self._run_dir, self._kept))
                request.set_result(path)

    def _flush(self) -> OSError | None:
        """Write the time steps that have arrived; return what went wrong."""
        while self._arrived:
            self._log.append(*self._arrived.popleft())
        try:
            self._log.flush()
        except OSError as error:
            return error
        return None


def _drained(
    requests: "SimpleQueue[tuple[Snapshot, Future[Path]]]",
) -> list[tuple[Snapshot, "Future[Path]"]]:
    found = []
    try:
        while True:
            found.append(requests.get_nowait())
    except Empty:
        return found
