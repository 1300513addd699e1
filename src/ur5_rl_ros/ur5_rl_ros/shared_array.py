"""A small numpy array in a file: one writer, any number of readers.

What the simulation shows its own parts (pixels on the screen, true joint positions) goes
through here, never through the graph's topics. The writer never waits; it writes into a
map of the file. A reader copies the file by a system call, because a file that is cut
short kills who looks at a map of it, and by a single one, because after each of them a
thread may wait for its interpreter. The call goes from the first byte to the last: it
meets the count of writes that were finished, the array, the count of those that were
begun. Where both are equal, none was under way in between.
"""

import math
import mmap
import os
import re
import stat
import struct
import time
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC = b"UR5RLSA2"
HEADER = struct.Struct("<8s8sqqqqqq")  # magic, dtype, finished, steady_ns, shape[4]
NUMBER = struct.Struct("<q")  # any of these; the count of begun writes ends the file
FINISHED_OFFSET = 16
STEADY_OFFSET = 24
MAX_DIMENSIONS = 4
MAX_BYTES = 2**28  # of a file: twice the largest screen
KINDS = "biuf"  # truth values, whole numbers, floats: nothing that is a pointer
CODE = re.compile(f"[<>|][{KINDS}][0-9]+")


class SharedArrayWriter:
    """Creates the file and writes the array. Owned by one thread of one process."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str) -> None:
        """Create the file.

        Raises:
            OSError: there is no room for it; names it.
            ValueError: such an array cannot be shared.
        """
        if not 1 <= len(shape) <= MAX_DIMENSIONS or min(shape) < 1:
            raise ValueError(
                f"shape must have 1 to {MAX_DIMENSIONS} dimensions of at least 1, "
                f"got {shape}"
            )
        if np.dtype(dtype).kind not in KINDS:
            raise ValueError(f"dtype must be of numbers, got '{dtype}'")
        size = _file_size(shape, np.dtype(dtype))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            self._map = _new_map(partial, size)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(path)) from None
        code = np.dtype(dtype).str.encode()
        dimensions = (*shape, *([0] * (MAX_DIMENSIONS - len(shape))))
        HEADER.pack_into(self._map, 0, MAGIC, code, 0, 0, *dimensions)
        self.array: NDArray = np.ndarray(shape, dtype, self._map, offset=HEADER.size)
        self._begun_offset = size - NUMBER.size
        self._writes = 0
        os.replace(partial, path)  # readers see a whole file or none

    def begin(self) -> NDArray:
        """Mark the array as being written and return it; finish with `commit`."""
        self._writes += 1
        NUMBER.pack_into(self._map, self._begun_offset, self._writes)
        return self.array

    def commit(self, steady_ns: int) -> None:
        """Mark the array as whole; `steady_ns` is the instant it shows [ns]."""
        NUMBER.pack_into(self._map, STEADY_OFFSET, steady_ns)
        NUMBER.pack_into(self._map, FINISHED_OFFSET, self._writes)


class Header(NamedTuple):
    """What stands before the array."""

    magic: bytes
    code: bytes  # of the dtype
    finished: int  # writes
    steady_ns: int
    dimensions: tuple[int, ...]  # of the shape, zeros behind them

    @property
    def layout(self) -> tuple[Any, ...]:
        """What stays for as long as the file is the same."""
        return self.magic, self.code, self.dimensions


class SharedArrayReader:
    """Reads what a `SharedArrayWriter` wrote, also in another process.

    Whatever becomes of the file, `read` returns an array of the shape and the type that
    it had at first, or raises.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            OSError: it is not there (yet).
            ValueError: it is not a shared array.
        """
        self._path = path
        self._file = open(path, "rb", buffering=0, opener=_at_once)  # noqa: SIM115
        try:
            status = os.fstat(self._file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("it is no regular file")
            self._inode, self._size = status.st_ino, status.st_size
            header = _header(os.pread(self._file.fileno(), HEADER.size, 0))
            self._layout = header.layout
            self._shape, self._dtype = _shape_and_dtype(header, self._size)
        except (TypeError, ValueError) as error:
            self.close()
            raise self._refusal(error) from None

    def close(self) -> None:
        """Close the file; nothing can be read after that."""
        self._file.close()

    @property
    def steady_ns(self) -> int:
        """Instant that the newest array shows [ns]; 0 before the first."""
        return self._take()[0].steady_ns

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
            ValueError: somebody has changed the file, it is no shared array any more.
        """
        deadline, is_late = time.monotonic() + timeout_s, False
        while True:
            header, array, begun = self._take()
            if header.layout != self._layout:
                raise self._refusal("its header has changed")
            if header.finished == begun:
                return array, header.steady_ns
            if is_late:
                raise TimeoutError(f"{self._path} stayed half-written for {timeout_s} s")
            is_late = time.monotonic() > deadline  # one more look: we may have slept
            time.sleep(0.0)

    def _take(self) -> tuple[Header, NDArray[Any], int]:
        """Return what the file holds, and how many writes were begun; in this order."""
        head, array = bytearray(HEADER.size), np.empty(self._shape, self._dtype)
        rest = bytearray(self._size - len(head) - array.nbytes)
        file = self._file.fileno()
        if os.preadv(file, [head, array.data, rest], 0) != self._size:
            raise self._refusal("it was cut short")
        (begun,) = NUMBER.unpack(rest[-NUMBER.size :])
        return _header(bytes(head)), array, begun

    def _refusal(self, why: object) -> ValueError:
        return ValueError(f"{self._path} is not a shared array: {why}")


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever is at the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _new_map(path: Path, size: int) -> mmap.mmap:
    """Return a map of a new file with all its room: none is left to be found later."""
    with open(path, "w+b") as file:
        os.posix_fallocate(file.fileno(), 0, size)
        return mmap.mmap(file.fileno(), size)


def _file_size(shape: tuple[int, ...], dtype: "np.dtype[Any]") -> int:
    """Return the size of the file of an array [bytes]; the last number is aligned.

    Raises:
        ValueError: that is too large.
    """
    array = math.prod(shape) * dtype.itemsize
    size = HEADER.size + array + -array % NUMBER.size + NUMBER.size
    if size > MAX_BYTES:
        raise ValueError(f"{dtype} {shape} are {size} bytes, at most {MAX_BYTES} can be")
    return size


def _header(data: bytes) -> Header:
    if len(data) < HEADER.size:
        raise ValueError("it is too short")
    magic, code, finished, steady_ns, *dimensions = HEADER.unpack(data)
    return Header(magic, code, finished, steady_ns, tuple(dimensions))


def _shape_and_dtype(
    header: Header, held: int
) -> tuple[tuple[int, ...], "np.dtype[Any]"]:
    """Return what a header says, if the file holds just so many bytes.

    Raises:
        TypeError, ValueError: it does not, or the header says no such thing.
    """
    code = header.code.rstrip(b"\0").decode()
    if header.magic != MAGIC or not CODE.fullmatch(code):
        raise ValueError(f"header {header.magic!r}, dtype {code!r}")
    shape, dtype = tuple(takewhile(bool, header.dimensions)), np.dtype(code)
    if min(shape, default=0) < 1 or any(header.dimensions[len(shape) :]):
        raise ValueError(f"shape {header.dimensions}")
    size = _file_size(shape, dtype)
    if held != size:
        raise ValueError(f"{dtype} {shape} are {size} bytes, it holds {held}")
    return shape, dtype
