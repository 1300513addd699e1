"""Policy versions that no earlier life of a run can have used."""

import contextlib
import json
from pathlib import Path

from sac_learner.core.durable_file import write_durably

BLOCK = 1000  # versions reserved at once: at two policies per second, 8 minutes


class VersionReserve:
    """Counts policy versions up over the whole run. Owned by the thread that updates.

    A bound that lies on disk is above every version given; a resumed run starts there, so
    a version never names two policies, whatever the newest checkpoint is.

    Attributes:
        newest: Given last; 0 before the first.
        bound: No version above it was given.
    """

    def __init__(self, run_dir: Path) -> None:
        """Begin at version 1; nothing is read or written yet."""
        self.newest = 0
        self.bound = 0
        self._path = run_dir / "versions.json"

    def resume(self, at_least: int) -> None:
        """Go on above the bound on disk, and above `at_least`."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            at_least = max(at_least, int(json.loads(self._path.read_bytes())["bound"]))
        self.newest = self.bound = at_least

    def next(self) -> int:
        """Return a version that was never given."""
        self.newest += 1
        if self.newest > self.bound:
            self.bound = self.newest + BLOCK
            # A full disk must not stop learning: checkpoints fail, and people are told.
            with contextlib.suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_durably(self._path, json.dumps({"bound": self.bound}).encode())
        return self.newest
