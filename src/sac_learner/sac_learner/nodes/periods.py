"""When things are due, and how long they took. Times are on the steady clock [s]."""

import time
from types import TracebackType
from typing import Self


class Due:
    """Comes true once per period; periods that were missed are skipped, not caught up."""

    def __init__(self, period_s: float, now_s: float) -> None:
        self._period_s = period_s
        self._next_s = now_s + period_s

    def __call__(self, now_s: float) -> bool:
        if now_s < self._next_s:
            return False
        missed = (now_s - self._next_s) // self._period_s
        self._next_s += (missed + 1.0) * self._period_s
        return True


class Stopwatch:
    """Mean duration of a `with` block since it was last read. Owned by one thread."""

    def __init__(self) -> None:
        self.count = 0
        self._total_s = 0.0
        self._begin_s = 0.0

    def __enter__(self) -> Self:
        self._begin_s = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._total_s += time.perf_counter() - self._begin_s
        self.count += 1

    def read_ms(self) -> float:
        """Return the mean [ms], 0 if there was nothing, and begin again."""
        mean_ms = 1000.0 * self._total_s / self.count if self.count else 0.0
        self.count, self._total_s = 0, 0.0
        return mean_ms
