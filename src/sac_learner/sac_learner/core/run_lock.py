"""One process per run directory: two would write over each other's files."""

import fcntl
import os
from pathlib import Path


class RunLock:
    """Holds a run directory until it is closed or the process ends, however it ends."""

    def __init__(self, run_dir: Path) -> None:
        """Take the lock.

        Raises:
            ValueError: another process has it; names that process.
            OSError: the directory cannot be written.
        """
        run_dir.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(run_dir / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._descriptor, 20, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise ValueError(
                f"run_dir {run_dir} is in use by the learner with process id {owner}"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let the next process have it."""
        os.close(self._descriptor)
