"""A jump of system time, told from the steady clock."""

import pytest

from ur5_rl_bringup.core.wall_clock import WallClock

S = 1_000_000_000
MS = 1_000_000
EPOCH_NS = 1_700_000_000 * S


@pytest.fixture
def clock():
    clock = WallClock(jump_ns=50 * MS, shown_ns=60 * S)
    assert not clock.look(EPOCH_NS, 0)
    return clock


@pytest.mark.parametrize("jump_s", [0.051, -0.051, 30.0, -30.0, -3600.0])
def test_fault_a_jump_is_told_once_and_by_how_much(clock, jump_s):
    offset_ns = EPOCH_NS + round(jump_s * S)
    assert clock.look(offset_ns, S)
    assert not clock.look(offset_ns, 2 * S)
    assert clock.text(2 * S) == f"system time jumped by {jump_s:+.3f} s"
    assert clock.jumps == 1


def test_a_jump_is_shown_for_a_while(clock):
    clock.look(EPOCH_NS + S, 10 * S)
    assert clock.text(70 * S)
    assert clock.text(70 * S + 1) == ""
    assert clock.jumps == 1


def test_there_and_back_are_two_jumps(clock):
    assert clock.look(EPOCH_NS + 30 * S, S)
    assert clock.look(EPOCH_NS, 2 * S)
    assert clock.text(2 * S).endswith("-30.000 s")
    assert clock.jumps == 2


def test_slow_corrections_pass(clock):
    for tick in range(1, 10_000):  # 10 % of the time, as fast as a time server may be
        assert not clock.look(EPOCH_NS + tick * 2 * MS, tick * 20 * MS)
    assert clock.text(200 * S) == ""
