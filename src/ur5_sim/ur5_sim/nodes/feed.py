"""The newest whole array of a file that another process writes, and may write anew."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ur5_rl_ros.deadline import NANOSECONDS
from ur5_rl_ros.shared_array import SharedArrayReader

FRESH_S = 0.5  # both writers write at least every 20 ms: one silent for so long is dead


class Feed:
    """Follows one shared array through restarts of its writer. Owned by one thread.

    Attributes:
        what: What it is, for messages: the parameter and who writes it.
        newest: The last whole array, None before the first.
        steady_ns: The instant that it shows, CLOCK_MONOTONIC; 0 before the first.
        reopened: How often a new writer has taken over.
    """

    def __init__(
        self, parameter: str, path: str, writer: str, check: Callable[[NDArray], bool]
    ) -> None:
        if not path:
            raise ValueError(f"{parameter} must name the file that {writer} writes")
        self.what = f"{parameter} {path} ({writer})"
        self.newest: NDArray | None = None
        self.steady_ns = 0
        self.reopened = 0
        self._path = Path(path)
        self._check = check
        self._reader: SharedArrayReader | None = None

    def refresh(self) -> None:
        """Take the newest array; keep the last one where there is no newer.

        Raises:
            ValueError: the file holds something else than it should.
        """
        if self._reader is None or self._reader.is_replaced:
            self._open()
        if self._reader is None:
            return
        try:
            array, steady_ns = self._reader.read()
        except TimeoutError:  # its writer died in the middle: the next one replaces it
            return
        if steady_ns == 0:  # made, but not yet written
            return
        if not self._check(array):
            raise ValueError(f"{self.what}: holds {array.dtype} {array.shape}")
        self.newest, self.steady_ns = array, steady_ns

    def forget(self) -> None:
        """Take what is known for stale until there is news."""
        self.steady_ns = 0

    def age_s(self, now_ns: int) -> float:
        """Return how long ago the newest array was true [s]."""
        return (now_ns - self.steady_ns) / NANOSECONDS

    def is_fresh(self, now_ns: int) -> bool:
        """Return whether its writer lives. A stamp from the future is of another boot."""
        return self.newest is not None and 0.0 <= self.age_s(now_ns) <= FRESH_S

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _open(self) -> None:
        try:
            reader = SharedArrayReader(self._path)
        except OSError:  # not there yet
            return
        if self._reader is not None:
            self._reader.close()
            self.reopened += 1
        self._reader = reader


def is_screen(array: NDArray) -> bool:
    """Return whether these are pixels, BGRX, shape (rows, columns, 4)."""
    return array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 4


def is_pose(array: NDArray) -> bool:
    """Return whether these are positions and speeds of six joints, shape (2, 6)."""
    is_shaped = array.dtype == np.float64 and array.shape == (2, 6)
    return bool(is_shaped and np.isfinite(array).all())
