"""Start the whole graph on a real UR5: `ros2 launch launch/robot.launch.py`."""

from pathlib import Path

from launch import LaunchDescription
from ur5_rl_bringup.launch_actions import description

ROOT = Path(__file__).resolve().parents[1]  # holds config/, in the sources and installed


def generate_launch_description() -> LaunchDescription:
    return description(ROOT, "robot")
