"""What the virtual wrist camera sees: the pixels on the screen, its bezel, a wall.

Everything in the room is flat, so homographies are exact; a 160 x 90 frame costs about
0.2 ms of one core.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from target_display.core.drawing import Pixels, Rectangle
from ur5_sim.core.camera_config import CameraConfig
from ur5_sim.core.painting import box_around, outline, paint_picture, paint_polygon
from ur5_sim.core.scene import Array, View, view_from

WALL_SIZE_M = (6.0, 4.0)
WALL_PIXEL_M = 0.02
WALL_LEVEL, WALL_CONTRAST = 150.0, 18.0  # grey levels
BEZEL_BGR = (35, 32, 30)
BEYOND_LEVEL = 90  # grey level where the camera looks past the wall


class Camera:
    """Renders clean frames. Owned by one thread.

    Attributes:
        view: Of the last frame; None before the first.
    """

    def __init__(self, config: CameraConfig) -> None:
        self._width, self._height = config.width_px, config.height_px
        self._scene = config.scene()
        self._lens = config.lens().matrix
        self._wall = wall_picture()
        rows, columns = self._wall.shape
        self._wall_plane = self._scene.wall(WALL_SIZE_M, (columns, rows))
        self._bezel = self._scene.screen_corners(self._scene.bezel_m)
        self._lit_area = self._scene.screen_corners(0.0)
        self._screen_shape: tuple[int, ...] = ()
        self._screen_plane = np.empty((3, 3))
        self.view: View | None = None

    def render(
        self, screen: Pixels, q: Sequence[float], marked: Rectangle | None = None
    ) -> Pixels:
        """Return a frame, BGR, shape (height_px, width_px, 3).

        Args:
            screen: What the monitor shows, BGRX, shape (rows, columns, 4).
            q: Joint positions [rad], pan first, six of them.
            marked: Outside of it the screen looks as its top left pixel does; None:
                looked for, which takes as long as a quarter of the frame.
        """
        if screen.shape != self._screen_shape:
            self._screen_shape = screen.shape
            self._screen_plane = self._scene.screen(screen.shape[1], screen.shape[0])
        view = self.view = view_from(q, self._scene.camera_mount_m, self._lens)
        image = self._wall_seen_from(view)
        self._paint_monitor(image, view, screen, marked)
        return cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)  # type: ignore[return-value]

    def pixel_of(
        self, x_px: float, y_px: float, view: View | None = None
    ) -> tuple[float, float]:
        """Return where a frame shows a place on the screen, inside it or not.

        Args:
            x_px: Screen coordinate to the right; pixel i reaches from i to i + 1.
            y_px: Likewise, downwards.
            view: Of the frame; None: the last one.

        Returns:
            Frame coordinates x, y [px], whole numbers in the middle of pixels; NaN where
            the place is behind the camera, and before the first frame.
        """
        view = view or self.view
        if view is None:
            return math.nan, math.nan
        place = np.array((x_px - 0.5, y_px - 0.5, 1.0))
        x, y, depth_m = view.project(self._screen_plane @ place).tolist()
        return (x / depth_m, y / depth_m) if depth_m > 0.0 else (math.nan, math.nan)

    def _wall_seen_from(self, view: View) -> Pixels:
        """Render at a quarter of the pixels: nothing on the wall is finer than that."""
        small = np.full((self._height // 2, self._width // 2), BEYOND_LEVEL, np.uint8)
        paint_picture(small, self._wall, view.scaled(0.5).homography(self._wall_plane))
        grey = cv2.resize(small, (self._width, self._height))
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGRA)  # type: ignore[return-value]

    def _paint_monitor(
        self, image: Pixels, view: View, screen: Pixels, marked: Rectangle | None
    ) -> None:
        bezel = outline(view.project(self._bezel))
        if len(bezel) < 3:
            return
        paint_polygon(image, bezel, BEZEL_BGR)
        lit_area = outline(view.project(self._lit_area))
        is_behind = view.position[1] >= self._scene.screen_centre_m[1]
        if is_behind or len(lit_area) < 3:
            return
        # The polygon, unlike a picture, has a soft edge, and costs next to nothing.
        paint_polygon(image, lit_area, tuple(map(int, screen[0, 0, :3])))
        box = marked_part(screen) if marked is None else marked
        plane = self._screen_plane.copy()
        plane[:, 2] = plane @ (box.left, box.top, 1.0)
        self._paint_part(image, view, screen[box.slices], plane)

    def _paint_part(
        self, image: Pixels, view: View, picture: Pixels, plane: Array
    ) -> None:
        """Paint a picture that lies in a plane, in what it covers of the image alone."""
        height, width = picture.shape[:2]
        corners = np.array(((0, 0, 1), (width, 0, 1), (width, height, 1), (0, height, 1)))
        area = outline(view.project(corners @ plane.T))
        if len(area) < 3 or not picture.size:
            return
        left, top, right, bottom = box_around(area, self._width, self._height)
        if left < right and top < bottom:
            part = view.shifted(left, top).homography(plane)
            paint_picture(image[top:bottom, left:right], picture, part)


def marked_part(screen: Pixels) -> Rectangle:
    """Return what of a screen, BGRX, differs from its top left pixel, and a margin."""
    words = screen.view(np.uint32)[..., 0]
    differs = (words != words[0, 0]).view(np.uint8)
    left, top, width, height = cv2.boundingRect(differs)
    rows, columns = differs.shape
    return Rectangle(
        max(left - 1, 0),
        max(top - 1, 0),
        min(left + width + 1, columns),
        min(top + height + 1, rows),
    )


def wall_picture() -> Pixels:
    """Return a blotchy wall, grey levels: something to see that the camera moves by."""
    columns, rows = (round(size / WALL_PIXEL_M) for size in WALL_SIZE_M)
    coarse = np.random.default_rng(0).normal(size=(rows // 8, columns // 8))
    blotches = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    picture: Pixels = np.clip(WALL_LEVEL + WALL_CONTRAST * blotches, 0, 255)
    return picture.astype(np.uint8)
