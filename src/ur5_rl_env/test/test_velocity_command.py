"""Velocity commands: each that must not move the arm is refused, by name."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_env.core.velocity_command import CommandInbox, VelocityCommand

MS = 1_000_000
NOW = 10_000 * MS
GOOD = (0.1, -0.2, 0.3, 0.0, 0.0, 0.0)


def inbox():
    return CommandInbox(max_age_s=0.05, session_timeout_s=0.12, max_speed_rad_s=0.7)


def command(*, session=1, sequence=1, sent_ms=10_000, velocity=GOOD):
    return VelocityCommand(session, sequence, sent_ms * MS, velocity)


def test_good_command_is_kept():
    box = inbox()
    assert box.age_ms(NOW) == -1.0
    assert box.offer(command(), NOW + 20 * MS) == ""
    assert box.newest == command()
    assert (box.accepted, box.refused) == (1, 0)
    assert box.age_ms(NOW + 20 * MS) == 20.0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param({"velocity": GOOD[:5]}, "5 values, expected 6", id="short"),
        pytest.param({"velocity": (math.nan, *GOOD[1:])}, "joint 1 is nan", id="nan"),
        pytest.param({"velocity": (*GOOD[:5], -math.inf)}, "joint 6 is -inf", id="inf"),
        pytest.param({"velocity": (0, 0, 1.5, 0, 0, 0)}, "joint 3 is 1.500", id="absurd"),
        pytest.param({"sent_ms": 9_949}, "0.051 s ago", id="old"),
        pytest.param({"sent_ms": 0}, "10.000 s ago", id="from a recording"),
        pytest.param({"sent_ms": 10_001}, "in the future", id="future"),
    ],
)
def test_fault_bad_command_is_refused(bad, reason):
    box = inbox()
    assert reason in box.offer(command(**bad), NOW)
    assert box.newest is None
    assert (box.accepted, box.refused) == (0, 1)


@pytest.mark.parametrize("sequence", [0, 6, 7])
def test_fault_replayed_command_is_refused(sequence):
    box = inbox()
    box.offer(command(sequence=7), NOW)
    assert "does not follow 7" in box.offer(command(sequence=sequence), NOW)
    assert box.offer(command(sequence=8), NOW) == ""


def test_fault_replay_is_refused_also_after_the_command_was_discarded():
    box = inbox()
    box.offer(command(sequence=7), NOW)
    box.discard()
    assert box.newest is None
    assert "does not follow" in box.offer(command(sequence=7), NOW)


def test_fault_second_commander_is_refused_while_the_first_is_alive():
    box = inbox()
    box.offer(command(session=1), NOW)
    later = 10_120
    assert "interferes" in box.offer(command(session=2, sent_ms=later), later * MS)
    assert box.newest == command(session=1)
    assert box.offer(command(session=2, sent_ms=later + 1), (later + 1) * MS) == ""


def test_closed_inbox_says_why():
    box = inbox()
    assert box.offer(command(), NOW, closed="arm rests") == "arm rests"
    assert (box.newest, box.refused) == (None, 1)


@given(
    velocity=st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 6),
    sent_ms=st.integers(-(2**40), 2**40),
    sequence=st.integers(0, 2**64 - 1),
)
def test_fault_whatever_is_accepted_is_finite_slow_and_fresh(velocity, sent_ms, sequence):
    box = inbox()
    made = command(velocity=velocity, sent_ms=sent_ms, sequence=sequence)
    if box.offer(made, NOW) == "":
        assert all(abs(v) <= 1.4 for v in velocity)
        assert 0.0 <= made.age_s(NOW) <= 0.05
