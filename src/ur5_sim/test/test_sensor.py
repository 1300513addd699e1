"""The faults of the virtual sensor, in numbers, and what they do to the red mask."""

import math

import numpy as np
import pytest

from target_display.core.drawing import Canvas
from ur5_rl_env.core.reward import mask_pixels
from ur5_rl_env.core.task import START_POSE_RAD
from ur5_sim.core.camera import Camera
from ur5_sim.core.camera_config import CameraConfig
from ur5_sim.core.sensor import Sensor


def clean_frame():
    canvas = Canvas(np.zeros((360, 640, 4), np.uint8))
    canvas.draw(80.0, 45.0, 7.0)
    return Camera(CameraConfig()).render(canvas.pixels, START_POSE_RAD)


def grey(level=128, size=(90, 160)):
    return np.full((*size, 3), level, np.uint8)


def test_noise_has_the_asked_for_strength_and_no_bias():
    sensor = Sensor(CameraConfig(noise_sigma=8.0))
    frames = np.array([sensor.expose(grey()) for _ in range(20)], float)
    assert frames.std() == pytest.approx(8.0, rel=0.03)
    assert frames.mean() == pytest.approx(128.0, abs=0.1)
    assert (frames.std(axis=0) > 0).mean() > 0.99  # other noise in every frame


def test_noise_and_drops_repeat_with_seed_and_episode():
    def faults(seed, episode):
        sensor = Sensor(CameraConfig(seed=seed, noise_sigma=5.0, drop_probability=0.5))
        sensor.restart(episode)
        return [(sensor.is_dropped(), sensor.expose(grey()).tobytes()) for _ in range(8)]

    assert faults(1, 2) == faults(1, 2)
    assert faults(1, 2) != faults(2, 2)
    assert faults(1, 2) != faults(1, 3)


def test_gain_and_saturation_by_hand():
    sensor = Sensor(CameraConfig(gain=1.5, noise_sigma=0.0))
    assert (sensor.expose(grey(100)) == 150).all()
    assert (sensor.expose(grey(200)) == 255).all()


def test_fault_too_little_gain_hides_the_dot():
    frame = clean_frame()
    red = {
        gain: mask_pixels(Sensor(CameraConfig(noise_sigma=0.0, gain=gain)).expose(frame))
        for gain in (0.45, 0.5, 1.0, 1.3)
    }
    assert red[0.45] == 0
    assert red[0.5] > 70
    assert red[1.0] == pytest.approx(82, abs=3)
    assert red[1.3] > 70


def test_blur_makes_the_mask_smaller():
    frame = clean_frame()
    counts = [
        mask_pixels(
            Sensor(CameraConfig(noise_sigma=0.0, blur_sigma_px=blur)).expose(frame)
        )
        for blur in (0.0, 0.8, 1.5)
    ]
    assert counts == sorted(counts, reverse=True)
    assert 55 <= counts[1] <= 70
    assert 38 <= counts[2] <= 52


def test_without_faults_the_frame_is_as_it_was():
    sensor = Sensor(CameraConfig(noise_sigma=0.0))
    frame = np.random.default_rng(0).integers(0, 256, (90, 160, 3)).astype(np.uint8)
    np.testing.assert_array_equal(sensor.expose(frame), frame)
    assert not any(sensor.is_dropped() for _ in range(100))


def test_frames_are_dropped_as_often_as_asked():
    sensor = Sensor(CameraConfig(drop_probability=0.3))
    dropped = sum(sensor.is_dropped() for _ in range(5000))
    assert dropped == pytest.approx(1500, abs=130)  # 4 sigma


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width_px", 8),
        ("height_px", 4000),
        ("horizontal_fov_deg", 180.0),
        ("gain", -1.0),
        ("noise_sigma", math.nan),
        ("blur_sigma_px", -0.1),
        ("rate_hz", 0.0),
        ("latency_s", math.inf),
        ("drop_probability", 1.5),
        ("screen_width_m", -1.0),
    ],
)
def test_fault_a_camera_that_cannot_be_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field) as refused:
        CameraConfig(**{field: value})
    assert str(value) in str(refused.value)
