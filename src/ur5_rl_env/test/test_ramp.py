"""How a velocity changes: speed, acceleration and jerk, without any wall."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_env.core.ramp import STILL, clipped, ramped, smoothed

MOST, BEND = 0.0112, 0.0064  # 1.4 rad/s^2 and 100 rad/s^3, in periods of 8 ms

velocities = st.tuples(*[st.floats(-0.7, 0.7)] * 6)
bends = st.floats(1e-4, 0.1)


def course(velocity, goals, bend=BEND, before=STILL):
    """Yield velocities, one a period; the last goal is kept until it is reached."""
    for goal in (*goals, *itertools.repeat(goals[-1], 3000)):
        after = smoothed(velocity, goal, before, MOST, bend)
        before = tuple(b - a for a, b in zip(velocity, after, strict=True))
        velocity = after
        yield velocity


@given(goals=st.lists(velocities, min_size=1, max_size=20), bend=bends)
def test_acceleration_and_jerk_keep_their_limits_wherever_the_goal_goes(goals, bend):
    points = [STILL, STILL, *itertools.islice(course(STILL, goals, bend), 100)]
    for joint in zip(*points, strict=True):
        changes = [b - a for a, b in itertools.pairwise(joint)]
        assert max(map(abs, changes)) <= MOST + 1e-12
        bent = [b - a for a, b in itertools.pairwise(changes)]
        assert max(map(abs, bent)) <= bend + 1e-12


@given(goal=velocities, start=velocities, bend=bends)
def test_a_goal_is_reached_and_never_passed(goal, start, bend):
    for velocity in course(start, [goal], bend):
        for value, first, last in zip(velocity, start, goal, strict=True):
            assert min(first, last) - 1e-9 <= value <= max(first, last) + 1e-9
        if velocity == pytest.approx(goal, abs=1e-9):
            return
    raise AssertionError(f"{velocity} is still on the way to {goal}")


@given(goals=st.lists(velocities, min_size=1, max_size=20))
def test_no_goals_within_a_speed_lead_beyond_it(goals):
    for velocity in itertools.islice(course(STILL, goals), 100):
        assert max(map(abs, velocity)) <= 0.7 + 1e-9


@given(goal=velocities)
def test_the_way_from_rest_is_a_straight_line(goal):
    lead = max(map(abs, goal))
    for velocity in itertools.islice(course(STILL, [goal]), 60):
        part = max(map(abs, velocity)) / lead if lead else 0.0
        assert velocity == pytest.approx([part * g for g in goal], abs=1e-9)


def test_a_ramp_takes_as_long_as_its_law_says():
    """0.7 rad/s at 1.4 rad/s^2 is 0.5 s; 100 rad/s^3 add 14 ms in all."""
    count = 1 + next(
        index
        for index, velocity in enumerate(course(STILL, [(0.7, *STILL[1:])]))
        if velocity[0] == pytest.approx(0.7)
    )
    assert count * 0.008 == pytest.approx(0.514, abs=0.008)


@given(goal=velocities)
def test_without_a_limit_that_matters_both_ramps_are_one(goal):
    expected = ramped(STILL, goal, MOST)
    assert smoothed(STILL, goal, STILL, MOST, 1e3) == pytest.approx(expected)


def test_a_change_of_mind_bends_the_way_and_breaks_it_not():
    """Accelerating at 1.4 rad/s^2, told to turn back: 1.4, 0.6, -0.2, -1.0, -1.4."""
    goal = (-0.7, *STILL[1:])
    way = course((0.3, *STILL[1:]), [goal], before=(MOST, *STILL[1:]))
    speeds = [0.3, *(velocity[0] for velocity in itertools.islice(way, 4))]
    rates = [(b - a) / 0.008 for a, b in itertools.pairwise(speeds)]
    assert rates == pytest.approx([0.6, -0.2, -1.0, -1.4])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_fault_what_is_no_number_is_rest(bad):
    assert clipped((0.1, bad, 0.0, 0.0, 0.0, 0.0), 0.7) == STILL
