"""Fixtures of this package's tests: ROS in private, and an X server in memory."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ur5_rl_ros.testing import ros, ros_domain, spin_until  # noqa: F401

WIDTH, HEIGHT = 1280, 720
CLIENT_MESSAGE = 33  # X11's number of this event


class Xvfb:
    """An X server whose screen is a file: what it holds is what a monitor would show."""

    def __init__(self, folder: Path) -> None:
        read_end, write_end = os.pipe()
        geometry = ["-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"]
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write_end), *geometry, "-fbdir", str(folder)],
            pass_fds=[write_end],
            stderr=subprocess.DEVNULL,
        )
        os.close(write_end)
        with open(read_end) as numbers:
            self.display = f":{numbers.readline().strip()}"
        assert self.display != ":", "Xvfb did not start"
        self._screen = np.memmap(folder / "Xvfb_screen0", np.uint8, "r")

    def pixels(self) -> np.ndarray:
        """Return a copy of the screen, BGRX, shape (HEIGHT, WIDTH, 4)."""
        header = self._screen[:100].view(">u4")
        header_size, line_size, colours = (int(header[i]) for i in (0, 12, 19))
        first = header_size + 12 * colours
        lines = self._screen[first : first + HEIGHT * line_size]
        return lines.reshape(HEIGHT, line_size // 4, 4)[:, :WIDTH].copy()

    @contextmanager
    def covered(self) -> Iterator[None]:
        """Put another window, black, over everything."""
        x11 = _x11()
        server = x11.XOpenDisplay(self.display.encode())
        root = x11.XDefaultRootWindow(server)
        size = (0, 0, WIDTH, HEIGHT)
        cover = x11.XCreateSimpleWindow(server, root, *size, 0, 0, 0)
        x11.XMapRaised(server, cover)
        x11.XSync(server, 0)
        yield
        x11.XDestroyWindow(server, cover)
        x11.XSync(server, 0)
        x11.XCloseDisplay(server)

    def press_close_button(self) -> None:
        """Ask the only window to close, as a window manager does."""
        x11 = _x11()
        server = x11.XOpenDisplay(self.display.encode())
        window = _only_window(x11, server)
        protocols = x11.XInternAtom(server, b"WM_PROTOCOLS", 0)
        delete = x11.XInternAtom(server, b"WM_DELETE_WINDOW", 0)
        event = _ClientMessage(type=CLIENT_MESSAGE, window=window, format=32)
        event.message_type, event.data[0] = protocols, delete
        x11.XSendEvent(server, window, 0, 0, ctypes.byref(event))
        x11.XCloseDisplay(server)


class _ClientMessage(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("rest_of_the_union", ctypes.c_long * 12),
    )


def _x11() -> ctypes.CDLL:
    x11 = ctypes.CDLL("libX11.so.6")
    number, pointer = ctypes.c_ulong, ctypes.c_void_p
    x11.XOpenDisplay.restype = pointer
    x11.XDefaultRootWindow.restype, x11.XDefaultRootWindow.argtypes = number, [pointer]
    x11.XInternAtom.restype = number
    x11.XInternAtom.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int]
    x11.XGetWMProtocols.argtypes = [pointer, number, pointer, pointer]
    x11.XQueryTree.argtypes = [pointer, number, *[pointer] * 4]
    x11.XSendEvent.argtypes = [pointer, number, ctypes.c_int, ctypes.c_long, pointer]
    x11.XCloseDisplay.argtypes = [pointer]
    x11.XCreateSimpleWindow.restype = number
    x11.XCreateSimpleWindow.argtypes = [
        pointer,
        number,
        *[ctypes.c_int] * 2,
        *[ctypes.c_uint] * 3,
        *[number] * 2,
    ]
    x11.XMapRaised.argtypes = x11.XDestroyWindow.argtypes = [pointer, number]
    x11.XSync.argtypes = [pointer, ctypes.c_int]
    return x11


def _only_window(x11: ctypes.CDLL, server: int) -> int:
    """Return the one window with a close button; SDL has invisible ones besides."""
    root, parent, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
    children = ctypes.POINTER(ctypes.c_ulong)()
    answers = map(ctypes.byref, (root, parent, children, count))
    x11.XQueryTree(server, x11.XDefaultRootWindow(server), *answers)
    protocols, number = ctypes.POINTER(ctypes.c_ulong)(), ctypes.c_int()
    answers = ctypes.byref(protocols), ctypes.byref(number)
    (window,) = (
        child
        for child in children[: count.value]
        if x11.XGetWMProtocols(server, child, *answers)
    )
    return window


@pytest.fixture
def xvfb(tmp_path):
    if shutil.which("Xvfb") is None:
        pytest.fail("Xvfb is missing; install it: apt-get install xvfb")
    server = Xvfb(tmp_path)
    yield server
    server.process.terminate()
    server.process.wait(5.0)
