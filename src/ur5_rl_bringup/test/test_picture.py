"""The picture: its arithmetic by hand, and that something is drawn where it should be."""

import os

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_bringup.core.film import Film
from ur5_rl_bringup.core.histogram import Histogram
from ur5_rl_bringup.core.monitor_config import MonitorConfig
from ur5_rl_bringup.core.picture import bars, save_picture, trailing_mean
from ur5_rl_bringup.core.run_record import RunRecord
from ur5_rl_bringup.core.samples import Episode, Timing

GREEN = (40, 220, 120)  # BGR; nothing else in the picture has it


def record_of(returns, end="time_limit"):
    record = RunRecord(1000)
    rng = np.random.default_rng(0)
    for number, value in enumerate(returns, start=1):
        finished = Episode(
            run_id=1,
            episode=number,
            end=end,
            stamp_s=5.0 * number,
            return_sum=value,
            steps=100,
            policy_version=0,
            duration_s=4.0,
            reset_s=1.0,
            missed_actions=0,
            held_observations=0,
            limited_steps=0,
            synchronisation_misses=0,
            transitions_sent=0,
        )
        cycle_ms = (40 + rng.normal(0, 0.1, 100)).astype(np.float32)
        names = ("lateness_ms", "learner_wait_ms", "observation_to_command_ms")
        series = dict.fromkeys(names, cycle_ms)
        record.on_episode(
            finished, Timing(cycle_ms=cycle_ms, policy_age_s=cycle_ms, **series)
        )
    return record


def drawn(tmp_path, record, film=None):
    path = tmp_path / "new" / "picture.png"
    save_picture(path, record, film, MonitorConfig())
    assert os.listdir(path.parent) == ["picture.png"]
    return cv2.imread(str(path)).astype(int)


def share_inked(image, left, right, top, bottom):
    """Return the share of dark or coloured pixels in a part given by fractions."""
    height, width = image.shape[:2]
    part = image[int(top * height) : int(bottom * height)]
    part = part[:, int(left * width) : int(right * width)]
    return float((part.min(axis=2) < 200).mean())


def test_all_three_panels_are_drawn(tmp_path):
    frame = np.full((90, 160, 3), GREEN, np.uint8)
    film = Film(number=7, return_sum=300.0, times_s=(0.0, 2.0, 4.0), images=(frame,) * 3)
    image = drawn(tmp_path, record_of(np.linspace(0, 300, 60)), film)
    assert share_inked(image, 0.05, 0.60, 0.10, 0.70) > 0.005  # curve
    assert share_inked(image, 0.70, 1.00, 0.10, 0.70) > 0.05  # bars
    is_film = np.abs(image - GREEN).max(axis=2) < 10
    assert is_film[: is_film.shape[0] * 3 // 4].sum() == 0
    assert is_film.mean() > 0.03


@pytest.mark.parametrize("returns", [[], [12.0]])
def test_a_short_run_is_drawn_without_a_warning(tmp_path, returns, recwarn):
    image = drawn(tmp_path, record_of(returns))
    assert image.std() > 5
    assert not [w for w in recwarn if issubclass(w.category, UserWarning)]


def test_episodes_cut_short_are_marked_in_red_at_the_foot(tmp_path):
    def red(image):
        blue, green, red = np.moveaxis(image, 2, 0)
        return int(((red > 170) & (blue < 90) & (green < 90)).sum())

    assert red(drawn(tmp_path, record_of([1.0] * 5))) == 0
    assert red(drawn(tmp_path, record_of([1.0] * 5, end="camera silent"))) > 20


@given(values=st.lists(st.floats(-500, 500), max_size=60))
def test_the_trailing_mean_is_that_of_each_window(values):
    expected = [np.mean(values[max(0, i - 19) : i + 1]) for i in range(len(values))]
    assert trailing_mean(np.array(values)) == pytest.approx(expected, abs=1e-9)


@given(values=st.lists(st.floats(0, 1200), min_size=1, max_size=80))
def test_bars_count_every_value_on_the_axis_once(values):
    histogram = Histogram(0.05, 20_000)
    histogram.add(values)
    edges, counts = bars(histogram)
    assert len(edges) == len(counts) + 1
    assert len(counts) <= 61
    assert np.all(np.diff(edges) > 0)
    if max(values) < 1000.0:  # none beyond the histogram, none left out of so few
        assert counts.sum() == len(values)


def test_one_value_far_off_does_not_flatten_the_rest():
    histogram = Histogram(0.05, 20_000)
    histogram.add(np.random.default_rng(0).normal(40.0, 0.1, 100_000))
    histogram.add([700.0])
    edges, counts = bars(histogram)
    assert 40.5 < edges[-1] < 42.0
    assert counts.sum() == 100_000
    assert np.count_nonzero(counts) > 10
