"""The whole simulated world in one object, without ROS and without a clock.

Arm, target, screen, camera and reward, stepped by action periods: the same parts that the
graph runs in processes of their own, here with ideal timing. About 3000 steps a second on
one core at 160 x 90; call `cv2.setNumThreads(1)` to keep OpenCV to that core.

    world = World(WorldConfig(motion=MotionConfig(motion="tracking")))
    first = world.reset(episode=1)
    for _ in range(100):
        step = world.step(policy(step.frame, step.q, step.qd))
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from target_display.core.drawing import Canvas, Pixels
from target_display.core.motion import MotionConfig, Target, trajectory
from ur5_rl_env.core.reward import Reward, RewardConfig
from ur5_rl_env.core.task import (
    ACCELERATION_RAD_S2,
    ACTION_PERIOD_S,
    MAX_JOINT_SPEED_RAD_S,
    NUM_ACTIONS,
    START_POSE_RAD,
)

from ur5_sim.core.camera import Camera
from ur5_sim.core.camera_config import CameraConfig
from ur5_sim.core.plant import CB3_CYCLE_S, Plant
from ur5_sim.core.sensor import Sensor

Array = NDArray[np.float64]

# From positions [rad] and wanted speeds [rad/s] of 6 joints to allowed speeds.
Limit = Callable[[Sequence[float], Sequence[float]], Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    """What the world is made of. `latency_s` of the camera counts in whole periods.

    Attributes:
        motion: Of the target.
        camera: Lens, sensor and room; its rate is one frame per action period.
        reward: Form of the reward.
        action_period_s: Time that one `step` takes in the world.
        max_joint_speed_rad_s: Joint speed that an action of 1 asks for.
        acceleration_rad_s2: Of the leading joint.
        screen_width_px: Pixels of the screen, as those of the display node.
        screen_height_px: Likewise.
    """

    motion: MotionConfig = field(default_factory=MotionConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    action_period_s: float = ACTION_PERIOD_S
    max_joint_speed_rad_s: float = MAX_JOINT_SPEED_RAD_S
    acceleration_rad_s2: float = ACCELERATION_RAD_S2
    screen_width_px: int = 640
    screen_height_px: int = 360

    def __post_init__(self) -> None:
        cycles = self.action_period_s / CB3_CYCLE_S
        if not (cycles >= 0.5 and abs(cycles - round(cycles)) < 1e-6):
            raise ValueError(
                f"action_period_s must be a multiple of the arm's {CB3_CYCLE_S} s, "
                f"got {self.action_period_s}"
            )
        for name in ("max_joint_speed_rad_s", "acceleration_rad_s2"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


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

    def __init__(self, config: WorldConfig, limit: Limit | None = None) -> None:
        """Build the world; `limit` is asked in every control cycle, as on the arm."""
        self._config = config
        self._limit = limit
        camera, period_s = config.camera, config.action_period_s
        self._cycles = round(period_s / CB3_CYCLE_S)
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
        self._plant = Plant(START_POSE_RAD, latency_cycles=0, lag_s=0.0)
        self._trajectory = trajectory(self._config.motion, episode)
        self._steps = 0
        self._sensor.restart(episode)
        self._in_transit.clear()
        self._frame = self._expose()
        return self._observed()

    def step(self, action: ArrayLike) -> WorldStep:
        """Apply an action for one period, then look.

        Args:
            action: Parts of the maximal joint speed in [-1, 1], shape (5,).
        """
        fraction = np.asarray(action, np.float64)
        if fraction.shape != (NUM_ACTIONS,) or not np.isfinite(fraction).all():
            raise ValueError(
                f"action must be {NUM_ACTIONS} finite numbers, got {action!r}"
            )
        speeds = np.clip(fraction, -1.0, 1.0) * self._config.max_joint_speed_rad_s
        self._move([*speeds.tolist(), 0.0])
        self._steps += 1
        arrived = self._expose()
        if not self._sensor.is_dropped():
            self._frame = arrived
        return self._observed()

    @property
    def target(self) -> Target:
        """Where the target is now."""
        return self._trajectory.at(self._steps * self._config.action_period_s)

    def _move(self, wanted: Sequence[float]) -> None:
        plant, limit = self._plant, self._limit
        for _ in range(self._cycles):
            qd = limit(plant.q, wanted) if limit else wanted
            plant.speedj(qd, self._config.acceleration_rad_s2)
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
