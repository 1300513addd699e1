"""The limits against arms that do everything to break them."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.kinematics import jacobian_rows, position_of_tool0
from ur5_rl_env.core.ramp import STILL
from ur5_rl_env.core.safety import Pace, limited_motion, stops_inside
from ur5_rl_env.core.task import (
    BOX_LOWER_M,
    BOX_UPPER_M,
    JOINT_LOWER_RAD,
    JOINT_UPPER_RAD,
    START_POSE_RAD,
)
from ur5_sim.core.adversaries import ADVERSARIES
from ur5_sim.core.limit_trial import LimitTrial, wide_arm

CONFIG = ArmConfig()
LIMITS = CONFIG.limits()
SPEED = CONFIG.max_joint_speed_rad_s
STOP = CONFIG.stop_acceleration_rad_s2
PERIOD = LIMITS.period_s
ARMS = {"task": CONFIG, "wide": wide_arm()}  # wide: only the limits prevent collisions
EVERYWHERE = (-9.0,) * 3, (9.0,) * 3

wild = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf])
velocities = st.tuples(*[st.floats(-SPEED, SPEED)] * 6)
accelerations = st.tuples(*[st.floats(-1.4, 1.4)] * 6)
ROOMY = (math.pi / 2, -1.4, 1.6, -3.0, -math.pi / 2, 2.5)  # far from all walls
AMPLE = replace(LIMITS, latency_s=1e-3)  # and from there it stops in time at full speed
poses = st.tuples(
    *[st.floats(a, b) for a, b in zip(JOINT_LOWER_RAD, JOINT_UPPER_RAD, strict=True)]
)


def limited(wanted, previous=STILL, q=START_POSE_RAD, acceleration=1.4, limits=LIMITS):
    pace = Pace(SPEED, acceleration)
    return limited_motion(wanted, previous, q, limits, pace=pace)[:2]


def one(joint, value):
    """Return a velocity of one joint, counted from 1."""
    return tuple(value if j == joint - 1 else 0.0 for j in range(6))


def trial(arm, policy, actions=1000, **options):
    return LimitTrial(ARMS[arm], ADVERSARIES[policy], seed=1, **options).run(actions)


@pytest.mark.parametrize("stalls", [0.0, 0.02], ids=["steady", "with stalls"])
@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("policy", ADVERSARIES)
def test_fault_no_policy_leads_beyond_the_limits(policy, arm, stalls):
    outcome = trial(arm, policy, 600, stalls=stalls)  # 10^5 cycles over all cases
    assert outcome.margins.least >= 0.0
    assert outcome.excursions == 0
    assert outcome.acceleration <= 1.01
    assert outcome.jerk_rad_s3 <= 1.01 * CONFIG.jerk_rad_s3
    assert outcome.speed_rad_s <= SPEED + 1e-9


@pytest.mark.parametrize("watchdog_hz", [5.0, 10.0])
def test_fault_what_may_stall_for_longer_brakes_earlier(watchdog_hz):
    arm, stalls = ArmConfig(watchdog_hz=watchdog_hz), {"stalls": 0.02, "seed": 1}
    policy = ADVERSARIES["stubborn"]
    assert LimitTrial(arm, policy, **stalls).run(600).excursions == 0
    as_if_fast = LimitTrial(arm, policy, limits=CONFIG.limits(), **stalls)
    assert as_if_fast.run(600).excursions > 0


@pytest.mark.parametrize(
    ("arm", "policy", "limit"),
    [
        ("task", "stubborn", "joint_rad"),
        ("task", "at_a_wall", "tool_m"),
        ("wide", "elbow_out", "elbow_m"),
        ("task", "wrist_down", "wrist_m"),
        ("wide", "into_itself", "self_collision_m"),
    ],
)
def test_adversaries_do_reach_the_limits(arm, policy, limit):
    """Or else the test above would prove nothing."""
    assert getattr(trial(arm, policy).margins, limit) < 0.006


@pytest.mark.parametrize(
    ("arm", "policy", "missing", "limit"),
    [
        ("task", "stubborn", {"latency_s": 1e-9}, "joint_rad"),
        (
            "task",
            "at_a_wall",
            dict(zip(("box_lower_m", "box_upper_m"), EVERYWHERE, strict=True)),
            "tool_m",
        ),
        (
            "wide",
            "elbow_out",
            dict(zip(("elbow_lower_m", "elbow_upper_m"), EVERYWHERE, strict=True)),
            "elbow_m",
        ),
        ("task", "wrist_down", {"wrist_floor_m": -9.0}, "wrist_m"),
        ("wide", "into_itself", {"clearance_m": -9.0}, "self_collision_m"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_one_of_the_limits_the_arm_would_pass_it(arm, policy, missing, limit):
    limits = replace(ARMS[arm].limits(), **missing)
    assert getattr(trial(arm, policy, limits=limits).margins, limit) < 0.0


def test_without_a_limit_of_jerk_there_would_be_more_of_it():
    arm = replace(CONFIG, jerk_rad_s3=1e9)
    outcome = LimitTrial(arm, ADVERSARIES["bang_bang"]).run(500)
    assert outcome.jerk_rad_s3 > 3.0 * CONFIG.jerk_rad_s3


@settings(max_examples=100)
@given(wanted=velocities, previous=velocities, q=poses)
def test_what_is_sent_stops_inside_or_is_the_brake(wanted, previous, q):
    assume(LIMITS.hold(q))
    sent = limited_motion(wanted, previous, q, LIMITS, pace=CONFIG.pace).velocity
    assert sent == STILL or _is_braked(sent, previous) or stops_inside(sent, q, LIMITS)


def _is_braked(sent, previous):
    """Whether no joint has gained speed."""
    pairs = zip(sent, previous, strict=True)
    return all(abs(s) <= abs(p) and s * p >= 0.0 for s, p in pairs)


@settings(max_examples=100)
@given(wanted=velocities, previous=velocities, before=accelerations)
def test_far_from_the_walls_jerk_and_acceleration_are_those_of_the_pace(
    wanted, previous, before
):
    sent, flags, after, is_step = limited_motion(
        wanted, previous, ROOMY, AMPLE, pace=CONFIG.pace, acceleration=before
    )
    assert is_step and not any(flags)
    for value, earlier, rate, old in zip(sent, previous, after, before, strict=True):
        assert value == pytest.approx(earlier + rate * PERIOD)
        assert abs(rate) <= CONFIG.acceleration_rad_s2 + 1e-9
        assert abs(rate - old) <= CONFIG.jerk_rad_s3 * PERIOD + 1e-9


def test_braking_is_sudden_and_ends_as_suddenly():
    pace = Pace(SPEED, STOP)
    motion = limited_motion(one(1, 0.3), one(1, 0.5), ROOMY, LIMITS, pace=pace)
    assert motion.velocity in (STILL, pytest.approx(one(1, 0.5 - STOP * PERIOD)))
    assert motion.acceleration == STILL


def test_what_a_wall_has_changed_is_no_acceleration_to_go_on_from():
    """Braked at the end of joint 1, it does not swing back when it is asked to rest."""
    q = (math.radians(120), *START_POSE_RAD[1:])
    motion = limited_motion(one(1, 0.7), one(1, 0.6), q, LIMITS, pace=CONFIG.pace)
    assert motion.joints[0] and not motion.is_step
    assert motion.acceleration[0] == 0.0


@settings(max_examples=100)
@given(wanted=st.tuples(*[wild] * 6), previous=velocities, q=poses)
def test_sent_velocity_is_finite_slow_and_smooth(wanted, previous, q):
    sent, _ = limited(wanted, previous, q)
    for value, before in zip(sent, previous, strict=True):
        assert abs(value) <= SPEED
        if sent != STILL:  # which the robot itself ramps to
            assert abs(value - before) <= STOP * PERIOD + 1e-9


@settings(max_examples=100)
@given(wanted=velocities, q=poses)
def test_what_is_sent_from_rest_stops_inside(wanted, q):
    """Also from outside: inside what has been widened to hold it."""
    sent, _ = limited(wanted, STILL, q, acceleration=STOP)
    stop = tuple(p + v * LIMITS.stopping_s(sent) for p, v in zip(q, sent, strict=True))
    assert LIMITS.widened(q).hold(stop)


@settings(max_examples=100)
@given(wanted=velocities)
def test_far_from_the_walls_only_the_ramp_counts(wanted):
    sent, flags = limited(wanted, STILL, ROOMY)
    lead = max(map(abs, wanted))
    expected = tuple(min(1.0, 1.4 * PERIOD / lead) * v for v in wanted) if lead else STILL
    assert sent == pytest.approx(expected)
    assert not any(flags)


def test_speed_beyond_the_limit_is_cut_and_named():
    sent, flags = limited(one(4, 1.2), one(4, 0.7))
    assert sent == one(4, 0.7)
    assert flags == (False, False, False, True, False, False)


def test_joint_at_its_limit_stays_while_others_move():
    q = (math.radians(124.89), *START_POSE_RAD[1:])
    sent, flags = limited((0.01, 0.0, 0.0, 0.01, 0.0, 0.0), STILL, q)
    assert sent[0] < 0.003
    assert sent[3] == pytest.approx(0.01)
    assert flags[0] and not flags[3]


def test_tool_slides_along_a_wall():
    """Pushed up and sideways at the ceiling, it goes sideways and not up."""
    q = (math.pi / 2, -1.2, 0.9, -2.9, -math.pi / 2, math.pi)
    limits = replace(LIMITS, box_upper_m=(*BOX_UPPER_M[:2], position_of_tool0(q)[2]))
    wanted = (0.01, -0.01, 0.0, 0.0, 0.0, 0.0)
    sent, _ = limited(wanted, STILL, q, STOP, limits)

    def tool_velocity(qd):
        rows = jacobian_rows(q)
        return [sum(j * v for j, v in zip(row, qd, strict=True)) for row in rows]

    x, _, z = tool_velocity(wanted)
    assert z > 0.004
    assert tool_velocity(sent)[0] == pytest.approx(x, rel=0.05)
    assert tool_velocity(sent)[2] == pytest.approx(0.0, abs=2e-4)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_from_outside_only_the_way_back_is_open(sign):
    q = (JOINT_UPPER_RAD[0] + 0.1, *START_POSE_RAD[1:])
    sent, _ = limited(one(1, sign * 0.01), STILL, q)
    assert sent[0] == pytest.approx(min(0.0, sign * 0.01), abs=1e-9)


def test_fault_not_a_number_brakes():
    sent, flags = limited((math.nan, *STILL[1:]), one(1, 0.5))
    assert abs(sent[0]) < 0.5
    assert flags[0]


def test_full_stop_is_left_to_the_robot():
    """Zero is sent at once: the robot ramps, also if nothing more is ever sent."""
    assert limited(STILL, one(3, 0.7), acceleration=STOP)[0] == STILL


def test_limits_leave_the_task_its_room():
    """Near the screen, 0.3 m from it and less, the tool moves sideways unhindered."""
    q = (math.pi / 2, -1.3, 1.3, -math.pi, -math.pi / 2, math.pi)
    assert 0.55 < position_of_tool0(q)[1] < 0.65
    assert limited(one(1, 0.3), one(1, 0.3), q) == (one(1, 0.3), (False,) * 6)


def test_upside_down_limits_are_refused():
    with pytest.raises(ValueError, match="box_lower_m must be below"):
        replace(LIMITS, box_lower_m=BOX_UPPER_M, box_upper_m=BOX_LOWER_M)
