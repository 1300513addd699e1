"""The record of the virtual robot's motion, written by a stand-in for its controller."""

import time

import numpy as np
import pytest

from ur5_rl_experiments.faults.pose_recorder import PoseRecorder
from ur5_rl_ros.shared_array import SharedArrayWriter


@pytest.fixture
def recorded(tmp_path):
    """A recorder that has seen the stamps 100, 200 ... 500, each with its own pose."""
    writer = SharedArrayWriter(tmp_path / "pose", (2, 6), "f8")
    writer.begin()
    writer.commit(1)
    with PoseRecorder(tmp_path / "pose") as recorder:
        for stamp in range(100, 501, 100):
            writer.begin()[...] = stamp
            writer.commit(stamp)
            deadline = time.monotonic() + 5.0
            while stamp not in recorder.since(stamp).steady_ns:
                assert time.monotonic() < deadline
                time.sleep(0.001)
        yield recorder


@pytest.mark.parametrize(
    ("start_ns", "stamps"),
    [
        (0, [100, 200, 300, 400, 500]),
        (300, [300, 400, 500]),
        (350, [300, 400, 500]),
        (9000, [500]),
    ],
)
def test_a_motion_begins_with_the_pose_in_force_then(recorded, start_ns, stamps):
    motion = recorded.since(start_ns)
    assert [stamp for stamp in motion.steady_ns if stamp != 1] == stamps
    np.testing.assert_array_equal(motion.q[-1], [stamps[-1]] * 6)
    np.testing.assert_array_equal(motion.qd[-1], [stamps[-1]] * 6)
