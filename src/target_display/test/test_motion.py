"""The target's motion: laws for all episodes and times, and numbers by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_display.core.config import DisplayConfig
from target_display.core.motion import (
    HEIGHT_UNITS,
    MOTIONS,
    WIDTH_UNITS,
    MotionConfig,
    Target,
    Trajectory,
    trajectory,
)

configs = st.builds(
    MotionConfig,
    motion=st.sampled_from(MOTIONS),
    seed=st.integers(0, 2**31),
    speed_units_s=st.floats(0.0, 200.0),
    radius_units=st.floats(0.5, 40.0),
)
episodes = st.integers(0, 2**32 - 1)
times_s = st.floats(0.0, 3600.0)


@given(config=configs, episode=episodes, time_s=times_s)
def test_the_whole_dot_stays_on_the_screen(config, episode, time_s):
    target, radius = trajectory(config, episode).at(time_s), config.radius_units
    assert radius - 1e-6 <= target.x_units <= WIDTH_UNITS - radius + 1e-6
    assert radius - 1e-6 <= target.y_units <= HEIGHT_UNITS - radius + 1e-6


@given(config=configs, episode=episodes, time_s=times_s)
def test_the_speed_never_changes(config, episode, time_s):
    target = trajectory(config, episode).at(time_s)
    speed = math.hypot(target.velocity_x_units_s, target.velocity_y_units_s)
    moves = config.motion == "tracking"
    assert speed == pytest.approx(config.speed_units_s if moves else 0.0)


@given(config=configs, episode=episodes, time_s=times_s, gap_s=st.floats(0.0, 0.1))
def test_the_dot_never_jumps(config, episode, time_s, gap_s):
    path = trajectory(config, episode)
    here, there = path.at(time_s), path.at(time_s + gap_s)
    way = math.hypot(there.x_units - here.x_units, there.y_units - here.y_units)
    assert way <= config.speed_units_s * gap_s + 1e-6


@given(config=configs, episode=episodes, time_s=times_s)
def test_the_same_arguments_give_the_same_target(config, episode, time_s):
    again = MotionConfig(**vars(config))
    assert trajectory(config, episode).at(time_s) == trajectory(again, episode).at(time_s)


@given(
    x=st.floats(7.0, 153.0), velocity=st.floats(-60.0, 60.0), time_s=st.floats(0.0, 10.0)
)
def test_the_closed_form_is_what_small_steps_give(x, velocity, time_s):
    closed = Trajectory(Target(x, 45.0, velocity, 0.0), 7.0).at(time_s)
    stepped, v, steps = x, velocity, 2000
    for _ in range(steps):
        stepped += v * time_s / steps
        if not 7.0 <= stepped <= 153.0:
            v = -v
            stepped = 14.0 - stepped if stepped < 7.0 else 306.0 - stepped
    assert closed.x_units == pytest.approx(stepped, abs=1e-6)


def test_a_bounce_by_hand():
    path = Trajectory(Target(80.0, 45.0, 25.0, -38.0), 7.0)
    # x: 73 units to the right margin at 153 take 2.92 s, the rest leads back to 126.
    # y: 1 s up to the margin at 7, 2 s down to 83, 1 s up again to 45.
    assert path.at(4.0).x_units == pytest.approx(126.0)
    assert path.at(4.0).velocity_x_units_s == -25.0
    assert path.at(4.0).y_units == pytest.approx(45.0)
    assert path.at(4.0).velocity_y_units_s == -38.0
    assert path.at(2.0).velocity_y_units_s == 38.0


def test_static_is_the_middle_for_ever():
    path = trajectory(MotionConfig(motion="static"), 9)
    assert path.at(0.0) == path.at(123.0) == Target(80.0, 45.0)


def test_reaching_places_fill_the_margins_evenly():
    config = MotionConfig(motion="reaching")
    places = [trajectory(config, episode).at(1.0) for episode in range(4000)]
    for values, low, high in (
        ([p.x_units for p in places], 7.0, 153.0),
        ([p.y_units for p in places], 7.0, 83.0),
    ):
        counts = [0] * 10
        for value in values:
            counts[int((value - low) / (high - low) * 10)] += 1
        assert min(counts) > 320 and max(counts) < 480  # 400 +- 4 sigma


def test_tracking_directions_are_even_not_diagonal():
    config = MotionConfig(motion="tracking")
    counts = [0] * 16
    for episode in range(4000):
        start = trajectory(config, episode).at(0.0)
        assert (start.x_units, start.y_units) == (80.0, 45.0)
        angle = math.atan2(start.velocity_y_units_s, start.velocity_x_units_s)
        counts[int((angle + math.pi) / (2 * math.pi) * 16) % 16] += 1
    assert min(counts) > 188 and max(counts) < 312  # 250 +- 4 sigma


@pytest.mark.parametrize("changed", [{"seed": 1}, {}])
def test_another_seed_or_episode_is_another_place(changed):
    first = trajectory(MotionConfig(), 5)
    other = trajectory(MotionConfig(**changed), 5 if changed else 6)
    assert first.at(0.0) != other.at(0.0)


@pytest.mark.parametrize(
    ("field", "value", "bound"),
    [
        ("motion", "jumping", "static"),
        ("radius_units", 45.0, "below 45"),
        ("radius_units", 0.0, "above 0"),
        ("speed_units_s", -1.0, ">= 0"),
        ("speed_units_s", math.nan, "finite"),
        ("screen", "wall", "offscreen"),
        ("display_index", -1, ">= 0"),
        ("width_px", 8, "16"),
        ("height_px", 9000, "8192"),
        ("frame_rate_hz", math.inf, "1..500"),
        ("dot_colour_bgr", (0, 0), "three numbers"),
        ("background_colour_bgr", (0, 0, 256), "255"),
    ],
)
def test_fault_configuration_names_field_value_and_bound(field, value, bound):
    with pytest.raises(ValueError, match=field) as refused:
        DisplayConfig(**{field: value})
    assert bound in str(refused.value)
