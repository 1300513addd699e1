"""The log of time steps: appended, never changed, whole up to wherever a kill cut it."""

import errno
import os
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from sac_learner.core import replay_log, segment_file
from sac_learner.core.replay_log import Durable, ReplayLog
from sac_learner.core.segment_file import (
    HEADER,
    LoggedStep,
    cut_torn_tail,
    read_steps,
    segment_path,
    segment_paths,
)
from sac_learner.core.time_step import TimeStep


def assert_equal(a: TimeStep, b: TimeStep):
    for field in fields(TimeStep):
        left, right = getattr(a, field.name), getattr(b, field.name)
        assert type(left) is type(right), field.name
        np.testing.assert_array_equal(left, right, err_msg=field.name)


def fill(log, steps):
    """Append steps as the sampler would: each counts the transition that it ends."""
    env_steps = max(log.durable.env_steps, *(s.env_steps for s in log._waiting), 0)
    for step in steps:
        env_steps += not step.is_first
        log.append(step, env_steps)


def read(directory, problems=None):
    found = [] if problems is None else problems
    steps = list(ReplayLog(directory, capacity=1000).read(found))
    assert problems is not None or found == []
    return steps


def sequences(steps):
    return [step.sequence for step in steps]


@pytest.fixture
def log(tmp_path):
    log = ReplayLog(tmp_path, capacity=1000)
    yield log
    log.close()


@pytest.fixture
def no_space(monkeypatch):
    """Return a switch: while it is on, half of what is written fits on the disk."""
    is_full, write = [], os.write

    def write_half(descriptor, data):
        if not is_full:
            return write(descriptor, data)
        write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.write", write_half)
    return is_full


def test_steps_come_back_as_they_went_in(counter_environment, log, tmp_path):
    environment = counter_environment(run_id=2**63 + 5)
    steps = environment.steps(150)
    steps.append(environment.advance(new_frames=0))  # no new frame at all
    steps.append(environment.advance(last=True, terminal=True))
    fill(log, steps[:100])
    log.flush()
    fill(log, steps[100:])
    log.flush()
    assert [path.name for path in tmp_path.iterdir()] == ["segment_00000001.steps"]
    back = read(tmp_path)
    assert len(back) == len(steps)
    for a, b in zip(back, steps, strict=True):
        assert_equal(a, b)


def test_what_is_on_disk_is_never_written_again(counter_environment, log, tmp_path):
    path, environment, before = segment_path(tmp_path, 1), counter_environment(), b""
    for _ in range(4):
        fill(log, environment.steps(5))
        log.flush()
        now = path.read_bytes()
        assert now.startswith(before) and len(now) > len(before)
        before = now
    log.flush()  # nothing new
    assert path.read_bytes() == before


def test_it_says_how_far_it_reaches_only_once_it_does(counter_environment, log):
    environment = counter_environment(run_id=7)
    fill(log, environment.steps(12, episode_length=10))
    assert log.durable == Durable()
    log.flush()
    assert log.durable == Durable(run_id=7, sequence=12, env_steps=10)


def test_a_log_that_goes_on_knows_what_it_has(counter_environment, log, tmp_path):
    environment = counter_environment(run_id=3)
    fill(log, environment.steps(12, episode_length=10))
    log.flush()
    again = ReplayLog(tmp_path, capacity=1000)
    assert len(list(again.read([]))) == 12
    assert (again.durable, again.newest) == (log.durable, {3: 12})
    fill(again, environment.steps(2, episode_length=10))
    again.flush()
    again.close()
    assert [path.name[-7] for path in segment_paths(tmp_path)] == ["1", "2"]
    assert sequences(read(tmp_path)) == list(range(1, 15))


def test_full_files_are_left_and_old_ones_deleted(
    counter_environment, tmp_path, monkeypatch
):
    monkeypatch.setattr(replay_log, "SEGMENT_BYTES", 1)  # each record in its own file
    environment, log = counter_environment(), ReplayLog(tmp_path, capacity=20)
    for _ in range(6):
        fill(log, environment.steps(11))  # one episode: 10 transitions
        log.flush()
    # 20 transitions, and one file more for the frames of the oldest stack
    assert [path.name[-7] for path in segment_paths(tmp_path)] == ["4", "5", "6"]
    assert log.durable.env_steps == 60


