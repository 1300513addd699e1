"""Environment variables that a learner process must be started with. Imports no torch."""

import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

# glibc gives freed memory back to the kernel and faults it in again with each update: a
# factor of 1.3 to 3 on the update (docs/results.md). Keep it, in large pages. Preloading
# tcmalloc instead was measured: up to 15 % faster at 64x36, 9 % slower at 160x90.
MALLOC_ENVIRONMENT = MappingProxyType(
    {
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "8589934592",
        "MALLOC_TOP_PAD_": "268435456",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    }
)


def is_tuned(environment: Mapping[str, str]) -> bool:
    """Return whether a process with these variables was started with all of ours."""
    return all(environment.get(k) == v for k, v in MALLOC_ENVIRONMENT.items())


def restart_with_allocator(arguments: Sequence[str]) -> None:
    """Replace this process by `python arguments...` with the variables, if it has none.

    For programs of their own; the graph sets them for its processes. They are read when a
    process starts: call it before any work is done. It returns only where they are set.

    Raises:
        OSError: the interpreter cannot be started again.
    """
    if not is_tuned(os.environ):
        environment = dict(os.environ) | dict(MALLOC_ENVIRONMENT)
        os.execve(sys.executable, [sys.executable, *arguments], environment)
