"""Start the whole graph on the virtual robot: `ros2 launch launch/sim.launch.py`."""

from pathlib import Path

from launch import LaunchDescription
from ur5_rl_bringup.launch_actions import description

ROOT = Path(__file__).resolve().parents[1]  # holds config/, in the sources and installed


def generate_launch_description() -> LaunchDescription:
    return description(ROOT, "sim")
