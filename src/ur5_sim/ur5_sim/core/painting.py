"""Paint flat things into an image as a pinhole camera sees them, exactly."""

import math

import cv2
import numpy as np

from target_display.core.drawing import Pixels
from ur5_sim.core.scene import Array

Colour = tuple[int, ...]

NEAR_M = 0.01  # nothing nearer than this is drawn
FRACTION_BITS = 8  # of polygon corners


def paint_picture(image: Pixels, picture: Pixels, homography: Array) -> None:
    """Draw a flat picture over `image` wherever the camera looks at it.

    Args:
        image: BGRX, shape (rows, columns, 4), or grey, (rows, columns); changed in place.
        picture: Of the same kind, any size.
        homography: From pixels of the picture to image (x, y, 1) times depth.
    """
    to_picture = cv2.invert(homography)[1]
    height, width = image.shape[:2]
    a, b, c = to_picture[2]  # a x + b y + c is 1 / depth: negative behind the camera
    inverse_depths = (c, a * width + c, b * height + c, a * width + b * height + c)
    if max(inverse_depths) <= 0.0:
        return
    has_horizon = min(inverse_depths) <= 0.0
    target = image.copy() if has_horizon else image
    cv2.warpPerspective(
        picture,
        to_picture,
        (width, height),
        dst=target,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_TRANSPARENT,
    )
    if has_horizon:  # what lies beyond it is a mirror image
        ahead = a * np.arange(width) + b * np.arange(height)[:, None] + c > 0.0
        image[ahead] = target[ahead]


def paint_polygon(image: Pixels, corners: Array, colour: Colour) -> None:
    """Fill a convex polygon, corners as image (x, y), shape (n, 2), with soft edges."""
    fixed = np.rint(corners * 2**FRACTION_BITS).astype(np.int32)
    cv2.fillConvexPoly(image, fixed, (*colour, 255), cv2.LINE_AA, FRACTION_BITS)


def outline(corners: Array) -> Array:
    """Return the visible part of a convex polygon as image (x, y), shape (n, 2).

    Args:
        corners: Image (x, y, 1) times depth [m], shape (m, 3).
    """
    if (corners[:, 2] < NEAR_M).any():
        corners = clip_near(corners)
    return corners[:, :2] / corners[:, 2:]


def clip_near(corners: Array) -> Array:
    """Cut a convex polygon, shape (n, 3), where its depth (third column) is `NEAR_M`."""
    kept: list[Array] = []
    for here, following in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if here[2] >= NEAR_M:
            kept.append(here)
        if (here[2] >= NEAR_M) != (following[2] >= NEAR_M):
            part = (NEAR_M - here[2]) / (following[2] - here[2])
            kept.append(here + part * (following - here))
    return np.array(kept).reshape(-1, 3)


def box_around(corners: Array, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom [px] of what an image holds of some points."""
    columns, rows = corners.T.tolist()
    left, top = math.floor(min(columns)), math.floor(min(rows))
    right, bottom = math.ceil(max(columns)) + 1, math.ceil(max(rows)) + 1
    return max(left, 0), max(top, 0), min(right, width), min(bottom, height)
