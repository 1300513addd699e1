"""Whether a camera still sees, and its images in the format of the task."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


class FrozenDetector:
    """Counts equal images in a row: the noise of a living sensor never repeats itself."""

    def __init__(self, limit: int) -> None:
        """Make a detector that calls `limit` equal images frozen; 0 = it never does."""
        self._limit = limit
        self._previous: Image | None = None
        self._equal = 0

    def is_frozen(self, image: Image) -> bool:
        """Take the next image; return whether it and those before it are all the same.

        Keeps a reference to `image`: its bytes must not change.
        """
        is_same = self._previous is not None and _are_equal(image, self._previous)
        self._equal = self._equal + 1 if is_same else 1
        self._previous = image
        return 0 < self._limit <= self._equal


def _are_equal(image: Image, other: Image) -> bool:
    """Compare one row first: two images of a living camera differ in it already."""
    if image.shape != other.shape:
        return False
    middle = len(image) // 2
    return np.array_equal(image[middle], other[middle]) and np.array_equal(image, other)


def fitted(image: Image, height: int, width: int) -> Image:
    """Return the image in the task's format, shape (height, width, 3).

    Where the size is a whole multiple, every n-th pixel is taken, as in the published
    implementation. Otherwise the largest middle part of the right shape is averaged.
    """
    rows, columns = image.shape[:2]
    factor = rows // height
    if factor and (rows, columns) == (factor * height, factor * width):
        return np.ascontiguousarray(image[::factor, ::factor])
    kept_rows = min(rows, columns * height // width)
    kept_columns = min(columns, rows * width // height)
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    middle = image[top : top + kept_rows, left : left + kept_columns]
    small: Image = cv2.resize(middle, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return small


def is_same_shape(image: Image, height: int, width: int) -> bool:
    """Whether the image has the task's ratio of sides, so that nothing is cut off."""
    rows, columns = image.shape[:2]
    return bool(rows * width == columns * height)
