"""Environment variables that a learner process must be started with. Imports no torch."""

from types import MappingProxyType

# glibc gives freed memory back to the kernel and faults it in again with each update: a
# factor of 1.3 to 3 on the update (docs/results.md). Keep it, in large pages.
MALLOC_ENVIRONMENT = MappingProxyType(
    {
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "8589934592",
        "MALLOC_TOP_PAD_": "268435456",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    }
)
