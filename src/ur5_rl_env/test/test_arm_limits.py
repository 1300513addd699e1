"""The arm's own loop keeps jerk and acceleration, also where it comes late."""

import random

import pytest
from arm_rig import MS, Rig

from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.task import START_POSE_RAD

CONFIG = ArmConfig()
PERIOD_S = CONFIG.control_period_s


def rates(decisions):
    """Return the acceleration of what was sent, cycle by cycle [rad/s^2], 6 joints."""
    speeds = [decision.velocity for decision in decisions]
    return [
        [(b - a) / PERIOD_S for a, b in zip(before, after, strict=True)]
        for before, after in zip(speeds, speeds[1:], strict=False)
    ]


def test_commands_are_followed_within_jerk_and_acceleration():
    rig, source = Rig(START_POSE_RAD), random.Random(0)
    steepest = bent = 0.0
    for _ in range(100):
        start = len(rig.sent) - 3
        rig.follow(5, tuple(source.choice((-0.7, 0.7)) for _ in range(5)) + (0.0,))
        part = rig.sent[start:]
        if any(any(decision.limited) for decision in part):
            break  # a wall: braking may be sudden
        for before, after in zip(rates(part), rates(part)[1:], strict=False):
            steepest = max(steepest, *map(abs, after))
            jerks = [abs(b - a) / PERIOD_S for a, b in zip(before, after, strict=True)]
            bent = max(bent, *jerks)
    assert len(rig.sent) > 100
    assert steepest == pytest.approx(CONFIG.acceleration_rad_s2, rel=0.01)
    assert bent == pytest.approx(CONFIG.jerk_rad_s3, rel=0.01)


def test_after_a_late_cycle_the_ramp_begins_anew():
    """Meanwhile the robot has held its speed: going on at once would be a jerk."""
    rig = Rig()
    rig.follow(10)
    before = rig.sent[-1].velocity[0]
    assert before - rig.sent[-2].velocity[0] == pytest.approx(1.4 * PERIOD_S)
    for _ in range(3):
        rig.plant.step()
        rig.now_ns += 8 * MS
    rig.follow(2)
    speeds = [before, *(decision.velocity[0] for decision in rig.sent[-2:])]
    changes = [b - a for a, b in zip(speeds, speeds[1:], strict=False)]
    assert changes == pytest.approx([100.0 * PERIOD_S**2, 1.4 * PERIOD_S])


def test_braking_for_silence_is_as_steep_as_a_stop_from_its_first_cycle():
    rig = Rig()
    rig.follow(60)
    rig.until(lambda: max(map(abs, rig.plant.target_qdd)) > 3.99, cycles=12)


def test_the_way_home_keeps_the_jerk_too():
    rig = Rig()
    move = rig.arm.move_to_start(rig.plant.q)
    rig.until(lambda: move.result is not None)
    assert move.result[0], move.result
    changes = rates(rig.sent)
    bent = max(
        abs(b - a) / PERIOD_S
        for before, after in zip(changes, changes[1:], strict=False)
        for a, b in zip(before, after, strict=True)
    )
    assert bent <= 1.01 * CONFIG.jerk_rad_s3
