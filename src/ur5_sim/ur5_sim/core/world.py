"""The whole simulated world in one object, without ROS and without a clock.

Arm, target, screen, camera and reward, stepped by action periods: the same parts that the
graph runs in processes of their own, here with ideal timing. About 2400 steps a second on
one core at 160 x 90; call `cv2.setNumThreads(1)` to keep OpenCV to that core.

    world = World(WorldConfig(motion=MotionConfig(motion="tracking")))
    first = world.reset(episode=1)
    for _ in range(100):
        step = world.step(policy(step.frame, step.q, step.qd))
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from target_display.core.drawing import Canvas, Pixels
from target_display.core.motion import MotionConfig, Target, trajectory
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.reward import Reward, RewardConfig
from ur5_rl_env.core.safety import limited_velocity
from ur5_rl_env.core.task import NUM_ACTIONS
from ur5_sim.core.camera import Camera
from ur5_sim.core.camera_config import CameraConfig
from ur5_sim.core.plant import Plant
from ur5_sim.core.sensor import Sensor

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    """What the world is made of.

    Attributes:
        motion: Of the target.
        camera: Lens, sensor and room. One frame is taken per action period, whatever its
            rate; its latency counts in whole periods.
        reward: Form of the reward.
        arm: Limits of the arm, and the action period, that one `step` takes.
        screen_width_px: Pixels of the screen, as those of the display node.
        screen_height_px: Likewise.
    """

    motion: MotionConfig = field(default_factory=MotionConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    arm: ArmConfig = field(default_factory=ArmConfig)
    screen_width_px: int = 640
    screen_height_px: int = 360

    def __post_init__(self) -> None:
        cycles = self.arm.action_period_s * self.arm.control_rate_hz
        if abs(cycles - round(cycles)) > 1e-6:
            raise ValueError(
                f"arm.action_period_s ({self.arm.action_period_s}) must be a multiple of "
                f"the control period ({self.arm.control_period_s} s)"
            )
        for name in ("screen_width_px", "screen_height_px"):
            if not 16 <= getattr(self, name) <= 8192:
                raise ValueError(f"{name} must be in 16..8192, got {getattr(self, name)}")


@dataclass(frozen=True)
class WorldStep:
    """What is known after a step.

    Attributes:
        frame: Newest camera frame, BGR, shape (height_px, width_px, 3).
        q: Joint positions [rad], shape (6,).
        qd: Joint speeds [rad/s], shape (6,).
        reward: Of this frame and this pose.
    """

    frame: Pixels
    q: Array
    qd: Array
    reward: float


class World:
    """One arm before one screen. Owned by one thread.

    The same configuration, episode and actions give the same frames, bit by bit.
    """

    def __init__(self, config: WorldConfig) -> None:
        self._config = config
        self._limits = config.arm.limits()
        camera, period_s = config.camera, config.arm.action_period_s
        self._cycles = round(period_s * config.arm.control_rate_hz)
        self._camera, self._sensor = Camera(camera), Sensor(camera)
        self._reward = Reward(config.reward, camera.height_px, camera.width_px, period_s)
        self._in_transit: deque[Pixels] = deque(
            maxlen=round(camera.latency_s / period_s) + 1
        )
        shape = (config.screen_height_px, config.screen_width_px, 4)
        self._canvas = Canvas(np.empty(shape, np.uint8))
        self.reset(0)

    def reset(self, episode: int) -> WorldStep:
        """Put the arm at its start pose, draw the target of `episode` anew."""
        arm = self._config.arm
        self._plant = Plant(
            arm.start_pose_rad,
            cycle_s=arm.control_period_s,
            latency_cycles=0,
            lag_s=0.0,
        )
        self._trajectory = trajectory(self._config.motion, episode)
        self._steps = 0
        self._sensor.restart(episode)
        self._in_transit.clear()
        self._frame = self._expose()
        return self._observed()

    def step(self, action: ArrayLike) -> WorldStep:
        """Apply an action for one period, then look.

        Args:
            action: Parts of the maximal joint speed, shape (5,); cut off at [-1, 1].
        """
        fraction = np.asarray(action, np.float64)
        if fraction.shape != (NUM_ACTIONS,) or not np.isfinite(fraction).all():
            raise ValueError(
                f"action must be {NUM_ACTIONS} finite numbers, got {action!r}"
            )
        speeds = fraction * self._config.arm.max_joint_speed_rad_s
        self._move((*speeds.tolist(), 0.0))
        self._steps += 1
        arrived = self._expose()
        if not self._sensor.is_dropped():
            self._frame = arrived
        return self._observed()

    @property
    def target(self) -> Target:
        """Where the target is now."""
        return self._trajectory.at(self._steps * self._config.arm.action_period_s)

    def _move(self, wanted: tuple[float, ...]) -> None:
        """Follow `wanted` [rad/s] for one period, within limits, as the arm node does."""
        plant, arm = self._plant, self._config.arm
        for _ in range(self._cycles):
            qd, _ = limited_velocity(
                wanted,
                plant.target_qd,
                plant.q,
                self._limits,
                max_speed_rad_s=arm.max_joint_speed_rad_s,
                acceleration_rad_s2=arm.acceleration_rad_s2,
            )
            plant.speedj(qd, arm.stop_acceleration_rad_s2)
            plant.step()

    def _expose(self) -> Pixels:
        """Take a picture and return the one that arrives now."""
        target = self.target
        radius = self._config.motion.radius_units
        self._canvas.draw(target.x_units, target.y_units, radius)
        clean = self._camera.render(self._canvas.pixels, self._plant.q)
        self._in_transit.append(self._sensor.expose(clean))
        return self._in_transit[0]

    def _observed(self) -> WorldStep:
        q, qd = np.array(self._plant.q), np.array(self._plant.qd)
        return WorldStep(self._frame, q, qd, self._reward(self._frame, q))
