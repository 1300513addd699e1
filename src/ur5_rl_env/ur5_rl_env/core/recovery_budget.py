"""How often a protective stop may be ended without a person."""

import json
import os
from collections import deque
from pathlib import Path
from typing import Any

WINDOW_NS = 600 * 1_000_000_000  # ten minutes


class RecoveryBudget:
    """Allows `most` recoveries in any ten minutes; 0 leaves all of them to a person.

    Once one more has been refused, the stop stays a person's, however long it takes: see
    `forgive`. That and what is spent outlive the process in `file`, if there is one. A
    person's recovery is not counted.

    Raises:
        ValueError: `most` is negative, or `file` holds something else.
        OSError: `file` cannot be read or written.
    """

    def __init__(self, most: int, file: Path | None = None) -> None:
        if most < 0:
            raise ValueError(f"most must be >= 0, got {most}")
        self._most = most
        self._file = file
        spent_ns, self.is_latched = _read(file)
        self._spent_ns = deque(spent_ns, maxlen=max(most, 1))

    def spend(self, now_ns: int) -> bool:
        """Return whether one more is allowed at `now_ns`, and count it if so."""
        if self.is_latched:
            return False
        recent = [s for s in self._spent_ns if 0 <= now_ns - s <= WINDOW_NS]
        self.is_latched = len(recent) >= self._most
        if not self.is_latched:
            self._spent_ns.append(now_ns)
        self._write()
        return not self.is_latched

    def forgive(self) -> None:
        """Take notice that the stop is over: the next one is judged anew."""
        if self.is_latched:
            self.is_latched = False
            self._write()

    def _write(self) -> None:
        if self._file is not None:
            part = self._file.with_suffix(".part")
            content = {"spent_ns": list(self._spent_ns), "is_latched": self.is_latched}
            part.write_text(json.dumps(content))
            os.replace(part, self._file)

    @property
    def refusal(self) -> str:
        """Why a stop stays a person's, for people; "" while none was refused."""
        if not self.is_latched or self._most == 0:
            return ""
        return f"{self._most} recoveries in ten minutes are spent: a person has to do it"


def _read(file: Path | None) -> tuple[list[int], bool]:
    """Return what an earlier process has spent [ns], and whether it was refused more."""
    if file is None or not file.exists():
        return [], False
    try:
        return _parsed(json.loads(file.read_text()))
    except (KeyError, OverflowError, TypeError, ValueError):
        raise ValueError(f"{file} does not hold the instants of recoveries") from None


def _parsed(content: Any) -> tuple[list[int], bool]:
    """Read a file; one of an earlier version is the list of instants alone."""
    if isinstance(content, list):
        content = {"spent_ns": content, "is_latched": False}
    if not isinstance(content["is_latched"], bool):
        raise TypeError("is_latched must be true or false")
    return [int(instant) for instant in content["spent_ns"]], content["is_latched"]
