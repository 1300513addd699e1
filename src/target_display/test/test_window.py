"""The real node in a real window on a real X server: its pixels against its words."""

import math
import subprocess
import sys
import time

import numpy as np
import pytest
import rclpy

from ur5_rl_interfaces.msg import TargetState
from ur5_rl_ros import qos
from ur5_rl_ros.testing import node_environment

pytestmark = pytest.mark.realtime

SPEED_UNITS_S = 25.0
SCALE = 4.0  # px per unit of a 640 x 360 window
FRAME_S = 1 / 60


@pytest.fixture
def states(ros):
    node = rclpy.create_node("onlooker", context=ros.context)
    received = []
    node.create_subscription(TargetState, "target_state", received.append, qos.SENSOR)
    ros.add_node(node)
    return received


@pytest.fixture
def start(xvfb, ros_domain):
    processes = []

    def start(**parameters):
        words = [w for k, v in parameters.items() for w in ("-p", f"{k}:={v}")]
        process = subprocess.Popen(
            [sys.executable, "-m", "target_display.nodes.display_node", "--ros-args"]
            + words,
            env={**node_environment(ros_domain), "DISPLAY": xvfb.display},
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.terminate()
        process.communicate(timeout=5.0)


def dot(pixels):
    """Return centroid x, y [px] and the area in the full colour [px] of the dot."""
    red = pixels[..., 2].astype(float) - pixels[..., 1]
    rows, columns = np.nonzero(red)
    weight = red[rows, columns]
    full = np.count_nonzero((pixels[..., :3] == (0, 0, 255)).all(axis=2))
    x, y = np.average(columns, weights=weight), np.average(rows, weights=weight)
    return x + 0.5, y + 0.5, full


def window_origin(pixels):
    """Return the top left corner of what is not black: the window."""
    rows, columns = np.nonzero(pixels[..., 2])
    return columns.min(), rows.min()


def test_the_window_shows_what_the_node_tells(xvfb, start, states, spin_until):
    start(screen="window", motion="tracking", speed_units_s=SPEED_UNITS_S)
    spin_until(lambda: len(states) > 10)
    left, top = window_origin(xvfb.pixels())
    distances = []
    for _ in range(30):
        seen = len(states)
        spin_until(lambda n=seen: len(states) > n)
        pixels, seen_ns = xvfb.pixels(), time.monotonic_ns()
        spin_until(lambda ns=seen_ns: states[-1].steady_ns > ns)
        told = min(states, key=lambda state: abs(state.steady_ns - seen_ns))
        x, y, area = dot(pixels)
        distances.append(
            math.hypot(x - left - SCALE * told.x_units, y - top - SCALE * told.y_units)
        )
        radius_px = SCALE * told.radius_units
        assert area == pytest.approx(math.pi * radius_px**2, rel=0.03)
    frame_px = SPEED_UNITS_S * SCALE * FRAME_S  # the dot moves so far from flip to flip
    assert np.median(distances) <= 1.0 + frame_px / 2
    # A screen read while this process was held up shows a later flip than was told.
    assert np.percentile(distances, 80) <= 1.0 + 2 * frame_px
    places = {(state.x_units, state.y_units) for state in states}
    assert len(places) > 30  # it did move


def test_a_still_dot_is_exact_and_nothing_else_is_drawn(xvfb, start, states, spin_until):
    start(screen="window", motion="reaching", seed=4)
    spin_until(lambda: len(states) > 10)
    pixels, state = xvfb.pixels(), states[-1]
    left, top = window_origin(pixels)
    x, y, _ = dot(pixels)
    assert x - left == pytest.approx(SCALE * state.x_units, abs=0.05)
    assert y - top == pytest.approx(SCALE * state.y_units, abs=0.05)
    window = pixels[top : top + 360, left : left + 640]
    assert (window[..., 2] == 255).all()  # white and red have it in common
    outside = pixels.copy()
    outside[top : top + 360, left : left + 640] = 0
    assert not outside[..., :3].any()


def test_full_screen_covers_the_monitor(xvfb, start, states, spin_until):
    start(screen="fullscreen", motion="static")
    spin_until(lambda: len(states) > 10)
    pixels = xvfb.pixels()
    assert (states[-1].width_px, states[-1].height_px) == (1280, 720)
    assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1], :3] == 255).all()
    assert dot(pixels)[:2] == pytest.approx((640.0, 360.0), abs=0.05)


def test_fault_a_window_that_was_covered_is_drawn_again(xvfb, start, states, spin_until):
    start(screen="window", motion="static")
    spin_until(lambda: len(states) > 10)
    before = xvfb.pixels()
    with xvfb.covered():
        assert not xvfb.pixels()[..., :3].any()
    spin_until(lambda: np.array_equal(xvfb.pixels(), before))


def test_the_close_button_ends_it_with_code_0(xvfb, start, states, spin_until):
    process = start(screen="window")
    spin_until(lambda: len(states) > 3)
    xvfb.press_close_button()
    assert process.wait(5.0) == 0


def test_fault_a_missing_monitor_is_named(start):
    process = start(screen="fullscreen", display_index=3)
    _, complaint = process.communicate(timeout=20.0)
    assert process.returncode == 2
    assert complaint.splitlines() == [
        "error: screen 'fullscreen': display_index 3 does not exist: 1 monitor(s) found, "
        "counted from 0"
    ]
