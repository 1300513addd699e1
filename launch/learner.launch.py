"""Start the learner of a graph on another machine, `robot_host`, with `ros2 launch`."""

from pathlib import Path

from launch import LaunchDescription
from ur5_rl_bringup.launch_actions import learner_description

ROOT = Path(__file__).resolve().parents[1]  # holds config/, in the sources and installed


def generate_launch_description() -> LaunchDescription:
    return learner_description(ROOT)
