"""The limits against arms that do everything to break them."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.kinematics import jacobian_rows, position_of_tool0
from ur5_rl_env.core.safety import (
    STILL,
    is_within,
    limited_velocity,
    ramped,
)
from ur5_rl_env.core.task import (
    BOX_LOWER_M,
    BOX_UPPER_M,
    JOINT_LOWER_RAD,
    JOINT_UPPER_RAD,
    START_POSE_RAD,
)
from ur5_sim.core.plant import Plant

CONFIG = ArmConfig()
LIMITS = CONFIG.limits()
SPEED = CONFIG.max_joint_speed_rad_s
STOP = CONFIG.stop_acceleration_rad_s2
PERIOD = LIMITS.period_s
LONGEST_STALL = 5  # cycles; one more and the robot's watchdog has stopped the arm

wild = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf])
velocities = st.tuples(*[st.floats(-SPEED, SPEED)] * 6)
poses = st.tuples(
    *[st.floats(a, b) for a, b in zip(JOINT_LOWER_RAD, JOINT_UPPER_RAD, strict=True)]
)


def limited(wanted, previous=STILL, q=START_POSE_RAD, acceleration=1.4):
    return limited_velocity(
        wanted,
        previous,
        q,
        LIMITS,
        max_speed_rad_s=SPEED,
        acceleration_rad_s2=acceleration,
    )


def one(joint, value):
    """Return a velocity of one joint, counted from 1."""
    return tuple(value if j == joint - 1 else 0.0 for j in range(6))


class Excursion:
    """How far beyond the joint range and the box the arm has ever been."""

    def __init__(self):
        self.joint_rad = self.box_m = -math.inf

    def note(self, q):
        for value, low, high in zip(q, JOINT_LOWER_RAD, JOINT_UPPER_RAD, strict=True):
            self.joint_rad = max(self.joint_rad, low - value, value - high)
        tool = position_of_tool0(q)
        for value, low, high in zip(tool, BOX_LOWER_M, BOX_UPPER_M, strict=True):
            self.box_m = max(self.box_m, low - value, value - high)


def drive(policy, steps, *, stalls=0.0, seed=0):
    """Let `policy` ask for velocities at 25 Hz, limit them at 125 Hz, move the plant."""
    source, plant, excursion = random.Random(seed), Plant(START_POSE_RAD), Excursion()
    following = sent = STILL
    last = stalled_until = 0
    for cycle in range(steps):
        if cycle % 5 == 0:
            wanted = policy(source, cycle, plant.q)
        if cycle >= stalled_until:
            following = ramped(following, sent, STOP * PERIOD * (cycle - last))
            sent, _ = limited(wanted, following, plant.q)
            plant.speedj(sent, STOP)
            last = cycle
            if source.random() < stalls:
                stalled_until = cycle + 1 + source.randint(1, LONGEST_STALL)
        plant.step()
        excursion.note(plant.q)
        lead = max(map(abs, plant.target_qdd))
        assert lead <= 1.01 * STOP
        assert max(map(abs, plant.target_qd)) <= SPEED + 1e-9
    return excursion


def uniform(source, _cycle, _q):
    return (*(source.uniform(-SPEED, SPEED) for _ in range(5)), 0.0)


def bang_bang(source, _cycle, _q):
    return (*(source.choice((-SPEED, SPEED)) for _ in range(5)), 0.0)


def stubborn(_source, cycle, _q):
    return bang_bang(random.Random(cycle // 100), cycle, _q)


def outwards(_source, cycle, q):
    """Push the tool against one wall of the box after the other, full speed."""
    chosen = random.Random(cycle // 200)
    axis, sign = chosen.randrange(3), chosen.choice((-1.0, 1.0))
    return (*(math.copysign(SPEED, sign * j) for j in jacobian_rows(q)[axis][:5]), 0.0)


def into_corners(_source, cycle, q):
    chosen = random.Random(cycle // 300)
    signs = [chosen.choice((-1.0, 1.0)) for _ in range(3)]
    rows = jacobian_rows(q)
    pull = [sum(s * row[j] for s, row in zip(signs, rows, strict=True)) for j in range(5)]
    return (*(math.copysign(SPEED, p) for p in pull), 0.0)


ADVERSARIES = [uniform, bang_bang, stubborn, outwards, into_corners]


@pytest.mark.parametrize("stalls", [0.0, 0.02], ids=["steady", "with stalls"])
@pytest.mark.parametrize("policy", ADVERSARIES, ids=lambda policy: policy.__name__)
def test_fault_no_policy_leads_beyond_the_limits(policy, stalls):
    excursion = drive(policy, 10_000, stalls=stalls)  # 10^5 steps over all cases
    assert excursion.joint_rad <= 0.0
    assert excursion.box_m <= 0.0


def test_adversaries_do_reach_the_walls():
    """Or else the test above would prove nothing."""
    assert drive(outwards, 4_000).box_m > -0.03
    assert drive(stubborn, 4_000).joint_rad > -0.02


def test_without_latency_in_the_limits_the_arm_would_pass_them(monkeypatch):
    monkeypatch.setattr(f"{__name__}.LIMITS", replace(LIMITS, latency_s=1e-9))
    assert drive(stubborn, 4_000).joint_rad > 0.0


@given(wanted=st.tuples(*[wild] * 6), previous=velocities, q=poses)
def test_sent_velocity_is_finite_slow_and_smooth(wanted, previous, q):
    sent, _ = limited(wanted, previous, q)
    for value, before in zip(sent, previous, strict=True):
        assert abs(value) <= SPEED
        if sent != STILL:  # which the robot itself ramps to
            assert abs(value - before) <= STOP * PERIOD + 1e-9


@given(wanted=velocities, q=poses)
def test_what_is_sent_from_rest_stops_inside(wanted, q):
    sent, _ = limited(wanted, STILL, q, acceleration=STOP)
    stop = tuple(p + v * LIMITS.stopping_s(sent) for p, v in zip(q, sent, strict=True))
    bounds = LIMITS.widened(q)
    assert is_within(stop, bounds.joint_lower_rad, bounds.joint_upper_rad)
    assert is_within(position_of_tool0(stop), bounds.box_lower_m, bounds.box_upper_m)


@given(wanted=velocities)
def test_far_from_the_walls_only_the_ramp_counts(wanted):
    q = (math.pi / 2, -1.4, 1.6, -3.0, -math.pi / 2, 2.5)
    sent, flags = limited(wanted, STILL, q)
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
    sent, _ = limited_velocity(
        wanted, STILL, q, limits, max_speed_rad_s=SPEED, acceleration_rad_s2=STOP
    )

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
