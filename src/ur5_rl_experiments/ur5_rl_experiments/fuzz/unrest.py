"""A file that goes on changing while it is read."""

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def unrest(path: Path, draw: random.Random) -> Iterator[None]:
    """Cut a file short, overwrite, replace and restore it for as long as the block lasts.

    One thread of its own does so, at no instant that a seed could tell.
    """
    whole, is_over = path.read_bytes(), threading.Event()

    def change() -> None:
        while not is_over.is_set():
            match draw.randrange(5):
                case 0:
                    os.truncate(path, draw.randrange(len(whole)))
                case 1:
                    os.truncate(path, 0)
                case 2:
                    _overwrite(path, draw.randrange(len(whole)), draw.randbytes(8))
                case 3:
                    _overwrite(path, 0, whole)
                case _:
                    other = path.with_name("other")
                    other.write_bytes(whole)
                    os.replace(other, path)

    thread = threading.Thread(target=change, name="unrest")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _overwrite(path: Path, where: int, data: bytes) -> None:
    with open(path, "r+b", buffering=0) as file:
        file.seek(where)
        file.write(data)
