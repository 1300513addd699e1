from dataclasses import fields, replace

import numpy as np
import pytest

from sac_learner.core.replay_log import ReplayLog, read_segment
from sac_learner.core.time_step import TimeStep


def assert_equal(a: TimeStep, b: TimeStep):
    for field in fields(TimeStep):
        left, right = getattr(a, field.name), getattr(b, field.name)
        assert type(left) is type(right), field.name
        np.testing.assert_array_equal(left, right, err_msg=field.name)


def fill(log, steps):
    for step in steps:
        log.append(step, is_transition=not step.is_first)


def test_steps_come_back_as_they_went_in_each_from_one_file(
    counter_environment, tmp_path
):
    environment = counter_environment(run_id=2**63 + 5)
    steps = environment.steps(25)
    steps.append(environment.advance(new_frames=0))  # no new frame at all
    steps.append(environment.advance(last=True, terminal=True))
    log = ReplayLog(tmp_path, capacity=1000)
    fill(log, steps[:10])
    log.flush()
    fill(log, steps[10:])
    segments = log.flush()
    assert [segment.name for segment in segments] == [
        "segment_00000001.safetensors",
        "segment_00000002.safetensors",
    ]
    back = [step for segment in segments for step in read_segment(tmp_path, segment)]
    assert len(back) == len(steps)
    for a, b in zip(back, steps, strict=True):
        assert_equal(a, b)


def test_nothing_new_writes_nothing(counter_environment, tmp_path):
    log = ReplayLog(tmp_path, capacity=1000)
    assert log.flush() == ()
    fill(log, counter_environment().steps(3))
    first = log.flush()
    assert log.flush() == first
    assert len(list(tmp_path.iterdir())) == 1


def test_segments_beyond_the_capacity_are_no_longer_named(counter_environment, tmp_path):
    environment, log = counter_environment(), ReplayLog(tmp_path, capacity=20)
    for _ in range(6):
        fill(log, environment.steps(11))  # one episode: 10 transitions
        segments = log.flush()
    assert [segment.name[-13:-12] for segment in segments] == ["5", "6"]
    assert sum(segment.transitions for segment in segments) == 20


def test_a_log_that_goes_on_numbers_on(counter_environment, tmp_path):
    environment, log = counter_environment(), ReplayLog(tmp_path, capacity=1000)
    fill(log, environment.steps(3))
    again = ReplayLog(tmp_path, capacity=1000, segments=log.flush())
    fill(again, environment.steps(3))
    assert [s.name for s in again.flush()][-1] == "segment_00000002.safetensors"


def test_fault_a_changed_or_missing_segment_is_refused(counter_environment, tmp_path):
    log = ReplayLog(tmp_path, capacity=1000)
    fill(log, counter_environment().steps(3))
    (segment,) = log.flush()
    path = tmp_path / segment.name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="checksum of .*segment_00000001"):
        read_segment(tmp_path, segment)
    path.unlink()
    with pytest.raises(OSError):
        read_segment(tmp_path, segment)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"stack_ids": (3, 2, 1)}, "stack_ids must be 3 ascending"),
        ({"stack_ids": (1, 2)}, "stack_ids must be 3 ascending"),
        ({"frame_ids": (3, 2, 1)}, "frame_ids must ascend"),
        ({"stack_ids": (2, 3, 4)}, "not in"),
        ({"frames": np.zeros((2, 3, 8, 8), np.uint8)}, "frames must be"),
        ({"frames": np.zeros((3, 3, 64), np.uint8)}, "frames must be"),
        ({"action": np.full(5, 1.01, np.float32)}, r"action must be in \[-1, 1\]"),
        ({"action": np.full(5, np.nan, np.float32)}, "must be finite"),
        ({"reward": float("inf")}, "must be finite"),
        ({"proprioception": np.full(15, np.nan, np.float32)}, "must be finite"),
        ({"is_terminal": True}, "is_terminal without is_last"),
    ],
)
def test_fault_a_step_that_contradicts_itself_is_refused(
    counter_environment, change, complaint
):
    step = counter_environment().advance()
    with pytest.raises(ValueError, match=complaint):
        replace(step, **change)


def test_fault_while_the_disk_is_full_the_newest_steps_wait(
    counter_environment, tmp_path
):
    blocked = tmp_path / "replay"
    blocked.write_text("a file in the directory's place")
    log = ReplayLog(blocked, capacity=10)
    steps = counter_environment().steps(50)
    fill(log, steps)
    with pytest.raises(OSError):
        log.flush()
    blocked.unlink()
    (segment,) = log.flush()
    back = list(read_segment(blocked, segment))
    assert [step.sequence for step in back] == [step.sequence for step in steps[-20:]]
