"""Each fault of the virtual camera, without a camera."""

import numpy as np
import pytest

from ur5_sim.core.camera_faults import CameraFault

PERIOD_NS = 40_000_000


def frames(count=4):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (90, 160, 3), np.uint8) for _ in range(count)]


def shown(words, count=4):
    fault = CameraFault()
    fault.applied(frames(1)[0], -PERIOD_NS)
    fault.command(words)
    return [fault.applied(f, i * PERIOD_NS) for i, f in enumerate(frames(count))]


def test_a_healthy_camera_shows_what_it_sees():
    fault, seen = CameraFault(), frames()
    assert all(fault.applied(f, 0) is f for f in seen)


def test_fault_silent_and_frozen_and_dark_and_small():
    assert shown("silent") == [None] * 4
    frozen = shown("frozen")
    assert all(np.array_equal(f, frozen[0]) for f in frozen)
    dark = shown("dark")
    assert max(f.max() for f in dark) < 10
    assert not np.array_equal(dark[0], dark[1])
    assert shown("small")[0].shape == (45, 80, 3)


def test_fault_slow_lets_every_third_frame_through():
    arrived = [f is not None for f in shown("slow 8.4", count=12)]
    assert sum(arrived) == 4


def test_fault_late_delays():
    fault = CameraFault()
    fault.command("late 0.1")
    assert fault.delay_s == 0.1
    fault.command("none")
    assert fault.delay_s == 0.0


@pytest.mark.parametrize("words", ["", "broken", "late -1", "late nan", "slow", "slow 0"])
def test_fault_words_that_mean_nothing_are_refused(words):
    fault = CameraFault()
    with pytest.raises(ValueError, match="camera_fault"):
        fault.command(words)
