"""Laws of the virtual arm's motion, and its numbers by hand."""

import math
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ur5_rl_env.core.task import START_POSE_RAD
from ur5_sim.core.motion import STILL, ServoMotion, Trapezoid
from ur5_sim.core.plant import BRAKE_RAD_S2, Plant

CYCLE_S = 0.008
speeds = st.lists(st.floats(-3.0, 3.0), min_size=6, max_size=6)
angles = st.lists(st.floats(-3.0, 3.0), min_size=6, max_size=6)
accelerations = st.floats(0.2, 20.0)


def make_plant(q=(0.0,) * 6, **settings_):
    return Plant(q, **{"latency_cycles": 0, **settings_})


def run_until_done(plant, motion, most=20_000):
    """Step until the motion is done; return target q and qd of each cycle."""
    q, qd = [plant.target_q], [plant.target_qd]
    while not motion.done:
        assert len(q) < most, "the motion never ended"
        plant.step()
        q.append(plant.target_q)
        qd.append(plant.target_qd)
    return np.array(q), np.array(qd)


# speedj and stopj -----------------------------------------------------------------------


@example(first=[0.04, 0, 0, 0, 0, 0], second=[0.0] * 6, acceleration=0.2)  # rounding
@given(first=speeds, second=speeds, acceleration=accelerations)
def test_speedj_ramps_all_joints_together_with_the_leading_one_at_its_acceleration(
    first, second, acceleration
):
    plant = make_plant(joint_limit_rad=1e9)
    run_until_done(plant, plant.speedj(first, acceleration))
    _, qd = run_until_done(plant, plant.speedj(second, acceleration))
    np.testing.assert_array_equal(qd[-1], second)
    change = np.array(second) - np.array(first)
    lead = np.abs(change).max()
    assert len(qd) - 1 == max(1, math.ceil(lead / (acceleration * CYCLE_S) - 1e-9))
    steps = np.abs(np.diff(qd, axis=0)).max(axis=1)
    np.testing.assert_allclose(steps[:-1], acceleration * CYCLE_S, rtol=1e-6)
    # On the straight line from the first to the second speed: all ramp together.
    parts = (qd - first) @ change / max(lead**2, 1e-300)
    parts *= lead**2 / max(change @ change, 1e-300)
    np.testing.assert_allclose(qd, first + parts[:, None] * change, atol=1e-9)


def test_speedj_by_hand():
    plant = make_plant()
    plant.speedj((0.7, -0.35, 0, 0, 0, 0), 1.4)
    for _ in range(25):
        plant.step()
    np.testing.assert_allclose(plant.target_qd[:2], [0.28, -0.14])  # 1.4 * 0.2 s
    np.testing.assert_allclose(plant.target_q[0], 0.5 * 1.4 * 0.2**2)
    np.testing.assert_allclose(plant.target_qdd[:2], [1.4, -0.7])
    for _ in range(1000):
        plant.step()
    np.testing.assert_allclose(plant.qd[:2], [0.7, -0.35])


@given(qd=speeds, deceleration=accelerations)
def test_stop_takes_the_way_that_physics_says(qd, deceleration):
    plant = make_plant(joint_limit_rad=1e9)
    run_until_done(plant, plant.speedj(qd, 20.0))
    start = np.array(plant.target_q)
    run_until_done(plant, plant.stopj(deceleration))
    lead = max(map(abs, qd))
    way = np.abs(np.array(plant.target_q) - start)
    # v t / 2, and up to half a cycle more for the last, cut cycle
    expected = np.abs(qd) * lead / (2.0 * deceleration)
    assert np.all(way >= expected - 1e-9)
    assert np.all(way <= expected + np.abs(qd) * CYCLE_S / 2 + 1e-9)
    assert plant.target_qd == STILL


@given(qd=speeds, acceleration=accelerations, cycles=st.integers(1, 60))
def test_position_is_the_integral_of_speed(qd, acceleration, cycles):
    plant = make_plant()
    plant.speedj(qd, acceleration)
    travelled = np.zeros(6)
    before = np.array(plant.target_qd)
    for _ in range(cycles):
        plant.step()
        after = np.array(plant.target_qd)
        travelled += 0.5 * (before + after) * CYCLE_S
        before = after
    np.testing.assert_allclose(plant.target_q, travelled, atol=1e-12)


# movej ----------------------------------------------------------------------------------


@settings(max_examples=50)
@given(start=angles, goal=angles, speed=st.floats(0.1, 3.0), acceleration=accelerations)
def test_movej_ends_at_its_goal_within_its_limits_and_all_joints_together(
    start, goal, speed, acceleration
):
    plant = make_plant(start)
    q, qd = run_until_done(plant, plant.movej(goal, speed, acceleration))
    assert plant.target_q == tuple(goal)
    assert plant.target_qd == STILL
    assert np.abs(qd).max() <= speed + 1e-9
    assert np.abs(np.diff(qd, axis=0)).max() <= 2 * acceleration * CYCLE_S + 1e-9
    change = np.array(goal) - start
    parts = (q - start) @ change / max(change @ change, 1e-300)
    np.testing.assert_allclose(q, start + parts[:, None] * change, atol=1e-6)
    assert np.all(np.diff(parts) >= -1e-9)


