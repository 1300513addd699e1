"""The task's fixed numbers: joints, start pose, limits. Frames and units as in REP-103.

Source: Yuan 2021 (thesis) and the published implementation; `reward.py` says where their
rewards differ and which one is taken.
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

JOINT_NAMES = (
    "shoulder_pan_joint",
    "shoulder_lift_joint",
    "elbow_joint",
    "wrist_1_joint",
    "wrist_2_joint",
    "wrist_3_joint",
)
NUM_JOINTS = 6
NUM_ACTIONS = 5  # wrist_3 is held still
NUM_PROPRIOCEPTION = 15  # q[5], qd[5] / max speed, previous action[5]
STACK_FRAMES = 3

START_POSE_RAD = (math.pi / 2, -2.0, 1.9, -3.0415, -math.pi / 2, math.pi)
JOINT_LOWER_RAD = tuple(math.radians(d) for d in (55, -120, 0, -215, -135, 50))
JOINT_UPPER_RAD = tuple(math.radians(d) for d in (125, -30, 135, -135, -45, 190))
BOX_LOWER_M = (-0.4, 0.1, 0.1)  # tool0 in base_link
BOX_UPPER_M = (0.4, 0.8, 0.8)

MAX_JOINT_SPEED_RAD_S = 0.7
ACCELERATION_RAD_S2 = 1.4  # of speedj, leading axis
ACTION_PERIOD_S = 0.04
EPISODE_S = 4.0
FIRST_EVALUATION_EPISODE = 1_000_000  # runs count from 1: no target is seen in both
