"""Frozen cameras and odd formats."""

import numpy as np
import pytest

from ur5_rl_env.core.camera_config import CameraConfig
from ur5_rl_env.core.frame_health import FrozenDetector, fitted, is_same_shape


def noise(seed, shape=(36, 64, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_living_camera_is_never_frozen():
    detector = FrozenDetector(3)
    assert not any(detector.is_frozen(noise(seed)) for seed in range(20))


def test_fault_repeated_image_is_frozen_from_the_limit_on_until_it_changes():
    detector = FrozenDetector(3)
    detector.is_frozen(noise(0))
    repeats = [detector.is_frozen(noise(1)) for _ in range(5)]
    assert repeats == [False, False, True, True, True]
    assert not detector.is_frozen(noise(2))


def test_one_different_pixel_is_alive():
    detector = FrozenDetector(2)
    image = noise(0)
    detector.is_frozen(image)
    other = image.copy()
    other[-1, -1, -1] += 1
    assert not detector.is_frozen(other)


def test_detector_can_be_switched_off():
    detector = FrozenDetector(0)
    assert not any(detector.is_frozen(noise(0)) for _ in range(9))


def test_whole_multiples_are_decimated():
    image = noise(0, (360, 640, 3))
    np.testing.assert_array_equal(fitted(image, 90, 160), image[::4, ::4])


@pytest.mark.parametrize("shape", [(480, 640, 3), (100, 640, 3), (45, 80, 3)])
def test_other_sizes_are_cut_to_the_middle_and_averaged(shape):
    """A grey disc in the middle stays in the middle, and round."""
    rows, columns = np.indices(shape[:2])
    radius = shape[0] / 5
    disc = np.hypot(rows - shape[0] / 2 + 0.5, columns - shape[1] / 2 + 0.5) < radius
    image = np.repeat(np.where(disc, 200, 0).astype(np.uint8)[..., None], 3, axis=2)
    small = fitted(image, 90, 160)
    assert small.shape == (90, 160, 3)
    bright = np.argwhere(small[..., 0] > 100)
    assert bright.mean(axis=0) == pytest.approx((44.5, 79.5), abs=0.6)
    height, width = np.ptp(bright, axis=0) + 1
    assert height == pytest.approx(width, rel=0.06)


def test_shape_is_compared_as_a_ratio():
    assert is_same_shape(noise(0, (360, 640, 3)), 90, 160)
    assert not is_same_shape(noise(0, (480, 640, 3)), 90, 160)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"height_px": 0}, "height_px must be in"),
        ({"capture_hz": 0.0}, "capture_hz must be positive"),
        ({"latency_s": -0.1}, "latency_s must be in"),
        ({"frozen_frames": 1}, "frozen_frames must be 0 or at least 2"),
        ({"fourcc": "MJPEG"}, "fourcc must have four letters"),
        ({"device": ""}, "device must name a camera"),
    ],
)
def test_fault_bad_configuration_is_refused_by_name(bad, message):
    with pytest.raises(ValueError, match=message):
        CameraConfig(**bad)
