"""The replay buffer on disk: time steps in segment files, each written once.

A segment is a safetensors file of the steps that arrived since the last one. Reading them
in order and adding the steps again rebuilds the buffer.
"""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sac_learner.core.durable_file import write_durably
from sac_learner.core.time_step import TimeStep

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Segment:
    """One file of the log.

    Attributes:
        name: File name in the log's directory.
        transitions: That its steps ended.
        sha256: Of the file, hexadecimal.
    """

    name: str
    transitions: int
    sha256: str


class ReplayLog:
    """Collects time steps and writes them in segments. Owned by one thread.

    Attributes:
        segments: Written ones that still matter, oldest first.
    """

    def __init__(
        self, directory: Path, capacity: int, segments: Sequence[Segment] = ()
    ) -> None:
        """Continue a log of `segments`, or begin one; `capacity` is in transitions."""
        self.segments = tuple(segments)
        self._directory = directory
        self._capacity = capacity
        # While nothing can be written (a full disk) the newest steps wait, not all.
        self._waiting: deque[tuple[TimeStep, bool]] = deque(maxlen=2 * capacity)

    def append(self, step: TimeStep, is_transition: bool) -> None:
        """Note a step for the next segment."""
        self._waiting.append((step, is_transition))

    def flush(self) -> tuple[Segment, ...]:
        """Write what is new and return the segments that hold the whole buffer."""
        if self._waiting:
            self.segments = (*self.segments, self._write())
            self._waiting.clear()
        kept = sum(segment.transitions for segment in self.segments)
        while self.segments and kept - self.segments[0].transitions >= self._capacity:
            kept -= self.segments[0].transitions
            self.segments = self.segments[1:]
        return self.segments

    def _write(self) -> Segment:
        name = f"segment_{self._next_number():08d}.safetensors"
        data = save(_arrays([step for step, _ in self._waiting]))
        self._directory.mkdir(parents=True, exist_ok=True)
        write_durably(self._directory / name, data)
        transitions = sum(is_transition for _, is_transition in self._waiting)
        return Segment(name, transitions, hashlib.sha256(data).hexdigest())

    def _next_number(self) -> int:
        if not self.segments:
            return 1
        return int(Path(self.segments[-1].name).stem.removeprefix("segment_")) + 1


def read_segment(directory: Path, segment: Segment) -> Iterator[TimeStep]:
    """Return the steps of a segment, in order.

    Raises:
        OSError: it is not there.
        ValueError: its checksum or its content is wrong.
    """
    data = (directory / segment.name).read_bytes()
    if hashlib.sha256(data).hexdigest() != segment.sha256:
        raise ValueError(f"checksum of {directory / segment.name} is wrong")
    try:
        arrays = load(data)
    except SafetensorError as error:
        raise ValueError(f"{directory / segment.name}: {error}") from None
    return _steps(arrays)


def _arrays(steps: Sequence[TimeStep]) -> Arrays:
    return {
        "run_id": np.array([step.run_id for step in steps], np.uint64),
        "sequence": np.array([step.sequence for step in steps], np.uint64),
        "episode": np.array([step.episode for step in steps], np.uint32),
        "step": np.array([step.step for step in steps], np.uint32),
        "is_first": np.array([step.is_first for step in steps]),
        "is_last": np.array([step.is_last for step in steps]),
        "is_terminal": np.array([step.is_terminal for step in steps]),
        "action": np.stack([step.action for step in steps]),
        "reward": np.array([step.reward for step in steps], np.float32),
        "stack_ids": np.array([step.stack_ids for step in steps], np.uint64),
        "frame_count": np.array([len(step.frame_ids) for step in steps], np.uint32),
        "frame_ids": np.array([i for step in steps for i in step.frame_ids], np.uint64),
        "frames": np.concatenate([step.frames for step in steps]),
        "proprioception": np.stack([step.proprioception for step in steps]),
    }


def _steps(arrays: Arrays) -> Iterator[TimeStep]:
    ends = np.cumsum(arrays["frame_count"]).tolist()
    for i, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
        yield TimeStep(
            run_id=int(arrays["run_id"][i]),
            sequence=int(arrays["sequence"][i]),
            episode=int(arrays["episode"][i]),
            step=int(arrays["step"][i]),
            is_first=bool(arrays["is_first"][i]),
            is_last=bool(arrays["is_last"][i]),
            is_terminal=bool(arrays["is_terminal"][i]),
            action=arrays["action"][i],
            reward=float(arrays["reward"][i]),
            stack_ids=tuple(arrays["stack_ids"][i].tolist()),
            frame_ids=tuple(arrays["frame_ids"][begin:end].tolist()),
            frames=arrays["frames"][begin:end].astype(np.uint8, copy=False),
            proprioception=arrays["proprioception"][i],
        )