@pytest.mark.parametrize("cut", [1, 20, HEADER.size, 3000])
def test_fault_a_record_cut_short_is_cut_off_and_named(
    counter_environment, log, tmp_path, cut
):
    environment = counter_environment()
    for _ in range(2):
        fill(log, environment.steps(5))
        log.flush()
    path = segment_path(tmp_path, 1)
    whole = path.read_bytes()
    first = HEADER.size + HEADER.unpack(whole[: HEADER.size])[1]
    os.truncate(path, first + cut)
    problems = []
    assert sequences(read(tmp_path, problems)) == [1, 2, 3, 4, 5]
    assert len(problems) == 1
    assert f"cut off {cut} bytes of a write that was not finished" in problems[0]
    assert path.stat().st_size == first
    assert cut_torn_tail(path) == ""


def test_fault_a_changed_byte_costs_one_record_and_is_named(
    counter_environment, log, tmp_path
):
    environment = counter_environment()
    for _ in range(3):
        fill(log, environment.steps(5))
        log.flush()
    path = segment_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    problems = []
    assert sequences(read(tmp_path, problems)) == [1, 2, 3, 4, 5, 11, 12, 13, 14, 15]
    broken, missing = problems
    assert "checksum of the record at" in broken and path.name in broken
    assert "transitions 5 to 9 are missing before it" in missing


@pytest.mark.parametrize("junk", [b"\0" * 500, b"x", b"STEP" + b"\xff" * 200])
def test_fault_what_is_no_record_ends_a_file_but_not_the_log(
    counter_environment, log, tmp_path, junk
):
    environment = counter_environment()
    fill(log, environment.steps(3))
    log.flush()
    log.close()
    with open(segment_path(tmp_path, 1), "ab") as file:
        file.write(junk)
    fill(log, environment.steps(3))
    log.flush()
    problems = []
    assert sequences(read(tmp_path, problems)) == [1, 2, 3, 4, 5, 6]
    assert len(problems) == 1
    assert "segment_00000001" in problems[0]


@pytest.mark.parametrize("what", ["pipe", "device", "large", "empty", "loop"])
def test_fault_what_is_no_file_of_bounded_size_is_named_and_not_read(
    counter_environment, log, tmp_path, what
):
    fill(log, counter_environment().steps(3))
    log.flush()
    path = segment_path(tmp_path, 2)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "loop":
        path.symlink_to(path)
    else:
        path.touch()
        os.truncate(path, 10**13 if what == "large" else 0)
    problems = []
    assert sequences(read(tmp_path, problems)) == [1, 2, 3]
    assert len(problems) == 1 and path.name in problems[0]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"frame_count": np.full(5, 2**31, np.uint32)}, "frame_count must be at most 3"),
        ({"frame_count": np.zeros(4, np.uint32)}, r"frame_count must be .*\(5,\)"),
        ({"env_steps": np.zeros((5, 2), np.uint64)}, r"env_steps must be uint64"),
        ({"action": np.zeros(5, np.float32)}, r"action must be float32"),
        ({"action": np.zeros((5, 5), np.float64)}, r"action must be float32"),
        ({"stack_ids": np.zeros((5, 2), np.uint64)}, r"stack_ids must be uint64"),
        ({"frames": np.zeros((1, 3, 2, 2), np.uint8)}, r"frames must be uint8"),
        ({"frame_ids": np.zeros(1, np.uint64)}, r"frame_ids must be uint64"),
        ({"reward": np.full(5, np.nan, np.float32)}, "must be finite"),
        ({"reward": None}, "KeyError.'reward'"),
    ],
)
def test_fault_a_forged_record_is_refused_by_file_and_array(
    counter_environment, tmp_path, change, complaint, monkeypatch
):
    arrays = segment_file._arrays(
        [LoggedStep(s, 1) for s in counter_environment().steps(5)]
    )
    kept = {k: v for k, v in (arrays | change).items() if v is not None}
    monkeypatch.setattr(segment_file, "_arrays", lambda _: kept)
    path = segment_path(tmp_path, 1)
    path.write_bytes(segment_file.pack_record([]))
    problems = []
    assert list(read_steps(path, problems)) == []
    assert re.search(f"segment_00000001.steps: .*{complaint}", problems[0])


