"""How fast something grows: slopes and steps that a few outliers do not move."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_POINTS = 300  # of a fit: all pairs of them are looked at
MIN_POINTS = 6
S_PER_H = 3600.0

Numbers = NDArray[np.float64]


class Growth(NamedTuple):
    """A quantity over a span of time, in its own unit; None where too little is known."""

    start: float | None  # median of the first third
    end: float | None  # median of the last third
    largest: float | None
    per_h: float | None  # robust slope [unit/h]

    @property
    def rise(self) -> float | None:
        """Difference of the medians of last and first third."""
        if self.start is None or self.end is None:
            return None
        return self.end - self.start


def growth(times_s: ArrayLike, values: ArrayLike) -> Growth:
    """Return how `values` (n,) grow over `times_s` (n,) [s], which ascend."""
    times, numbers = np.asarray(times_s, np.float64), np.asarray(values, np.float64)
    if len(numbers) < MIN_POINTS:
        largest = float(numbers.max()) if len(numbers) else None
        return Growth(None, None, largest, None)
    third = len(numbers) // 3
    return Growth(
        start=float(np.median(numbers[:third])),
        end=float(np.median(numbers[-third:])),
        largest=float(numbers.max()),
        per_h=theil_sen(*thinned(times, numbers, MAX_POINTS)) * S_PER_H,
    )


def theil_sen(x: Numbers, y: Numbers) -> float:
    """Return the median slope of all pairs of points (n,), (n,); up to 29 % may lie."""
    left, right = np.triu_indices(len(x), k=1)
    return float(np.median((y[right] - y[left]) / (x[right] - x[left])))


def thinned(x: Numbers, y: Numbers, points: int) -> tuple[Numbers, Numbers]:
    """Return at most `points` points: medians of neighbours, in order."""
    if len(x) <= points:
        return x, y
    parts = zip(np.array_split(x, points), np.array_split(y, points), strict=True)
    pairs = np.array([(np.median(a), np.median(b)) for a, b in parts])
    return pairs[:, 0], pairs[:, 1]
