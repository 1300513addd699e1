"""Freshness of inputs, to the millisecond and without waiting."""

from dataclasses import replace

import numpy as np
import pytest

from ur5_rl_env.core.env_config import EnvConfig
from ur5_rl_env.core.rate import Rate
from ur5_rl_env.core.sensors import Frame, JointSample, Sensors

MS = 1_000_000
RED = (0, 0, 200)
CONFIG = EnvConfig(
    height_px=9,
    width_px=16,
    max_image_age_s=0.12,
    max_joint_state_age_s=0.06,
    max_target_age_s=0.5,
)


def frame(number, arrival_ms, shape=(9, 16, 3), level=None):
    image = np.full(shape, number if level is None else level, np.uint8)
    return Frame(number, arrival_ms * MS, arrival_ms * MS, image, image)


def joints(arrival_ms, q=0.0):
    return JointSample(arrival_ms * MS, arrival_ms * MS, np.full(6, q), np.zeros(6))


def sensors(joints_ms=100, frame_ms=100, target_ms=100, frames=3, **config):
    newest = Sensors(replace(CONFIG, **config))
    if joints_ms is not None:
        newest.on_joint_sample(joints(joints_ms))
    for number in range(frames if frame_ms is not None else 0):
        newest.on_frame(frame(number + 1, frame_ms))
    if target_ms is not None:
        newest.on_target(target_ms * MS)
    return newest


def test_all_fresh_is_no_fault():
    assert sensors().fault(100 * MS) == ""


@pytest.mark.parametrize(
    ("now_ms", "missing", "words"),
    [
        pytest.param(100, "joints_ms", "joint_states has not been heard", id="no driver"),
        pytest.param(100, "frame_ms", "image_raw has not been heard", id="no camera"),
        pytest.param(100, "target_ms", "target_state has not been", id="no display"),
    ],
)
def test_fault_an_input_that_was_never_heard(now_ms, missing, words):
    assert words in sensors(**{missing: None}).fault(now_ms * MS)


@pytest.mark.parametrize(
    ("ages", "words"),
    [
        pytest.param({"joints_ms": 39}, "joint_states has been silent", id="joints"),
        pytest.param({"frame_ms": -21}, "image_raw has been silent", id="images"),
        pytest.param({"target_ms": -401}, "target_state has been silent", id="display"),
    ],
)
def test_fault_an_input_that_went_silent(ages, words):
    assert words in sensors(**ages).fault(100 * MS)


def test_ages_at_the_limit_are_still_fresh():
    assert sensors(joints_ms=40, frame_ms=-20, target_ms=-400).fault(100 * MS) == ""


@pytest.mark.parametrize(
    ("hold_s", "frame_ms", "is_old"),
    [(0.08, 20, False), (0.08, 19, True), (0.0, -100, False)],
)
def test_nobody_should_act_on_an_image_older_than_two_periods(hold_s, frame_ms, is_old):
    watched = sensors(hold_image_age_s=hold_s, frame_ms=frame_ms)
    assert watched.is_image_old(100 * MS) is is_old


def test_fault_the_history_is_not_full_yet():
    assert "2 of 3 images" in sensors(frames=2).fault(100 * MS)
    with pytest.raises(ValueError, match="no snapshot"):
        sensors(frames=2).snapshot()


def test_the_stack_is_the_last_three_images_oldest_first():
    newest = sensors()
    newest.on_frame(frame(4, 100))
    assert [f.number for f in newest.snapshot().frames] == [2, 3, 4]


def test_an_unwatched_target_is_no_fault():
    free = Sensors(EnvConfig(height_px=9, width_px=16, max_target_age_s=0.0))
    free.on_joint_sample(joints(100))
    for number in (1, 2, 3):
        free.on_frame(frame(number, 100))
    assert free.fault(100 * MS) == ""


def test_fault_an_image_of_another_size_is_refused_and_not_kept():
    newest = sensors()
    with pytest.raises(ValueError, match=r"\(90, 160, 3\), expected \(9, 16, 3\)"):
        newest.on_frame(frame(4, 100, shape=(90, 160, 3)))
    assert newest.newest_frame.number == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_fault_a_joint_sample_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="q must be 6 finite numbers"):
        joints(100, q=bad)


def test_fault_a_joint_sample_that_no_arm_can_have_is_refused():
    with pytest.raises(ValueError, match=r"q must lie in \+-12.6, got \[1.e\+300"):
        joints(100, q=1e300)
    with pytest.raises(ValueError, match=r"qd must lie in \+-20"):
        JointSample(0, 0, np.zeros(6), np.full(6, -21.0))


def test_fault_a_camera_frozen_on_one_image_is_named_within_five_and_heals():
    newest = sensors()
    said = []
    for number in range(4, 10):
        newest.on_frame(frame(number, 100, level=77))
        said.append(newest.fault(100 * MS))
    assert said[:4] == [""] * 4
    assert said[4:] == ["camera is frozen: 5 equal images in a row"] * 2
    newest.on_frame(frame(10, 100, level=78))
    assert newest.fault(100 * MS) == ""


def test_a_camera_without_noise_may_repeat_itself_where_that_is_asked_for():
    newest = Sensors(replace(CONFIG, max_equal_images=0))
    newest.on_joint_sample(joints(100))
    newest.on_target(100 * MS)
    for number in range(20):
        newest.on_frame(frame(number, 100, level=77))
    assert newest.fault(100 * MS) == ""


@pytest.mark.parametrize(
    ("red_px", "words"), [(0, "0 red pixels, at least 3 expected"), (2, "2 red"), (3, "")]
)
def test_fault_a_target_that_is_not_seen_is_told_with_numbers(red_px, words):
    newest = Sensors(replace(CONFIG, min_mask_px=300.0))
    dark = frame(1, 100)
    dark.image.reshape(-1, 3)[:red_px] = RED
    newest.on_frame(dark)
    fault = newest.exposure_fault()
    assert words in fault if words else fault == ""


def test_no_target_is_needed_where_that_is_asked_for():
    newest = Sensors(replace(CONFIG, min_mask_px=0.0))
    newest.on_frame(frame(1, 100))
    assert newest.exposure_fault() == ""


def test_fault_stamps_of_any_time_leave_the_ages_alone():
    """A wall clock that jumps moves stamps; freshness is told by arrivals."""
    newest = sensors()
    for jump_s in (-30, 30, -(2**31), 2**31 - 1):
        stamp_ns = jump_s * 1_000_000_000
        still = np.zeros(6)
        newest.on_joint_sample(JointSample(stamp_ns, 100 * MS, still, still))
        assert newest.fault(100 * MS) == ""
        assert newest.snapshot().offset_s == pytest.approx(abs(jump_s), abs=0.2)
    newest.on_joint_sample(joints(100))
    assert newest.snapshot().offset_s == 0.0


def test_rate_counts_intervals_in_the_window():
    rate = Rate()
    for k in range(200):
        rate.count(k * 8 * MS)
    assert rate.hz(199 * 8 * MS) == pytest.approx(125.0)
    assert rate.hz(199 * 8 * MS + 2_000 * MS) == 0.0
