"""Where a canvas becomes visible: nowhere (off screen), or a window on a monitor."""

import os
from types import ModuleType
from typing import Protocol

from target_display.core.config import DisplayConfig
from target_display.core.drawing import Pixels, Rectangle

DISPLAY_VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
SET_DISPLAY = "set DISPLAY; sim: or --headless (ros2 launch: headless:=true)"
NO_DISPLAY_DRIVERS = ("dummy", "offscreen")  # SDL's own ways to show nothing


class Screen(Protocol):
    """Shows pixels. Owned by the main thread."""

    size_px: tuple[int, int]  # width, height
    name: str

    def attach(self, pixels: Pixels) -> None:
        """Take the array to show, BGRX, shape (height, width, 4)."""

    def show(self, changed: Rectangle | None) -> None:
        """Bring the part of the pixels that has changed to light."""

    def is_closed(self) -> bool:
        """Return whether the user wants it closed; to be asked for every frame."""

    def close(self) -> None: ...


def open_screen(config: DisplayConfig) -> Screen:
    """Return the screen that the configuration asks for.

    Raises:
        ValueError: there is no display, or no monitor of that index.
    """
    return OffScreen(config) if config.screen == "offscreen" else Window(config)


class OffScreen:
    """Shows nothing: readers of `screen_file` see the canvas. Needs no pygame."""

    def __init__(self, config: DisplayConfig) -> None:
        self.size_px = (config.width_px, config.height_px)
        self.name = "off screen"

    def attach(self, pixels: Pixels) -> None: ...

    def show(self, changed: Rectangle | None) -> None: ...

    def is_closed(self) -> bool:
        return False

    def close(self) -> None: ...


class Window:
    """A window or a whole monitor, through SDL. Escape or its close button ends it."""

    def __init__(self, config: DisplayConfig) -> None:
        if not any(os.environ.get(name) for name in DISPLAY_VARIABLES):
            raise ValueError(f"screen '{config.screen}': no display, {SET_DISPLAY}")
        self._pygame = pygame = _pygame()
        try:
            pygame.display.init()
            driver = pygame.display.get_driver()
            if driver in NO_DISPLAY_DRIVERS:
                raise ValueError(f"no display (SDL took '{driver}'), {SET_DISPLAY}")
            self._surface = self._open(config)
        except (pygame.error, ValueError) as error:
            pygame.display.quit()
            raise ValueError(f"screen '{config.screen}': {error}") from None
        self.size_px = self._surface.get_size()
        self.name = f"{config.screen}, monitor {config.display_index}, {driver}"
        pygame.display.set_caption("target display")
        pygame.mouse.set_visible(config.screen == "window")

    def _open(self, config: DisplayConfig):  # noqa: ANN202  pygame comes late
        display = self._pygame.display
        monitors = display.get_desktop_sizes()
        index = config.display_index
        if index >= len(monitors):
            raise ValueError(
                f"display_index {index} does not exist: {len(monitors)} monitor(s) "
                f"found, counted from 0"
            )
        if config.screen == "fullscreen":
            flags = self._pygame.FULLSCREEN
            return display.set_mode(monitors[index], flags, display=index)
        return display.set_mode((config.width_px, config.height_px), display=index)

    def attach(self, pixels: Pixels) -> None:
        self._source = self._pygame.image.frombuffer(pixels, self.size_px, "BGRA")
        self._source.set_alpha(None)  # copy, do not blend
        self._is_exposed = False

    def show(self, changed: Rectangle | None) -> None:
        if self._is_exposed:
            changed, self._is_exposed = Rectangle(0, 0, *self.size_px), False
        if changed is None:
            return
        area = (
            changed.left,
            changed.top,
            changed.right - changed.left,
            changed.bottom - changed.top,
        )
        self._surface.blit(self._source, area[:2], area)
        self._pygame.display.update(area)

    def is_closed(self) -> bool:
        pygame, closed = self._pygame, False
        for event in pygame.event.get():
            self._is_exposed |= event.type == pygame.WINDOWEXPOSED
            closed |= event.type == pygame.QUIT
            closed |= event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE
        return closed

    def close(self) -> None:
        self._pygame.display.quit()


def _pygame() -> ModuleType:
    """Import pygame with SDL set up for a small picture that changes in small parts."""
    os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
    # Drawing through OpenGL would cost 60 % of a core where there is no GPU.
    os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
    # A full screen must stay while somebody works on the other monitor.
    os.environ.setdefault("SDL_VIDEO_MINIMIZE_ON_FOCUS_LOSS", "0")
    import pygame  # noqa: PLC0415  reads the environment; off screen does without

    return pygame
