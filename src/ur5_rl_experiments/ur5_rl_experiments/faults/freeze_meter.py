"""Whether the machine itself stood still: what no program on it can be blamed for.

One process per core does nothing but sleep for 2 ms, first in line where the system
allows it, and writes down each time that it woke much later.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

FREEZE_MS = 15.0
SLEEPER = """
import os, sys, time
core, limit_ms, path = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
os.sched_setaffinity(0, {core})
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(90))
except OSError:
    pass
parent = os.getppid()
with open(path, "a", buffering=1) as log:
    before = time.monotonic_ns()
    while os.getppid() == parent:
        time.sleep(0.002)
        now = time.monotonic_ns()
        if now - before > limit_ms * 1e6:
            log.write(f"{before} {now}\\n")
        before = now
"""


class FreezeMeter:
    """Counts pauses of the machine for as long as the block lasts."""

    def __enter__(self) -> "FreezeMeter":
        self._folder = tempfile.TemporaryDirectory(prefix="ur5rl-freezes-")
        self._sleepers = []
        self._logs = []
        for core in sorted(os.sched_getaffinity(0)):
            log = Path(self._folder.name) / str(core)
            log.touch()
            words = [sys.executable, "-c", SLEEPER, str(core), str(FREEZE_MS), str(log)]
            self._sleepers.append(subprocess.Popen(words))
            self._logs.append(log)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sleeper in self._sleepers:
            sleeper.kill()
            sleeper.wait()
        self._folder.cleanup()

    def longest_ms(self, start_ns: int, end_ns: int) -> float:
        """Return the longest pause of a core between two instants [ms]; 0: none."""
        longest_ns = 0
        for log in self._logs:
            for line in log.read_text().splitlines():
                began_ns, ended_ns = map(int, line.split())
                if ended_ns > start_ns and began_ns < end_ns:
                    longest_ns = max(longest_ns, ended_ns - began_ns)
        return longest_ns / 1e6
