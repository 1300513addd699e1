"""What the fault harness makes of a motion and of many runs, without a graph."""

import numpy as np
import pytest

from ur5_rl_experiments.core.fault_outcome import Outcome, entry, matrix_rows
from ur5_rl_experiments.core.motion_record import MotionRecord
from ur5_rl_experiments.faults.case import Verdict, stopped

PERIOD_NS = 8_000_000
STOP_RAD_S2 = 4.0


def motion(cruise_cycles=10, speed=0.7, rest_cycles=20):
    """Cruise, brake at the stop ramp, rest; the first joint alone."""
    lost = STOP_RAD_S2 * PERIOD_NS / 1e9
    braking = np.arange(speed - lost, 0.0, -lost)
    first = np.concatenate(
        [np.full(cruise_cycles, speed), braking, np.zeros(rest_cycles)]
    )
    qd = np.zeros((len(first), 6))
    qd[:, 0] = first
    stamps = np.arange(len(first), dtype=np.int64) * PERIOD_NS
    q = np.cumsum(qd, axis=0) * PERIOD_NS / 1e9
    return MotionRecord(stamps, q, qd)


def test_braking_and_rest_are_where_they_are():
    record = motion()
    assert record.braking_ns() == 9 * PERIOD_NS
    assert record.rest_ns() == pytest.approx(9 * PERIOD_NS + 0.175e9, abs=2 * PERIOD_NS)
    assert record.until_rest().travel_rad() == pytest.approx(0.0504 + 0.061, abs=0.01)
    assert 0.0 < record.travel_m() < 0.2


def test_fault_an_arm_that_never_rests_is_no_pass():
    record = motion(rest_cycles=0)
    outcome = stopped(record, 0, "nobody", Verdict(), stop_limit_ms=300.0)
    assert outcome.stop_ms is None
    assert outcome.failures == ("rests after [ms]: never, limit 300",)


def test_a_robot_that_has_ended_goes_on_as_it_was():
    rests, moves = motion(rest_cycles=2), motion(rest_cycles=0)
    assert rests.rest_ns() is None
    assert rests.stays_as_it_ends().rest_ns() == rests.steady_ns[-2]
    assert moves.stays_as_it_ends().rest_ns() is None


def test_fault_a_zero_crossing_is_no_rest():
    record = motion()
    qd = record.qd.copy()
    qd[-15:, 0] = 0.3  # it goes on after 40 ms less than a rest
    assert MotionRecord(record.steady_ns, record.q, qd).rest_ns() is None


def test_fault_slow_coasting_is_no_braking():
    record = motion()
    qd = record.qd.copy()
    qd[:, 0] = np.maximum(0.7 - 0.01 * np.arange(len(qd)), 0.0)  # 1.25 rad/s^2
    coasting = MotionRecord(np.append(record.steady_ns, 0)[:-1], record.q, qd)
    assert coasting.braking_ns() is None or coasting.braking_ns() > 9 * PERIOD_NS


@pytest.mark.parametrize(("limit_ms", "passes"), [(300.0, True), (200.0, False)])
def test_limits_decide(limit_ms, passes):
    outcome = stopped(motion(), 0, "arm", Verdict(), stop_limit_ms=limit_ms)
    assert (not outcome.failures) is passes


def test_runs_are_taken_together_and_failures_stay_visible():
    outcomes = [
        Outcome(detector="arm", stop_ms=100.0, travel_rad=0.1),
        Outcome(detector="arm", stop_ms=300.0, travel_rad=0.2, failures=("late",)),
    ]
    item = entry("F1", "rests <= 200 ms", outcomes)
    assert (item["runs"], item["passed"]) == (2, 1)
    assert item["stop_ms"] == {"p50": 200.0, "max": 300.0}
    assert item["travel_rad_max"] == 0.2
    assert item["detect_ms"] is None
    at = item | {"commit": f"{'a1b2c3d4' * 5}-dirty"}
    row = matrix_rows([("actor dies", "SIGKILL", at)])[-1]
    assert "**1 of 2**" in row
    assert "200, 300" in row
    assert row.endswith("| a1b2c3d-dirty |")
