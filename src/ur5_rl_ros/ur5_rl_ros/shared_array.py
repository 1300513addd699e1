"""A small numpy array in a memory-mapped file: one writer, any number of readers.

What the simulation shows its own parts (pixels on the screen, true joint positions) goes
through here, never through the graph's topics. A sequence lock keeps readers from using a
half-written array; the writer never waits.
"""

import mmap
import os
import struct
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAGIC = b"UR5RLSA1"
HEADER = struct.Struct("<8s8sqqqqqq")  # magic, dtype, sequence, steady_ns, shape[4]
SEQUENCE = struct.Struct("<q")
SEQUENCE_OFFSET = 16
STEADY_OFFSET = 24
MAX_DIMENSIONS = 4
KINDS = "biuf"  # truth values, whole numbers, floats: nothing that is a pointer


class SharedArrayWriter:
    """Creates the file and writes the array. Owned by one thread of one process."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str) -> None:
        if not 1 <= len(shape) <= MAX_DIMENSIONS or min(shape) < 1:
            raise ValueError(
                f"shape must have 1 to {MAX_DIMENSIONS} dimensions of at least 1, "
                f"got {shape}"
            )
        if np.dtype(dtype).kind not in KINDS:
            raise ValueError(f"dtype must be of numbers, got '{dtype}'")
        size = HEADER.size + int(np.prod(shape)) * np.dtype(dtype).itemsize
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        with open(partial, "w+b") as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        code = np.dtype(dtype).str.encode()
        dimensions = (*shape, *([0] * (MAX_DIMENSIONS - len(shape))))
        HEADER.pack_into(self._map, 0, MAGIC, code, 0, 0, *dimensions)
        self.array: NDArray = np.ndarray(shape, dtype, self._map, offset=HEADER.size)
        self._sequence = 0
        os.replace(partial, path)  # readers see a whole file or none

    def begin(self) -> NDArray:
        """Mark the array as being written and return it; finish with `commit`."""
        self._sequence += 1
        SEQUENCE.pack_into(self._map, SEQUENCE_OFFSET, self._sequence)
        return self.array

    def commit(self, steady_ns: int) -> None:
        """Mark the array as whole; `steady_ns` is the instant it shows [ns]."""
        SEQUENCE.pack_into(self._map, STEADY_OFFSET, steady_ns)
        self._sequence += 1
        SEQUENCE.pack_into(self._map, SEQUENCE_OFFSET, self._sequence)


class SharedArrayReader:
    """Reads what a `SharedArrayWriter` wrote, also in another process."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            OSError: it is not there (yet).
            ValueError: it is not a shared array.
        """
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size < HEADER.size:
                raise ValueError(f"{path} is not a shared array: it is too short")
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self._path, self._inode = path, status.st_ino
        try:
            self.array = _array_in(self._map)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a shared array: {error}") from None

    @property
    def sequence(self) -> int:
        """Count that is even while the array is whole and grows with each write."""
        return int(SEQUENCE.unpack_from(self._map, SEQUENCE_OFFSET)[0])

    @property
    def steady_ns(self) -> int:
        """Instant that the array shows, as the writer gave it [ns]."""
        return int(SEQUENCE.unpack_from(self._map, STEADY_OFFSET)[0])

    @property
    def is_replaced(self) -> bool:
        """Whether a new writer has made a new file: open it again."""
        try:
            return os.stat(self._path).st_ino != self._inode
        except OSError:
            return False

    def read(self, timeout_s: float = 0.01) -> tuple[NDArray, int]:
        """Return a whole copy of the array and the instant that it shows [ns].

        Raises:
            TimeoutError: the writer stayed in the middle of a write (it died there).
        """
        deadline = time.monotonic() + timeout_s
        while True:
            before = self.sequence
            if before % 2 == 0:
                copy, steady_ns = self.array.copy(), self.steady_ns
                if self.sequence == before:
                    return copy, steady_ns
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._path} stayed half-written for {timeout_s} s")
            time.sleep(0.0)


def _array_in(buffer: mmap.mmap) -> NDArray:
    """Return the array that a header describes, as a view of the file.

    Raises:
        TypeError, ValueError: there is no such header, or the file is too short for it.
    """
    magic, code, _, _, *dimensions = HEADER.unpack_from(buffer)
    dtype = np.dtype(code.rstrip(b"\0").decode())
    shape = tuple(d for d in dimensions if d)
    if magic != MAGIC or dtype.kind not in KINDS or min(shape, default=0) < 1:
        raise ValueError(f"header {magic!r}, dtype {dtype}, shape {shape}")
    return np.ndarray(shape, dtype, buffer, offset=HEADER.size)
