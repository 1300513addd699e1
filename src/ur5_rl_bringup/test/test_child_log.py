"""The log of a child, also on a disk that is full."""

import resource
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ur5_rl_bringup.child_log import ChildLog


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes: writes fail, as if full."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


def test_lines_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "node.log"
    for line in (b"first\n", b"second\n"):
        with closing(ChildLog(path)) as log:
            assert log.write(line) == ""
    assert path.read_bytes() == b"first\nsecond\n"


def test_fault_a_full_disk_costs_lines_and_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "node.log"
    with closing(ChildLog(path)) as log:
        log.write(b"before\n")
        with files_of_at_most(10):
            complaint = log.write(b"lost one\n")
            assert str(path) in complaint
            assert "File too large" in complaint
            assert log.write(b"lost two\n") == ""
        assert log.write(b"after\n") == ""
    assert path.read_bytes() == (
        b"before\n[supervisor] 2 lines are missing here\nafter\n"
    )
