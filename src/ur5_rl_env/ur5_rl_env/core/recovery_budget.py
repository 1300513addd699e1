"""How often a protective stop may be ended without a person."""

import json
import os
from collections import deque
from pathlib import Path

WINDOW_NS = 600 * 1_000_000_000  # ten minutes


class RecoveryBudget:
    """Allows `most` recoveries in any ten minutes; 0 leaves all of them to a person.

    What is spent outlives the process in `file`, if there is one. Once one more has been
    refused, the stop stays a person's, however long it takes: see `forgive`. A person's
    recovery is not counted.

    Raises:
        ValueError: `most` is negative.
        OSError: `file` cannot be read or written.
    """

    def __init__(self, most: int, file: Path | None = None) -> None:
        if most < 0:
            raise ValueError(f"most must be >= 0, got {most}")
        self._most = most
        self._file = file
        self._spent_ns = deque(_read(file), maxlen=max(most, 1))
        self.is_latched = False

    def spend(self, now_ns: int) -> bool:
        """Return whether one more is allowed at `now_ns`, and count it if so."""
        recent = [s for s in self._spent_ns if 0 <= now_ns - s <= WINDOW_NS]
        self.is_latched |= len(recent) >= self._most
        if not self.is_latched:
            self._spent_ns.append(now_ns)
            self._write()
        return not self.is_latched

    def forgive(self) -> None:
        """Take notice that the stop is over: the next one is judged anew."""
        self.is_latched = False

    def _write(self) -> None:
        if self._file is not None:
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(list(self._spent_ns)))
            os.replace(part, self._file)

    @property
    def refusal(self) -> str:
        """Why a stop stays a person's, for people; "" while none was refused."""
        if not self.is_latched or self._most == 0:
            return ""
        return f"{self._most} recoveries in ten minutes are spent: a person has to do it"


def _read(file: Path | None) -> list[int]:
    """Return the instants that an earlier process has left [ns]; none if it has not."""
    if file is None or not file.exists():
        return []
    try:
        return [int(instant) for instant in json.loads(file.read_text())]
    except (TypeError, ValueError):
        raise ValueError(f"{file} does not hold the instants of recoveries") from None
