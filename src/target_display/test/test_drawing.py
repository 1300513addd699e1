"""The drawing: where the dot is, how large, and that nothing of the old one stays."""

import copy
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_display.core.drawing import Canvas

xs, ys = st.floats(8.0, 152.0), st.floats(8.0, 82.0)
places = st.tuples(xs, ys)


def canvas(width=640, height=360):
    return Canvas(np.zeros((height, width, 4), np.uint8))


def redness(pixels):
    """Return how much of each pixel the dot covers, in [0, 1]."""
    return (255.0 - pixels[..., 1]) / 255.0


def centroid(pixels):
    """Return x, y of the dot [px], measured from the edge of the first pixel."""
    cover = redness(pixels)
    rows, columns = np.mgrid[0 : cover.shape[0], 0 : cover.shape[1]] + 0.5
    return (cover * columns).sum() / cover.sum(), (cover * rows).sum() / cover.sum()


@given(place=places, width=st.sampled_from([320, 640, 1920]))
def test_the_dot_is_where_it_should_be_to_a_twentieth_of_a_pixel(place, width):
    screen = canvas(width, width * 9 // 16)
    screen.draw(*place, 7.0)
    scale = width / 160.0
    x, y = centroid(screen.pixels)
    assert (x, y) == pytest.approx((place[0] * scale, place[1] * scale), abs=0.05)


@given(place=places, radius=st.floats(5.0, 20.0))
def test_the_full_colour_covers_the_circle(place, radius):
    screen = canvas()
    screen.draw(*place, radius)
    full = np.count_nonzero((screen.pixels == (0, 0, 255, 255)).all(axis=2))
    if radius < min(place[0], place[1], 160 - place[0], 90 - place[1]):
        assert full == pytest.approx(math.pi * (4 * radius) ** 2, rel=0.03)


@given(path=st.lists(places, min_size=1, max_size=8))
def test_a_moved_dot_leaves_nothing_behind(path):
    moved, fresh = canvas(), canvas()
    for place in path:
        moved.draw(*place, 7.0)
    fresh.draw(*path[-1], 7.0)
    np.testing.assert_array_equal(moved.pixels, fresh.pixels)


def test_a_copy_erases_its_own_dot_and_leaves_the_original():
    original, fresh = canvas(), canvas()
    original.draw(40.0, 30.0, 7.0)
    before = original.pixels.copy()
    twin = copy.deepcopy(original)
    twin.draw(120.0, 60.0, 7.0)
    fresh.draw(120.0, 60.0, 7.0)
    np.testing.assert_array_equal(twin.pixels, fresh.pixels)
    np.testing.assert_array_equal(original.pixels, before)


@given(first=places, second=places)
def test_what_is_reported_as_changed_holds_every_change(first, second):
    screen = canvas()
    screen.draw(*first, 7.0)
    before = screen.pixels.copy()
    changed = screen.draw(*second, 7.0)
    if changed is None:
        assert first == second
        return
    before[changed.slices] = screen.pixels[changed.slices]
    np.testing.assert_array_equal(before, screen.pixels)


def test_a_small_move_changes_a_small_part():
    screen = canvas()
    assert screen.draw(80.0, 45.0, 7.0) == screen.whole  # the white too
    changed = screen.draw(81.0, 45.0, 7.0)
    assert changed.right - changed.left <= 2 * 28 + 4 + 6
    assert changed.bottom - changed.top <= 2 * 28 + 6
    assert screen.draw(81.0, 45.0, 7.0) is None


def test_the_dot_stays_round_on_a_square_monitor():
    screen = canvas(800, 800)
    screen.draw(8.0, 7.0, 7.0)
    cover = redness(screen.pixels)
    width = np.count_nonzero(cover.sum(axis=0))
    height = np.count_nonzero(cover.sum(axis=1))
    assert width == pytest.approx(height, abs=1)
    # 160 x 90 units, 5 px each, in the middle: 175 px of white above and below.
    assert centroid(screen.pixels) == pytest.approx((40.0, 175.0 + 35.0), abs=0.05)


def test_colours_are_those_asked_for():
    screen = Canvas(np.zeros((90, 160, 4), np.uint8), (50, 60, 220), (10, 20, 30))
    screen.draw(80.0, 45.0, 7.0)
    assert tuple(screen.pixels[45, 80]) == (50, 60, 220, 255)
    assert tuple(screen.pixels[0, 0]) == (10, 20, 30, 255)


@given(x=st.floats(-300.0, 400.0), y=st.floats(-300.0, 400.0))
def test_fault_a_dot_outside_the_screen_is_cut_off_not_wrapped(x, y):
    screen, white = canvas(160, 90), canvas(160, 90)
    screen.draw(80.0, 45.0, 7.0)
    screen.draw(x, y, 7.0)
    if not (-9.0 < x < 169.0 and -9.0 < y < 99.0):
        np.testing.assert_array_equal(screen.pixels, white.pixels)
