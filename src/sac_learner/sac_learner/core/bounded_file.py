"""Files from outside: regular ones of bounded size alone are read, refused in a line."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

MAX_WORDS = 400  # characters of what is wrong with a file


@contextmanager
def opened(path: Path, most: int) -> Iterator[BinaryIO]:
    """Open a file for reading, for as long as the block lasts.

    Never waits: a pipe, a socket or a device in its place is refused.

    Args:
        path: The file; a symbolic link to one is one.
        most: Bytes that it may hold.

    Raises:
        OSError: it cannot be opened; names it.
        ValueError: it is no regular file, or too large; names it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path} must be a regular file")
        if status.st_size > most:
            raise ValueError(
                f"{path} must hold at most {most} bytes, got {status.st_size}"
            )
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def in_one_line(error: Exception) -> str:
    """Return what an error says, short and without line breaks."""
    words = str(error) if isinstance(error, ValueError | OSError) else repr(error)
    return " ".join(words.split())[:MAX_WORDS]


def read_bounded(path: Path, most: int) -> bytes:
    """Return what a file of at most `most` bytes holds.

    Raises:
        OSError, ValueError: as `opened`.
    """
    with opened(path, most) as file:
        size = os.fstat(file.fileno()).st_size  # `read` allocates all that it is told
        return file.read(size)
