"""Absolute deadlines on the steady clock, for loops that must not drift."""

import math
import time

NANOSECONDS = 1_000_000_000
SHORTEST_PERIOD_S = 1e-6


class Pace:
    """Yields absolute deadlines `period_s` apart. Owned by one thread.

    Overrun deadlines are skipped, never caught up with a burst; `skipped` counts them.
    One that is missed by more than half a period counts as overrun: two ticks a
    millisecond apart help nobody.
    """

    def __init__(self, period_s: float, first_ns: int | None = None) -> None:
        if not SHORTEST_PERIOD_S <= period_s < math.inf:
            raise ValueError(
                f"period_s must be finite, at least {SHORTEST_PERIOD_S}, got {period_s}"
            )
        self.period_ns = round(period_s * NANOSECONDS)
        self.skipped = 0
        self._next_ns = time.monotonic_ns() if first_ns is None else first_ns

    def sleep(self) -> int:
        """Sleep until the next deadline; return how late this thread woke [ns]."""
        deadline_ns = self._next_ns
        now_ns = time.monotonic_ns()
        behind = (now_ns - deadline_ns + self.period_ns // 2) // self.period_ns
        if behind > 0:
            self.skipped += behind
            deadline_ns += behind * self.period_ns
        if deadline_ns > now_ns:
            time.sleep((deadline_ns - now_ns) / NANOSECONDS)
        self._next_ns = deadline_ns + self.period_ns
        return time.monotonic_ns() - deadline_ns
