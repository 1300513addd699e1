"""The robot's clock on the host's: late packages must not move it."""

import random

import pytest

from ur5_rl_env.core.clock_map import ClockMap

MS = 1_000_000
OFFSET_NS = 5_000_000_000


def arrivals(count, late_ms, drift=0.0):
    """Yield robot timestamps [s] and arrivals [ns] of a 125 Hz stream."""
    for n in range(count):
        robot_s = 100.0 + 0.008 * n
        true_ns = round((robot_s + drift * (robot_s - 100.0)) * 1e9) + OFFSET_NS
        yield robot_s, true_ns + round(late_ms(n) * MS), true_ns


def test_punctual_packages_map_exactly():
    clock = ClockMap()
    for robot_s, arrival_ns, true_ns in arrivals(10, lambda n: 0.0):
        assert clock.on_sample(robot_s, arrival_ns) == pytest.approx(true_ns, abs=10)


@pytest.mark.parametrize("drift", [0.0, 1e-4, -1e-4], ids=["equal", "slow", "fast"])
def test_late_packages_do_not_move_the_map(drift):
    source = random.Random(0)
    clock = ClockMap()
    stream = arrivals(2500, lambda n: source.expovariate(1 / 3.0), drift)
    for n, (robot_s, arrival_ns, true_ns) in enumerate(stream):
        mapped_ns = clock.on_sample(robot_s, arrival_ns)
        if n > 250:
            assert abs(mapped_ns - true_ns) < 1.0 * MS  # of packages 3 ms late on average


def test_next_sample_is_foretold():
    clock = ClockMap()
    clock.on_sample(2.0, 10_000 * MS)
    assert clock.host_ns(2.008) == 10_008 * MS


@pytest.mark.parametrize("restart_s", [0.0, 1e6], ids=["backwards", "far ahead"])
def test_fault_restarted_robot_is_mapped_anew(restart_s):
    clock = ClockMap()
    clock.on_sample(500.0, 10_000 * MS)
    assert clock.on_sample(restart_s, 20_000 * MS) == 20_000 * MS


def test_nothing_is_foretold_before_the_first_package():
    with pytest.raises(ValueError, match="no package"):
        ClockMap().host_ns(1.0)


def test_fault_a_robot_that_stood_still_is_mapped_anew_within_a_second():
    clock = ClockMap(may_pause=True)
    for k in range(100):
        clock.on_sample(k * 0.008, k * 8_000_000)
    for k in range(100, 160):  # the machine stood still for 90 ms: no cycle was made up
        clock.on_sample(k * 0.008, k * 8_000_000 + 90_000_000)
    assert clock.host_ns(160 * 0.008) == pytest.approx(160 * 8_000_000 + 90_000_000)


@pytest.mark.parametrize("grows_ms", [0.5, 100.0], ids=["slowly", "at once"])
def test_fault_a_link_that_delays_is_not_taken_for_a_clock_that_stood_still(grows_ms):
    clock = ClockMap()
    stream = arrivals(500, lambda n: min(100.0, max(0.0, grows_ms * (n - 100))))
    late_ms = [
        (arrival_ns - clock.on_sample(robot_s, arrival_ns)) / MS
        for robot_s, arrival_ns, _ in stream
    ]
    assert late_ms[99] == pytest.approx(0.0, abs=0.1)
    assert late_ms[-1] == pytest.approx(100.0, abs=1.0)


def test_one_punctual_package_in_a_window_keeps_the_map():
    clock = ClockMap(may_pause=True)
    for k in range(200):
        late_ns = 0 if k % 20 == 0 else 30_000_000
        clock.on_sample(k * 0.008, k * 8_000_000 + late_ns)
    assert clock.host_ns(1.6) == pytest.approx(1_600_000_000, abs=1_000_000)
