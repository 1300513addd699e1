"""Experiments without a robot and without ROS, their figures, and what things cost."""
