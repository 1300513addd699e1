"""Hang the Python of a process while its other threads go on, as a deadlock would.

The kernel stops one thread that this one traces (ptrace(2): PTRACE_SEIZE, then
PTRACE_INTERRUPT). A signal would not do: SIGSTOP stops a process as a whole.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WAIT_ALL_CHILDREN = 0x40000000  # __WALL: also threads that are no child


@contextmanager
def hanging(thread_ids: list[int]) -> Iterator[None]:
    """Keep threads still for as long as the block lasts. Enter and leave in one thread.

    Raises:
        OSError: the kernel refuses (not an ancestor, or ptrace is switched off).
    """
    held: list[int] = []
    try:
        for thread_id in thread_ids:
            _ptrace(PTRACE_SEIZE, thread_id)
            _ptrace(PTRACE_INTERRUPT, thread_id)
            os.waitpid(thread_id, WAIT_ALL_CHILDREN)
            held.append(thread_id)
        yield
    finally:
        for thread_id in held:
            _ptrace(PTRACE_DETACH, thread_id)


def _ptrace(request: int, thread_id: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype = ctypes.c_long
    libc.ptrace.argtypes = [
        ctypes.c_long,
        ctypes.c_long,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    if libc.ptrace(request, thread_id, None, None) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace of thread {thread_id}: {os.strerror(error)}")