def test_fault_a_record_of_absurd_length_is_damage_and_nothing_is_cut_off(
    counter_environment, log, tmp_path
):
    """One flipped bit must not make the rest of a file look like a torn write."""
    fill(log, counter_environment().steps(3))
    log.flush()
    path = segment_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[10] ^= 1  # of the length: 2^48 more
    path.write_bytes(data)
    problems = []
    assert read(tmp_path, problems) == []
    assert "no whole record at byte 0" in problems[0]
    assert path.read_bytes() == data


def test_fault_a_deleted_file_costs_its_steps_alone(
    counter_environment, tmp_path, monkeypatch
):
    monkeypatch.setattr(replay_log, "SEGMENT_BYTES", 1)
    environment, log = counter_environment(), ReplayLog(tmp_path, capacity=1000)
    for _ in range(3):
        fill(log, environment.steps(5))
        log.flush()
    segment_path(tmp_path, 2).unlink()
    problems = []
    assert sequences(read(tmp_path, problems)) == [1, 2, 3, 4, 5, 11, 12, 13, 14, 15]
    assert "segment_00000003" in problems[0] and "are missing before it" in problems[0]


def test_fault_files_that_were_deleted_at_the_front_or_renamed_are_told(
    counter_environment, tmp_path, monkeypatch
):
    monkeypatch.setattr(replay_log, "SEGMENT_BYTES", 1)
    environment, log = counter_environment(), ReplayLog(tmp_path, capacity=1000)
    for _ in range(3):
        fill(log, environment.steps(5))
        log.flush()
    first, second, _ = segment_paths(tmp_path)
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    problems = []
    assert sequences(read(tmp_path, problems)) == [6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    assert f"{second}: holds transitions from before 5" in problems[0]
    second.unlink()
    problems = []
    read(tmp_path, problems)
    assert "begins at transition 5, of a capacity of 1000" in problems[0]


def test_fault_a_step_in_two_files_comes_back_once(counter_environment, log, tmp_path):
    """An error of fsync leaves open whether the data arrived: it is written again."""
    environment = counter_environment()
    fill(log, environment.steps(5))
    log.flush()
    segment_path(tmp_path, 2).write_bytes(segment_path(tmp_path, 1).read_bytes())
    assert sequences(read(tmp_path)) == [1, 2, 3, 4, 5]


def test_fault_on_a_full_disk_nothing_counts_as_durable_and_nothing_is_lost(
    counter_environment, log, tmp_path, no_space
):
    environment = counter_environment()
    fill(log, environment.steps(5))
    log.flush()
    before = log.durable
    no_space.append(True)
    for _ in range(3):
        fill(log, environment.steps(5))
        with pytest.raises(OSError, match="No space left"):
            log.flush()
        assert log.durable == before
        assert sequences(read(tmp_path)) == [1, 2, 3, 4, 5]  # nothing half written
    no_space.clear()
    log.flush()
    assert log.durable.sequence == 20
    assert sequences(read(tmp_path)) == list(range(1, 21))
    assert len(segment_paths(tmp_path)) == 2


def test_fault_a_file_that_can_be_neither_written_nor_deleted_holds_up_no_other(
    counter_environment, log, tmp_path, no_space, monkeypatch
):
    def not_permitted(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    fill(log, counter_environment().steps(5))
    no_space.append(True)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", not_permitted)
        with pytest.raises(OSError, match="No space left"):
            log.flush()
    no_space.clear()
    log.flush()
    assert log.durable.sequence == 5
    assert [path.name[-7] for path in segment_paths(tmp_path)] == ["1", "2"]
    assert sequences(read(tmp_path, [])) == [1, 2, 3, 4, 5]


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
    log.flush()
    problems = []
    assert sequences(read(blocked, problems)) == sequences(steps[-20:])
    assert "begins at transition" in problems[0]  # to a reader who holds more


def test_fault_a_file_that_cannot_be_read_is_named(log, tmp_path, counter_environment):
    segment_path(tmp_path, 1).mkdir(parents=True)
    problems = []
    assert list(read_steps(segment_path(tmp_path, 1), problems)) == []
    assert "segment_00000001" in problems[0]


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
