"""Segment files: time steps in records that are appended and never changed.

A record is a header (magic, length and SHA-256 of the rest) and a safetensors payload. So
a file says by itself how far it is whole, whenever its writer was killed.
"""

import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sac_learner.core.bounded_file import in_one_line, opened
from sac_learner.core.time_step import COLOURS, STACK_FRAMES, TimeStep

MAGIC = b"STEP"
HEADER = struct.Struct("<4sQ32s")

MAX_RECORD_BYTES = 2**31  # a record of the largest images holds 1.6 GB
MAX_BYTES = 2**32  # of a file: it may end with such a record

Arrays = dict[str, NDArray[np.generic]]

COLUMNS: tuple[tuple[str, str, tuple[int | None, ...]], ...] = (
    ("env_steps", "u8", ()),  # name, type and shape of what a record holds of each step
    ("run_id", "u8", ()),
    ("sequence", "u8", ()),
    ("episode", "u4", ()),
    ("step", "u4", ()),
    ("is_first", "?", ()),
    ("is_last", "?", ()),
    ("is_terminal", "?", ()),
    ("action", "f4", (None,)),
    ("reward", "f4", ()),
    ("stack_ids", "u8", (STACK_FRAMES,)),
    ("frame_count", "u4", ()),
    ("proprioception", "f4", (None,)),
)


class LoggedStep(NamedTuple):
    """A time step, and the transitions stored since the start of the run with it."""

    step: TimeStep
    env_steps: int


def pack_record(logged: Sequence[LoggedStep]) -> bytes:
    """Return the record that holds these steps, at least one."""
    payload = save(_arrays(logged))
    digest = hashlib.sha256(payload).digest()
    return HEADER.pack(MAGIC, len(payload), digest) + payload


def segment_paths(directory: Path) -> list[Path]:
    """Return the segment files of a log, oldest first."""
    return sorted(directory.glob("segment_*.steps"))


def segment_path(directory: Path, number: int) -> Path:
    """Return where the segment of that number lies."""
    return directory / f"segment_{number:08d}.steps"


def segment_number(path: Path) -> int:
    """Return the number in a segment's name."""
    return int(path.stem.removeprefix("segment_"))


def read_steps(path: Path, problems: list[str]) -> Iterator[LoggedStep]:
    """Return the steps of a segment, in order; add to `problems` what is not whole."""
    try:
        for offset, digest, payload in _records(path):
            if hashlib.sha256(payload).digest() != digest:
                problems.append(f"{path}: checksum of the record at {offset} is wrong")
            else:
                yield from _logged(_checked(load(payload)))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        problems.append(_naming(path, error))


def _naming(path: Path, error: Exception) -> str:
    text = in_one_line(error)
    return text if str(path) in text else f"{path}: {text}"


def cut_torn_tail(path: Path) -> str:
    """Cut off a record whose writer was killed; return what was cut off, or "".

    Raises:
        OSError, ValueError: the file cannot be read or changed.
    """
    end = 0
    with opened(path, MAX_BYTES) as file:
        size = os.fstat(file.fileno()).st_size
        while len(header := file.read(HEADER.size)) == HEADER.size:
            magic, length, _ = HEADER.unpack(header)
            if magic != MAGIC or length > MAX_RECORD_BYTES:
                return ""  # no torn tail but damage: `read_steps` tells
            if end + HEADER.size + length > size:
                break
            end += HEADER.size + length
            file.seek(end)
    if end == size:
        return ""
    os.truncate(path, end)
    return f"{path}: cut off {size - end} bytes of a write that was not finished"


def _records(path: Path) -> Iterator[tuple[int, bytes, bytes]]:
    """Return offset, digest and payload of each record.

    Raises:
        OSError, ValueError: the file cannot be read, is empty, or none of whole records.
    """
    with opened(path, MAX_BYTES) as file:
        while True:
            offset = file.tell()
            header = file.read(HEADER.size)
            if not header:
                if offset == 0:
                    raise ValueError(f"{path} is empty")
                return
            magic, length, digest = HEADER.unpack(header.ljust(HEADER.size, b"\0"))
            left = os.fstat(file.fileno()).st_size - file.tell()
            is_whole = len(header) == HEADER.size and length <= left
            if not is_whole or magic != MAGIC or length > MAX_RECORD_BYTES:
                raise ValueError(f"no whole record at byte {offset}")
            yield offset, digest, file.read(length)


def _arrays(logged: Sequence[LoggedStep]) -> Arrays:
    steps = [step for step, _ in logged]
    return {
        "env_steps": np.array([env_steps for _, env_steps in logged], np.uint64),
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


def _checked(arrays: Arrays) -> Arrays:
    """Return the arrays of a record if they fit each other.

    Raises:
        KeyError: one is missing.
        ValueError: names the array, its type and shape, and what they must be.
    """
    n, counts = len(arrays["env_steps"]), arrays["frame_count"]
    for name, kind, shape in COLUMNS:
        _check(name, arrays[name], kind, (n, *shape))
    most = STACK_FRAMES * n
    if int(counts.max(initial=0)) > STACK_FRAMES or int(counts.sum()) > most:
        raise ValueError(
            f"frame_count must be at most {STACK_FRAMES}, got {counts.max()}"
        )
    frames = int(counts.sum())
    _check("frame_ids", arrays["frame_ids"], "u8", (frames,))
    _check("frames", arrays["frames"], "u1", (frames, COLOURS, None, None))
    return arrays


def _check(
    name: str, array: NDArray[np.generic], kind: str, shape: Sequence[int | None]
) -> None:
    """Raise ValueError unless an array has that type and shape; None is any size."""
    fits = len(shape) == array.ndim and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if array.dtype != np.dtype(kind) or not fits:
        raise ValueError(
            f"{name} must be {np.dtype(kind)} of shape {tuple(shape)}, "
            f"got {array.dtype} {array.shape}"
        )


def _logged(arrays: Arrays) -> Iterator[LoggedStep]:
    ends = np.cumsum(arrays["frame_count"]).tolist()
    for i, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
        step = TimeStep(
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
        yield LoggedStep(step, int(arrays["env_steps"][i]))
