"""Policy versions that no earlier life of a run can have used."""

import contextlib
import json
from pathlib import Path

from sac_learner.core.bounded_file import in_one_line, read_bounded
from sac_learner.core.durable_file import write_durably
from sac_learner.core.parameters import MAX_VERSION

MAX_BYTES = 1000
BLOCK = 1000  # versions reserved at once: at two policies per second, 8 minutes


class VersionReserve:
    """Counts policy versions up over the whole run. Owned by the thread that updates.

    A bound that lies on disk is above every version given; a resumed run starts there, so
    a version never names two policies, whatever the newest checkpoint is.

    Attributes:
        newest: Given last; 0 before the first.
        bound: On disk; above `newest` but while the disk takes nothing.
        path: Of the file with the bound; there once a version was given.
    """

    def __init__(self, run_dir: Path) -> None:
        """Begin at version 1; nothing is read or written yet."""
        self.newest = 0
        self.bound = 0
        self.path = run_dir / "versions.json"

    def resume(self, at_least: int) -> list[str]:
        """Go on above the bound on disk, and above `at_least`; return what was wrong."""
        problems = []
        try:
            at_least = max(at_least, self._bound_on_disk())
        except FileNotFoundError:
            pass  # no policy was ever published
        except (OSError, ValueError) as error:
            problems.append(str(error))
        self.newest = self.bound = at_least
        return problems

    def _bound_on_disk(self) -> int:
        try:
            document = json.loads(read_bounded(self.path, MAX_BYTES))
            bound = document["bound"]
        except (KeyError, TypeError, RecursionError, ValueError) as error:
            raise ValueError(f"{self.path}: {in_one_line(error)}") from None
        if type(bound) is not int or not 0 <= bound <= MAX_VERSION - BLOCK:
            raise ValueError(
                f"{self.path}: bound must be a whole number in "
                f"[0, {MAX_VERSION - BLOCK}], got {bound!r:.40}"
            )
        return bound

    def next(self) -> int:
        """Return a version that was never given."""
        self.newest += 1
        if self.newest > self.bound:
            # A full disk must not stop learning: checkpoints fail, and people are told.
            with contextlib.suppress(OSError):
                self._reserve(self.newest + BLOCK)
        return self.newest

    @property
    def unused(self) -> int:
        """A version above all that were given or reserved."""
        return max(self.newest, self.bound) + 1

    def _reserve(self, bound: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(self.path, json.dumps({"bound": bound}).encode())
        self.bound = bound
