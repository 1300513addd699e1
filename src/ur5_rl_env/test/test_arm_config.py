"""What the arm refuses to start with."""

import math

import pytest

from ur5_rl_env.core.arm_config import ArmConfig


def test_defaults_are_the_task():
    config = ArmConfig()
    assert config.stale_age_s == pytest.approx(0.12)
    assert config.control_period_s == 0.008


def test_a_robot_may_stand_above_the_table():
    assert ArmConfig(wrist_floor_m=-0.5).limits().wrist_floor_m == pytest.approx(-0.495)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"max_command_age_s": 0.0}, "max_command_age_s must be positive"),
        ({"max_sample_age_s": math.nan}, "max_sample_age_s must be positive"),
        ({"control_rate_hz": 50.0}, r"control_rate_hz must be in \[100.0, 500.0\]"),
        ({"watchdog_hz": 1.0}, "watchdog_hz must be in"),
        ({"max_joint_speed_rad_s": 7.0}, "max_joint_speed_rad_s must be in"),
        ({"acceleration_rad_s2": 5.0}, r"acceleration_rad_s2 must be in \[0.0, 4.0\]"),
        ({"start_pose_rad": (0.0,) * 5}, "start_pose_rad must be 6 finite numbers"),
        ({"start_pose_rad": (0.0,) * 6}, "start_pose_rad: joint 1 is at 0.000"),
        ({"box_upper_m": (0.4, 0.2, 0.8)}, "start_pose_rad: tool0 axis 2 is at 0.296"),
        ({"box_lower_m": (0.5, 0.1, 0.1)}, "box_lower_m must be below"),
        ({"jerk_rad_s3": 0.0}, "jerk_rad_s3 must be positive"),
        ({"elbow_box_lower_m": (0.0,) * 2}, "elbow_box_lower_m must be 3 finite"),
        (
            {"elbow_box_lower_m": (-0.4, -0.1, 0.15)},
            "start_pose_rad: elbow axis 2 is at -0.177",
        ),
        ({"wrist_floor_m": -math.inf}, "wrist_floor_m must be finite"),
        ({"wrist_floor_m": 0.6}, "start_pose_rad: wrist height 1 is at 0.5"),
        ({"self_collision_margin_m": 0.05}, "clearance_m must be below 0.03, got 0.055"),
        (
            {"recovery_speed_rad_s": 2.0},
            r"recovery_speed_rad_s must be in \[0.0, 1.05\]",
        ),
        ({"realtime_priority": 100}, "realtime_priority must be in"),
    ],
)
def test_fault_bad_configuration_is_refused_by_name(bad, message):
    with pytest.raises(ValueError, match=message):
        ArmConfig(**bad)
