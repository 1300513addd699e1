"""Draw the dot into an array of pixels, touching as few of them as possible."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from target_display.core.motion import HEIGHT_UNITS, WIDTH_UNITS

Pixels = NDArray[np.uint8]

SHIFT = 10  # cv2 takes fixed-point coordinates with this many fractional bits
OPAQUE = 255


class Rectangle(NamedTuple):
    """Part of the screen [px]: columns left..right-1, rows top..bottom-1."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array of pixels."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def union(self, other: "Rectangle") -> "Rectangle":
        """Return the smallest rectangle that holds both."""
        return Rectangle(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


class Canvas:
    """A white screen with one dot, kept up to date in place. Owned by one thread.

    The 160 x 90 units are centred on the screen and scaled evenly, so that the dot stays
    round on a monitor that is not 16:9. A point x [units] lies at the pixel coordinate
    x * scale + offset, where pixel i reaches from i to i + 1.
    """

    def __init__(
        self,
        pixels: Pixels,
        dot_colour_bgr: tuple[int, ...] = (0, 0, 255),
        background_colour_bgr: tuple[int, ...] = (255, 255, 255),
    ) -> None:
        """Take over `pixels`, BGRX, shape (height, width, 4), and clear them."""
        self.pixels = pixels
        self.height, self.width = pixels.shape[:2]
        self.scale = min(self.width / WIDTH_UNITS, self.height / HEIGHT_UNITS)
        self._offset_x = (self.width - self.scale * WIDTH_UNITS) / 2
        self._offset_y = (self.height - self.scale * HEIGHT_UNITS) / 2
        self._dot = (*dot_colour_bgr, OPAQUE)
        self._background = (*background_colour_bgr, OPAQUE)
        self._drawn: tuple[float, float, float] | None = None
        self._box = Rectangle(0, 0, 0, 0)
        pixels[:] = self._background
        self._background_word = self._words()[0, 0].copy()

    @property
    def whole(self) -> Rectangle:
        return Rectangle(0, 0, self.width, self.height)

    @property
    def marked(self) -> Rectangle:
        """Where the dot is: all around it the screen is one colour."""
        return self._box

    def draw(
        self, x_units: float, y_units: float, radius_units: float
    ) -> Rectangle | None:
        """Move the dot; return what has changed: None if nothing, all the first time."""
        if self._drawn == (x_units, y_units, radius_units):
            return None
        x, y = self.place(x_units, y_units)
        radius = radius_units * self.scale
        new, old = self._box_around(x, y, radius), self._box
        self._words()[old.slices] = self._background_word
        self._fill_circle(x, y, radius)
        changed = self.whole if self._drawn is None else new.union(old)
        self._drawn, self._box = (x_units, y_units, radius_units), new
        return changed

    def place(self, x_units: float, y_units: float) -> tuple[float, float]:
        """Return the pixel coordinates of a point; pixel i reaches from i to i + 1."""
        x = x_units * self.scale + self._offset_x
        return x, y_units * self.scale + self._offset_y

    def _words(self) -> NDArray[np.uint32]:
        """Return a word per pixel: filling is twenty times faster than byte by byte.

        A view that was kept would go on showing the original's pixels in a copy of this.
        """
        return self.pixels.view(np.uint32)[..., 0]

    def _fill_circle(self, x: float, y: float, radius: float) -> None:
        one = 1 << SHIFT
        # cv2 counts from the middle of pixel 0, the units from its edge. Its soft edge
        # lies outside the radius: the circle asked for has the full colour.
        centre = round((x - 0.5) * one), round((y - 0.5) * one)
        cv2.circle(
            self.pixels, centre, round(radius * one), self._dot, -1, cv2.LINE_AA, SHIFT
        )

    def _box_around(self, x: float, y: float, radius: float) -> Rectangle:
        reach = radius + 2.0  # room for the soft edge
        return Rectangle(
            max(int(x - reach), 0),
            max(int(y - reach), 0),
            max(min(int(x + reach) + 1, self.width), 0),
            max(min(int(y + reach) + 1, self.height), 0),
        )
