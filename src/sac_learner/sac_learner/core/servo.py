"""A hand-written policy to compare with: a level visual servo.

It sees what a learned policy sees, the newest image and the joint positions, and knows
what a learned policy has to find out: the camera's field of view, the dot's size, the
arm's kinematics. It moves the camera without turning it, so that the reward's posture
penalty stays zero, until the dot is in the middle and large enough.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sac_learner.core.dot import DotFilter, Optics, optical_pose, sight_dot
from sac_learner.core.level_arm import level_joints
from sac_learner.core.observation import Observation
from ur5_rl_env.core.task import MAX_JOINT_SPEED_RAD_S, NUM_ACTIONS, START_POSE_RAD

Array = NDArray[np.float64]

NANOSECONDS = 1_000_000_000
MAX_HISTORY = 10  # observations to look back for the pose that an image was taken from
AXIS = optical_pose(np.array(START_POSE_RAD[:NUM_ACTIONS]))[0][:, 2]  # line of sight


@dataclass(frozen=True, kw_only=True)
class ServoConfig:
    """Gains of the servo. SI units.

    Attributes:
        optics: Camera and dot.
        goal_dot_width: Diameter of a dot that is near enough, as a part of the image's
            width: 0.142 is 405 px of 160 x 90, a fifth more than the reward asks for.
        max_joint_speed_rad_s: Joint speed that an action of 1 asks for.
        gain_per_s: Joint speed per way left, up to the maximum.
        image_latency_s: From the exposure to the observation, roughly.
        motion_latency_s: From the observation to the arm's answer, roughly.
        lead_s: How far ahead of a moving dot the camera aims: these latencies, and what
            the arm lags behind for want of acceleration.
        aside_m: Of the way forwards, the share exp(-distance of the dot from the middle /
            aside_m) is gone at once, but at least `min_forward_share`: first the middle,
            whose weight in the reward is largest, then nearer.
        min_forward_share: See `aside_m`.
        position_gain: Share of a new sighting in the dot's filtered position.
        velocity_gain: The same for its velocity.
    """

    optics: Optics = Optics()
    goal_dot_width: float = 0.142
    max_joint_speed_rad_s: float = MAX_JOINT_SPEED_RAD_S
    gain_per_s: float = 6.0
    image_latency_s: float = 0.03
    motion_latency_s: float = 0.04
    lead_s: float = 0.15
    aside_m: float = 0.03
    min_forward_share: float = 0.4
    position_gain: float = 0.5
    velocity_gain: float = 0.15


class ServoPolicy:
    """Level visual servo. Owned by one thread; remembers one episode at a time."""

    def __init__(self, config: ServoConfig) -> None:
        self._config = config
        self._dot = DotFilter(config.position_gain, config.velocity_gain)
        self._episode = (0, 0)
        self._times_s: list[float] = []
        self._joints: list[Array] = []  # [rad], shape (5,) each

    def act(self, observation: Observation) -> NDArray[np.float32]:
        """Return the action in [-1, 1], shape (5,); zero while no dot is in sight."""
        self._remember(observation)
        sighting = sight_dot(observation.newest_image, self._config.optics)
        if sighting is None:
            self._dot.forget()
            return np.zeros(NUM_ACTIONS, np.float32)
        period_s = self._times_s[-1] - self._times_s[-2]
        dot = self._dot.update(self._joints_at_exposure(), sighting, period_s)
        qd = (self._joints[-1] - self._joints[-2]) / period_s
        q_soon = self._joints[-1] + qd * self._config.motion_latency_s
        speeds = self._speeds_towards(dot, q_soon) / self._config.max_joint_speed_rad_s
        # All joints shrink together: one that is cut alone would turn the camera.
        return (speeds / max(1.0, float(np.abs(speeds).max()))).astype(np.float32)

    def _remember(self, observation: Observation) -> None:
        episode = (observation.run_id, observation.episode)
        now_s, q = observation.steady_ns / NANOSECONDS, observation.q
        if episode != self._episode or not self._times_s or now_s <= self._times_s[-1]:
            self._episode = episode
            self._dot.forget()
            self._times_s, self._joints = [now_s - 1.0], [q]  # the arm stood still
        self._times_s = [*self._times_s[-MAX_HISTORY:], now_s]
        self._joints = [*self._joints[-MAX_HISTORY:], q]

    def _joints_at_exposure(self) -> Array:
        exposure_s = self._times_s[-1] - self._config.image_latency_s
        columns = np.stack(self._joints, axis=1)
        return np.array([np.interp(exposure_s, self._times_s, c) for c in columns])

    def _speeds_towards(self, dot: Array, q: Array) -> Array:
        """Return joint speeds [rad/s], shape (5,), that bring the dot into the middle."""
        ahead = dot + self._dot.velocity * self._config.lead_s
        way: Array = level_joints(self._next_goal(ahead, q)) - q
        return self._config.gain_per_s * way

    def _next_goal(self, dot: Array, q: Array) -> Array:
        """Return where tool0 should go now [m], shape (3,)."""
        config = self._config
        way = dot - optical_pose(q)[1]
        forwards_m = float(AXIS @ way)
        aside_m = float(np.linalg.norm(way - AXIS * forwards_m))
        share = max(config.min_forward_share, math.exp(-aside_m / config.aside_m))
        goal_m = config.optics.depth_m(config.goal_dot_width)
        left_m = forwards_m - share * (forwards_m - goal_m)
        goal: Array = dot - AXIS * left_m
        return goal
