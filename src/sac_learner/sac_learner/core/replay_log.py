"""The replay buffer on disk: an append-only log of time steps, in files of bounded size.

Reading the files in order and adding the steps again rebuilds the buffer. Nothing is ever
written again: a file is appended to, then left alone, then deleted as a whole.
"""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sac_learner.core.durable_file import append_durably, sync_directory
from sac_learner.core.segment_file import (
    LoggedStep,
    cut_torn_tail,
    pack_record,
    read_steps,
    segment_number,
    segment_path,
    segment_paths,
)
from sac_learner.core.time_step import STACK_FRAMES, TimeStep

STEPS_PER_RECORD = 64
SEGMENT_BYTES = 64_000_000


@dataclass(frozen=True)
class Durable:
    """How far the log reaches on disk.

    Attributes:
        run_id: Of the newest time step on disk; 0 before the first.
        sequence: Of the same; those before it are on disk too.
        env_steps: Transitions that the run had stored with it.
    """

    run_id: int = 0
    sequence: int = 0
    env_steps: int = 0


class ReplayLog:
    """Collects time steps and writes them at the end of a file. Owned by one thread.

    Attributes:
        durable: Replaced whole after each write; every thread may read it.
        newest: Sequence number of the newest step on disk, of each run; of `read` alone.
    """

    def __init__(self, directory: Path, capacity: int) -> None:
        """Begin a log; `capacity` is in transitions."""
        self.durable = Durable()
        self.newest: dict[int, int] = {}
        self._directory = directory
        self._capacity = capacity
        self._files: list[tuple[Path, int]] = []  # and env_steps at its end, oldest first
        self._oldest: int | None = None  # transitions counted by the first step read
        self._descriptor = -1  # of the newest file, if it still grows
        self._length = 0  # bytes of it that are on disk
        # While nothing can be written (a full disk) the newest steps wait, not all.
        self._waiting: deque[LoggedStep] = deque(maxlen=2 * capacity)

    def read(
        self, problems: list[str], should_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[TimeStep]:
        """Return the steps on disk, each once, and go on after them.

        Call it before the first `append`. What a killed writer left unfinished is cut
        off; that, and what else is not whole, is added to `problems`.
        """
        for path in segment_paths(self._directory):
            try:
                if cut := cut_torn_tail(path):
                    problems.append(cut)
            except (OSError, ValueError):
                pass  # `read_steps` says the same
            for logged in read_steps(path, problems):
                if should_stop():
                    return
                problem = self._disorder(logged.env_steps)
                if problem and f"{path}: {problem}" not in problems:
                    problems.append(f"{path}: {problem}")
                if self._is_new(logged):
                    yield logged.step
            self._files.append((path, self.durable.env_steps))
        if (oldest := self._oldest or 0) > self._first_kept:
            problems.append(
                f"{self._directory} begins at transition {oldest}, "
                f"of a capacity of {self._capacity}: older ones are missing"
            )

    @property
    def _first_kept(self) -> int:
        """Newest transition that the oldest file on disk may begin with."""
        return max(1, self.durable.env_steps - self._capacity)

    def _disorder(self, env_steps: int) -> str:
        """Return what is wrong with a step that counts so many transitions, or ""."""
        if self._oldest is None:
            self._oldest = env_steps
        elif env_steps < self._oldest:
            return (
                f"holds transitions from before {self._oldest}, which an older file has"
            )
        elif env_steps > self.durable.env_steps + 1:
            first, last = self.durable.env_steps + 1, env_steps - 1
            return f"transitions {first} to {last} are missing before it"
        return ""

    def _is_new(self, logged: LoggedStep) -> bool:
        """Note a step that was read; a failed write may have left it in two files."""
        step, env_steps = logged
        if step.sequence <= self.newest.get(step.run_id, 0):
            return False
        self.newest[step.run_id] = step.sequence
        self.durable = Durable(step.run_id, step.sequence, env_steps)
        return True

    def append(self, step: TimeStep, env_steps: int) -> None:
        """Note a step for the next `flush`; `env_steps` counts the transition it ends."""
        self._waiting.append(LoggedStep(step, env_steps))

    def flush(self) -> None:
        """Write what waits and wait until it lies on disk; drop what is too old.

        Raises:
            OSError: it cannot be written; it waits for the next try.
        """
        while self._waiting:
            logged = list(islice(self._waiting, STEPS_PER_RECORD))
            self._write(pack_record(logged))
            for _ in logged:
                self._waiting.popleft()
            step, env_steps = logged[-1]
            self._files[-1] = self._files[-1][0], env_steps
            self.durable = Durable(step.run_id, step.sequence, env_steps)
            self._drop_old_files()

    def close(self) -> None:
        """Close the newest file; a later `flush` begins another one."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, record: bytes) -> None:
        try:
            if self._descriptor < 0:
                self._begin_file()
            append_durably(self._descriptor, record)
        except OSError:
            self._abandon_file()
            raise
        self._length += len(record)
        if self._length >= SEGMENT_BYTES:
            self.close()

    def _begin_file(self) -> None:
        number = segment_number(self._files[-1][0]) + 1 if self._files else 1
        path = segment_path(self._directory, number)
        self._directory.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self._descriptor = os.open(path, flags, 0o644)
        self._files.append((path, self.durable.env_steps))
        self._length = 0
        sync_directory(self._directory)

    def _abandon_file(self) -> None:
        """Leave a file after a failed write, without what may be half written.

        Nothing more goes into it: after an error nobody knows what the kernel kept.
        """
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self._length)
        with contextlib.suppress(OSError):
            self.close()
        self._descriptor = -1
        if self._length == 0:
            with contextlib.suppress(OSError):
                self._files[-1][0].unlink()
                self._files.pop()  # else its number is used, and the next one is free

    def _drop_old_files(self) -> None:
        """Delete files older than `capacity` transitions and the frames that they use."""
        enough = self._capacity + STACK_FRAMES
        while self.durable.env_steps - self._files[0][1] >= enough:
            self._files.pop(0)[0].unlink(missing_ok=True)