@pytest.mark.parametrize(
    ("length_rad", "duration_s"),
    [
        pytest.param(0.3, 2 * math.sqrt(0.3 / 1.4), id="short: up and down"),
        pytest.param(1.575, 1.575 / 1.05 + 1.05 / 1.4, id="long: with a cruise"),
        pytest.param(0.0, 0.0, id="already there"),
    ],
)
def test_movej_takes_the_time_of_a_trapezoid(length_rad, duration_s):
    assert Trapezoid(length_rad, 1.05, 1.4).duration_s == pytest.approx(duration_s)
    plant = make_plant()
    q, _ = run_until_done(plant, plant.movej((length_rad, 0, 0, 0, 0, 0)))
    assert len(q) - 1 == max(1, math.ceil(duration_s / CYCLE_S - 1e-9))


def test_movej_from_a_moving_arm_brakes_first_and_still_arrives():
    plant = make_plant()
    run_until_done(plant, plant.speedj((1.0, 0, 0, 0, 0, 0), 5.0))
    goal = (-0.5, 0.2, 0, 0, 0, 0)
    _, qd = run_until_done(plant, plant.movej(goal))
    assert plant.target_q == goal
    assert np.abs(np.diff(qd, axis=0)).max() <= 1.4 * CYCLE_S + 1e-9


def test_movej_progress_grows_to_one():
    plant = make_plant()
    motion = plant.movej((1.0, 0, 0, 0, 0, 0))
    plant.step()
    assert 0.0 < motion.progress < 0.1
    run_until_done(plant, motion)
    assert motion.progress == 1.0


def test_a_braked_motion_is_taken_up_again():
    plant = make_plant()
    motion = plant.movej((1.0, 0.5, 0, 0, 0, 0))
    for _ in range(60):
        plant.step()
    plant.brake()
    for _ in range(60):
        plant.step()
    assert plant.is_still
    assert not motion.done
    plant.resume(motion)
    run_until_done(plant, motion)
    assert plant.target_q == (1.0, 0.5, 0.0, 0.0, 0.0, 0.0)


# servoj ---------------------------------------------------------------------------------


@given(goal=st.floats(-1.0, 1.0), lookahead_s=st.floats(0.03, 0.2))
def test_servoj_reaches_a_resting_goal_without_overshoot(goal, lookahead_s):
    plant = make_plant()
    plant.servoj((goal, 0, 0, 0, 0, 0), lookahead_s)
    for _ in range(1000):
        plant.step()
        assert abs(plant.target_q[0]) <= abs(goal) + 1e-12
        if plant.violation:  # a far goal with a short lookahead is too fast for the arm
            return
    assert plant.target_q[0] == pytest.approx(goal, abs=1e-6)


def test_servoj_trails_a_moving_goal_by_its_lookahead():
    motion = ServoMotion((0.0,) * 6, 0.1)
    q, qd = STILL, STILL
    for cycle in range(1, 501):
        motion.goal = (0.5 * cycle * CYCLE_S, 0, 0, 0, 0, 0)
        q, qd = motion.advance(q, qd, CYCLE_S, 1.0)
    assert motion.goal[0] - q[0] == pytest.approx(0.5 * 0.1, abs=0.5 * CYCLE_S)
    assert qd[0] == pytest.approx(0.5, rel=0.05)


# Latency, lag, slider -------------------------------------------------------------------


@given(latency=st.integers(0, 4))
def test_a_command_takes_effect_after_its_latency(latency):
    plant = make_plant(latency_cycles=latency)
    plant.speedj((0.1, 0, 0, 0, 0, 0), 1.0)
    for _ in range(latency):
        plant.step()
        assert plant.target_qd == STILL
    plant.step()
    assert plant.target_qd[0] == pytest.approx(0.008)


def test_the_last_command_of_a_cycle_counts():
    plant = make_plant()
    plant.speedj((1.0, 0, 0, 0, 0, 0), 1.0)
    plant.speedj((-1.0, 0, 0, 0, 0, 0), 1.0)
    plant.step()
    assert plant.target_qd[0] < 0.0


def test_actual_speed_follows_the_target_with_a_lag_of_one_cycle():
    plant = make_plant()
    plant.speedj((0.1, 0, 0, 0, 0, 0), 1e6)  # a step
    plant.step()
    assert plant.qd[0] == pytest.approx(0.1 * (1 - math.exp(-1.0)))
    for _ in range(100):
        plant.step()
    behind_s = (plant.target_q[0] - plant.q[0]) / 0.1
    assert behind_s == pytest.approx(CYCLE_S / (math.e - 1.0), rel=1e-3)


