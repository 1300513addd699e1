"""Files that are whole, or not there, also after a power failure."""

import os
from pathlib import Path


def write_durably(path: Path, data: bytes) -> None:
    """Write under another name, push to disk, rename.

    Raises:
        OSError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    with open(partial, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    sync_directory(path.parent)


def append_durably(descriptor: int, data: bytes) -> None:
    """Write at the end of an open file and wait until it lies on disk.

    Raises:
        OSError: it cannot be written; some of it may be in the file.
    """
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
    os.fdatasync(descriptor)


def sync_directory(path: Path) -> None:
    """Make renames in a directory survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
