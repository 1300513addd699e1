"""Deadlines stay on their grid: nothing drifts, nothing is caught up in a burst."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ur5_rl_ros.deadline import Pace

pytestmark = pytest.mark.realtime

MS = 1_000_000
NEVER_LATE_NS = 60 * MS  # of a wake-up on a busy test machine, at most


def deadline_of(lateness_ns):
    """Return the deadline that has just passed, a little too late at most [ns]."""
    return time.monotonic_ns() - lateness_ns


def test_deadlines_do_not_drift():
    first_ns = time.monotonic_ns() + 5 * MS
    pace = Pace(0.005, first_ns)
    for tick in range(40):
        lateness_ns = pace.sleep()
        late_on_grid_ns = deadline_of(lateness_ns) - first_ns
        expected_ns = (tick + pace.skipped) * 5 * MS
        assert lateness_ns >= 0
        assert 0 <= late_on_grid_ns - expected_ns < 2 * MS


def test_the_first_deadline_is_now_unless_it_is_given():
    before_ns = time.monotonic_ns()
    pace = Pace(1.0)
    assert pace.sleep() < NEVER_LATE_NS
    assert time.monotonic_ns() - before_ns < NEVER_LATE_NS


@given(behind_ms=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_overrun_deadlines_are_skipped_and_the_grid_is_kept(behind_ms):
    first_ns = time.monotonic_ns() - behind_ms * MS
    pace = Pace(0.01, first_ns)
    on_grid_ns = deadline_of(pace.sleep()) - first_ns
    # The nearest deadline, counted in whole periods; the clock goes on meanwhile.
    assert pace.skipped * 10 * MS <= on_grid_ns < pace.skipped * 10 * MS + 2 * MS
    assert abs(pace.skipped * 10 - behind_ms) <= 6 + NEVER_LATE_NS // MS


def test_no_burst_follows_an_overrun():
    pace = Pace(0.01, time.monotonic_ns() - 95 * MS)
    pace.sleep()
    started_ns = time.monotonic_ns()
    for _ in range(5):
        pace.sleep()
    assert time.monotonic_ns() - started_ns >= 35 * MS
    assert pace.skipped >= 9


@pytest.mark.parametrize("period_s", [0.0, -0.04, float("nan"), float("inf"), 1e-12])
def test_fault_a_period_that_is_none_is_refused(period_s):
    with pytest.raises(ValueError, match="period_s"):
        Pace(period_s)
