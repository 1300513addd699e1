"""How often a protective stop may be ended without a person."""

from collections import deque

WINDOW_NS = 600 * 1_000_000_000  # ten minutes


class RecoveryBudget:
    """Allows `most` recoveries in any ten minutes; 0 leaves all of them to a person."""

    def __init__(self, most: int) -> None:
        if most < 0:
            raise ValueError(f"most must be >= 0, got {most}")
        self._most = most
        self._spent_ns: deque[int] = deque(maxlen=max(most, 1))

    def spend(self, now_ns: int) -> bool:
        """Return whether one more is allowed at `now_ns`, and count it if so."""
        while self._spent_ns and now_ns - self._spent_ns[0] > WINDOW_NS:
            self._spent_ns.popleft()
        if len(self._spent_ns) >= self._most:
            return False
        self._spent_ns.append(now_ns)
        return True