def test_lag_is_the_same_at_any_control_cycle():
    fast, slow = make_plant(cycle_s=0.002), make_plant(cycle_s=0.008)
    for plant, cycles in ((fast, 4), (slow, 1)):
        plant.speedj((0.1, 0, 0, 0, 0, 0), 1e6)
        for _ in range(cycles):
            plant.step()
    assert fast.qd[0] == pytest.approx(slow.qd[0])


def test_slider_scales_speed_gradually():
    plant = make_plant()
    run_until_done(plant, plant.speedj((1.0, 0, 0, 0, 0, 0), 5.0))
    plant.speed_fraction = 0.5
    seen = []
    for _ in range(200):
        plant.step()
        seen.append(plant.target_qd[0])
    assert seen[-1] == pytest.approx(0.5)
    assert max(-np.diff([1.0, *seen])) <= 5.0 * CYCLE_S + 1e-9


def test_slider_at_a_half_makes_a_move_take_twice_as_long():
    plant = make_plant()
    plant.speed_fraction = plant.speed_scaling = 0.5
    q, qd = run_until_done(plant, plant.movej((0.3, 0, 0, 0, 0, 0)))
    assert len(q) - 1 == math.ceil(2 * 2 * math.sqrt(0.3 / 1.4) / CYCLE_S)
    travelled = np.cumsum(qd[:-1, 0] + qd[1:, 0]) * CYCLE_S / 2
    np.testing.assert_allclose(q[1:, 0], travelled, atol=1e-3)


# Limits ---------------------------------------------------------------------------------


def test_fault_too_fast_brings_the_arm_to_rest_and_ignores_commands():
    plant = make_plant()
    plant.speedj((3.5, 0, 0, 0, 0, 0), 40.0)
    while not plant.violation:
        plant.step()
    assert 3.0 < plant.target_qd[0] <= 3.34
    assert "speed" in plant.violation
    assert "3.34" in plant.violation
    cycles_to_rest = math.ceil(plant.target_qd[0] / (BRAKE_RAD_S2 * CYCLE_S))
    for _ in range(cycles_to_rest):
        plant.speedj((1.0, 0, 0, 0, 0, 0), 40.0)
        plant.step()
    assert plant.target_qd == STILL
    plant.clear_violation()
    plant.speedj((1.0, 0, 0, 0, 0, 0), 40.0)
    plant.step()
    assert plant.target_qd[0] > 0.0


def test_fault_joint_beyond_its_range_brings_the_arm_to_rest():
    plant = make_plant((6.2, 0, 0, 0, 0, 0))
    plant.speedj((1.0, 0, 0, 0, 0, 0), 10.0)
    for _ in range(100):
        plant.step()
    assert "position" in plant.violation
    assert plant.is_still
    assert 6.33 < plant.q[0] < 6.33 + 1.0**2 / (2 * BRAKE_RAD_S2) + 0.02


def test_fault_a_target_far_beyond_the_limits_is_not_followed():
    plant = make_plant()
    plant.speedj((0, 0, 1e300, 0, 0, 0), 1e308)
    plant.step()
    assert "speed" in plant.violation
    assert plant.target_qd == STILL


def test_fault_a_target_that_is_no_number_is_not_followed():
    plant = make_plant((0, 0, 0.1, 0, 0, 0))
    plant.servoj((0, 0, 0.1, 0, 0, 0), 5e-324)  # infinitely fast, on no way
    plant.step()
    assert "speed [rad/s] nan" in plant.violation
    assert plant.target_q[2] == 0.1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("command", ["speedj", "movej", "servoj"])
def test_fault_non_finite_command_is_refused(command, bad):
    plant = make_plant()
    arguments = {"speedj": (1.0,), "movej": (), "servoj": ()}[command]
    with pytest.raises(ValueError, match="6 finite numbers"):
        getattr(plant, command)((0, 0, bad, 0, 0, 0), *arguments)
    plant.step()
    assert plant.target_qd == STILL


@pytest.mark.parametrize("acceleration", [0.0, -1.0, math.nan, math.inf])
def test_fault_acceleration_that_never_stops_is_refused(acceleration):
    with pytest.raises(ValueError, match="acceleration must be positive"):
        make_plant().stopj(acceleration)


def test_fault_start_pose_out_of_range_is_refused():
    with pytest.raises(ValueError, match="6.33"):
        make_plant((6.5, 0, 0, 0, 0, 0))


def test_a_cycle_costs_less_than_100_us():
    plant = make_plant(START_POSE_RAD)

    def seconds_per_cycle():
        begin = time.process_time()
        for _ in range(500):
            plant.speedj((0.1, -0.1, 0, 0, 0, 0), 1.4)
            plant.step()
        return (time.process_time() - begin) / 500

    assert min(seconds_per_cycle() for _ in range(5)) < 100e-6
