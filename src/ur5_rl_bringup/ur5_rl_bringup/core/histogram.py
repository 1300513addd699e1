"""Percentiles of any number of values in a fixed amount of memory."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Histogram:
    """Counts values >= 0 in bins of equal width. Owned by one thread.

    Count, mean and extremes are exact, percentiles to one bin width. Values beyond the
    last bin are counted in it, and a percentile that falls there is the largest value.
    Values that are not finite are left out.
    """

    def __init__(self, bin_width: float, num_bins: int) -> None:
        self.bin_width = bin_width
        self.counts: NDArray[np.int64] = np.zeros(num_bins, np.int64)
        self.count = 0
        self.minimum = math.inf
        self.maximum = -math.inf
        self._sum = 0.0

    def add(self, values: ArrayLike) -> None:
        """Count `values`, shape (n,)."""
        array = np.asarray(values, np.float64)
        array = array[np.isfinite(array)]
        if array.size == 0:
            return
        last = len(self.counts) - 1
        bins = np.clip(array / self.bin_width, 0, last).astype(np.int64)
        np.add.at(self.counts, bins, 1)
        self.count += array.size
        self._sum += float(array.sum())
        self.minimum = min(self.minimum, float(array.min()))
        self.maximum = max(self.maximum, float(array.max()))

    @property
    def mean(self) -> float | None:
        """Mean of all values; None before the first one."""
        return self._sum / self.count if self.count else None

    def percentile(self, percent: float) -> float | None:
        """Return the value that `percent` of all do not exceed; None without values."""
        if not self.count:
            return None
        rank = percent / 100.0 * self.count
        reached = np.cumsum(self.counts)
        i = int(np.searchsorted(reached, rank))
        if i >= len(self.counts) - 1:
            return self.maximum
        inside = (rank - (reached[i] - self.counts[i])) / max(1, self.counts[i])
        value = (i + float(inside)) * self.bin_width
        return min(max(value, self.minimum), self.maximum)
