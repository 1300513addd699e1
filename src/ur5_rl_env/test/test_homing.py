"""The way to the start pose, from anywhere that the limits allow."""

import itertools
import random

import pytest

from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.homing import Homing, has_passed
from ur5_rl_env.core.kinematics import position_of_tool0
from ur5_rl_env.core.ramp import STILL, ramped
from ur5_rl_env.core.safety import limited_motion
from ur5_rl_env.core.task import START_POSE_RAD
from ur5_sim.core.plant import Plant

CONFIG = ArmConfig()
LIMITS = CONFIG.limits()
HOMING = Homing(
    goal_rad=START_POSE_RAD,
    speed_rad_s=1.05,
    deceleration_rad_s2=1.4,
    latency_s=0.04,
    tolerance_rad=0.005,
)
# Stretched up to the ceiling: the straight line home leads through it.
UNDER_THE_CEILING = (1.4705, -0.8536, 0.1612, -2.9562, -1.5384, 2.9756)


def poses_inside(count, seed=0):
    source = random.Random(seed)
    while count:
        bounds = zip(LIMITS.joint_lower_rad, LIMITS.joint_upper_rad, strict=True)
        q = tuple(source.uniform(low, high) for low, high in bounds)
        if LIMITS.hold(q):
            count -= 1
            yield q


def go_home(q, qd=STILL):
    """Return the plant once it has arrived, and how long that took [s]."""
    plant = Plant(q)
    following = sent = qd
    acceleration = STILL
    plant.speedj(qd, 1e3)
    plant.step()
    route = HOMING.route(plant.q, LIMITS)
    for cycle in range(round(CONFIG.move_timeout_s / LIMITS.period_s)):
        while len(route) > 1 and has_passed(route[0], plant.q):
            route = route[1:]
        following = ramped(following, sent, 4.0 * LIMITS.period_s)
        wanted = HOMING.velocity(plant.q, route[0])
        sent, _, acceleration, _ = limited_motion(
            wanted,
            following,
            plant.q,
            LIMITS,
            pace=CONFIG.move_pace,
            acceleration=acceleration,
        )
        plant.speedj(sent, 4.0)
        plant.step()
        if HOMING.has_arrived(plant.q, plant.qd):
            return plant, cycle * LIMITS.period_s
    raise AssertionError(f"from {q}: {HOMING.farthest(plant.q)}")


@pytest.mark.parametrize("q", list(poses_inside(60)))
def test_arm_comes_home_from_anywhere(q):
    plant, took_s = go_home(q)
    assert plant.q == pytest.approx(START_POSE_RAD, abs=0.005)
    assert took_s < 4.5


def test_arm_comes_home_in_the_middle_of_a_motion():
    plant, _ = go_home(
        (1.9, -1.5, 1.5, -3.0, -1.2, 2.8), qd=(0.7, 0.7, -0.7, 0.7, 0.7, 0)
    )
    assert plant.q == pytest.approx(START_POSE_RAD, abs=0.005)


def test_straight_line_where_it_is_free():
    assert HOMING.route((1.7, -1.8, 1.7, -2.9, -1.5, 3.0), LIMITS) == (START_POSE_RAD,)


def test_detour_where_the_straight_line_leads_through_the_ceiling():
    corners = HOMING.route(UNDER_THE_CEILING, LIMITS)
    assert len(corners) == 2
    for start, end in itertools.pairwise((UNDER_THE_CEILING, *corners)):
        for part in (0.05 * n for n in range(21)):
            q = tuple(s + part * (e - s) for s, e in zip(start, end, strict=True))
            assert position_of_tool0(q)[2] < LIMITS.box_upper_m[2] + 0.005
    half_way = tuple(
        0.7 * s + 0.3 * g for s, g in zip(UNDER_THE_CEILING, START_POSE_RAD, strict=True)
    )
    assert position_of_tool0(half_way)[2] > LIMITS.box_upper_m[2]


def test_all_joints_arrive_together():
    q = (1.3, -1.7, 1.8, -3.0, -1.5, 3.0)
    velocity = HOMING.velocity(q, START_POSE_RAD)
    times = [(g - p) / v for g, p, v in zip(START_POSE_RAD, q, velocity, strict=True)]
    assert times == pytest.approx([times[0]] * 6)


def test_speed_leaves_room_to_stop():
    """0.1 rad away: v * 0.04 + v^2 / 2.8 = 0.1 gives v = 0.4761 rad/s."""
    q = (START_POSE_RAD[0] - 0.1, *START_POSE_RAD[1:])
    assert HOMING.velocity(q, START_POSE_RAD)[0] == pytest.approx(0.4761, abs=1e-4)


def test_at_home_nothing_moves():
    assert HOMING.velocity(START_POSE_RAD, START_POSE_RAD) == STILL
    assert HOMING.has_arrived(START_POSE_RAD, STILL)
    assert not HOMING.has_arrived(START_POSE_RAD, (0.02, *STILL[1:]))


def test_farthest_joint_is_named():
    q = (*START_POSE_RAD[:2], START_POSE_RAD[2] - 0.412, *START_POSE_RAD[3:])
    assert HOMING.farthest(q) == "elbow_joint is 0.412 rad away"


def test_fault_a_corner_that_counts_as_passed_is_no_corner():
    """From under the ceiling, where a learning run once got stuck."""
    q = (1.2065, -1.0662, 0.4268, -2.5781, -1.0384, 3.1416)
    assert not has_passed(HOMING.route(q, LIMITS)[0], q)
    go_home(q)


def test_a_way_that_failed_is_not_tried_again():
    q = UNDER_THE_CEILING
    ways = [HOMING.route(q, LIMITS, attempt) for attempt in range(3)]
    assert len(set(ways)) == 3
