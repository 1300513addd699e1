"""Arm, camera and environment nodes; reward, kinematics, safety and episode logic."""
