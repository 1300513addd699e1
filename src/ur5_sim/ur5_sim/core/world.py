"""The whole simulated world in one object, without ROS and without a clock.

Arm, target, screen, camera and reward, stepped by action periods: the same parts that the
graph runs in processes of their own, here with the timing that the caller gives. Call
`use_one_core` before: it makes a step cheaper, and `./ur5rl bench env` says how cheap.

    world = World(WorldConfig(motion=MotionConfig(motion="tracking")))
    step = world.reset(episode=1)
    for _ in range(100):
        step = world.step(policy(step.frames, step.q, step.qd))
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from target_display.core.drawing import Canvas, Pixels
from target_display.core.motion import MotionConfig, Target, trajectory
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.reward import Reward, RewardConfig, Score
from ur5_rl_env.core.safety import limited_motion
from ur5_rl_env.core.task import NUM_ACTIONS, STACK_FRAMES
from ur5_sim.core.camera import Camera
from ur5_sim.core.camera_config import CameraConfig
from ur5_sim.core.motion import STILL
from ur5_sim.core.plant import Plant
from ur5_sim.core.scene import View
from ur5_sim.core.sensor import Sensor

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    """What the world is made of.

    Attributes:
        motion: Of the target.
        camera: Lens, sensor and room. Frames are taken at its rate from the start of the
            episode on, in whole control periods, and seen from the first control period
            on in which their latency is over. Only an episode's first frame is seen at
            once.
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
        for name, period_s in (
            ("arm.action_period_s", self.arm.action_period_s),
            ("1 / camera.rate_hz", 1.0 / self.camera.rate_hz),
        ):
            cycles = period_s * self.arm.control_rate_hz
            if round(cycles) < 1 or abs(cycles - round(cycles)) > 1e-6:
                raise ValueError(
                    f"{name} ({period_s}) must be a multiple of the control period "
                    f"({self.arm.control_period_s} s)"
                )
        for name in ("screen_width_px", "screen_height_px"):
            if not 16 <= getattr(self, name) <= 8192:
                raise ValueError(f"{name} must be in 16..8192, got {getattr(self, name)}")


@dataclass(frozen=True)
class WorldStep:
    """What is known after a step.

    Attributes:
        frames: The last three camera frames, oldest first, BGR, shape (height_px,
            width_px, 3) each.
        frame_ids: Their numbers in the life of the world, ascending; at the start of an
            episode one frame stands three times.
        q: Joint positions [rad], shape (6,).
        qd: Joint speeds [rad/s], shape (6,).
        score: Reward of the newest frame and this pose, and its parts.
        is_limited: Whether a safety limit changed the motion since the last step.
    """

    frames: tuple[Pixels, ...]
    frame_ids: tuple[int, ...]
    q: Array
    qd: Array
    score: Score
    is_limited: bool = False

    @property
    def frame(self) -> Pixels:
        """Newest camera frame."""
        return self.frames[-1]

    @property
    def reward(self) -> float:
        """Of the newest frame and this pose."""
        return self.score.reward


class Exposure(NamedTuple):
    """A frame on its way: what a step needs to know once it is there."""

    frame_id: int
    frame: Pixels
    view: View | None
    shown_px: tuple[float, float]  # where the screen shows the target
    due_cycle: int


class World:
    """One arm before one screen. Owned by one thread.

    The same configuration, episode and actions give the same frames, bit by bit.
    """

    def __init__(self, config: WorldConfig) -> None:
        self._config = config
        self._limits, self._pace = config.arm.limits(), config.arm.pace
        camera, period_s = config.camera, config.arm.action_period_s
        self._cycles = round(period_s * config.arm.control_rate_hz)
        self._cycles_per_frame = round(config.arm.control_rate_hz / camera.rate_hz)
        self._camera, self._sensor = Camera(camera), Sensor(camera)
        self._reward = Reward(config.reward, camera.height_px, camera.width_px, period_s)
        latency_cycles = camera.latency_s * config.arm.control_rate_hz
        self._latency_cycles = math.ceil(latency_cycles - 1e-9)
        self._in_transit: deque[Exposure] = deque()
        shape = (config.screen_height_px, config.screen_width_px, 4)
        self._canvas = Canvas(np.empty(shape, np.uint8))
        self._newest_id = 0
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
        self._sensor.restart(episode)
        self._in_transit.clear()
        self._wanted = self._acceleration = STILL
        self._is_limited = False
        self._frames = (self._expose(),) * STACK_FRAMES
        return self._observed()

    def step(self, action: ArrayLike, delay_s: float = 0.0) -> WorldStep:
        """Let one action period pass, then look.

        Args:
            action: Parts of the maximal joint speed, shape (5,); cut off at [-1, 1].
            delay_s: Time from the observation until the arm follows the action; until
                then it follows the one before. Rounded up to control periods [s].

        Raises:
            ValueError: the action has another shape or is not finite.
        """
        speeds = checked_action(action) * self._config.arm.max_joint_speed_rad_s
        rate_hz = self._config.arm.control_rate_hz
        held = min(math.ceil(delay_s * rate_hz - 1e-9), self._cycles)
        self._is_limited = False
        self._advance(held)
        self._wanted = (*speeds.tolist(), 0.0)
        self._advance(self._cycles - held)
        return self._observed()

    @property
    def target(self) -> Target:
        """Where the target is now."""
        return self._trajectory.at(self._plant.cycle * self._plant.cycle_s)

    @property
    def target_px(self) -> tuple[float, float]:
        """Where the newest frame shows the target's middle; see `Camera.pixel_of`."""
        newest = self._frames[-1]
        return self._camera.pixel_of(*newest.shown_px, newest.view)

    def _advance(self, cycles: int) -> None:
        """Let so many control periods pass; frames are taken and seen when due."""
        transit = self._in_transit
        for _ in range(cycles):
            self._move()
            cycle = self._plant.cycle
            if cycle % self._cycles_per_frame == 0:
                transit.append(self._expose())
                self._is_lost = self._sensor.is_dropped()  # the next one to arrive
            if transit and transit[0].due_cycle <= cycle:
                arrived = transit.popleft()
                if not self._is_lost:
                    self._frames = (*self._frames[1:], arrived)

    def _move(self) -> None:
        """Follow what is wanted for one control period, within limits, as arm_node."""
        plant, arm = self._plant, self._config.arm
        motion = limited_motion(
            self._wanted,
            plant.target_qd,
            plant.q,
            self._limits,
            pace=self._pace,
            acceleration=self._acceleration,
        )
        self._acceleration = motion.acceleration
        self._is_limited |= any(motion.joints)
        plant.speedj(motion.velocity, arm.stop_acceleration_rad_s2)
        plant.step()

    def _expose(self) -> Exposure:
        """Take a picture."""
        target, canvas, camera = self.target, self._canvas, self._camera
        canvas.draw(target.x_units, target.y_units, self._config.motion.radius_units)
        clean = camera.render(canvas.pixels, self._plant.q, canvas.marked)
        self._newest_id += 1
        return Exposure(
            self._newest_id,
            self._sensor.expose(clean),
            camera.view,
            canvas.place(target.x_units, target.y_units),
            self._plant.cycle + self._latency_cycles,
        )

    def _observed(self) -> WorldStep:
        q, qd = np.array(self._plant.q), np.array(self._plant.qd)
        frames = tuple([each.frame for each in self._frames])
        frame_ids = tuple([each.frame_id for each in self._frames])
        score = self._reward.score(frames[-1], self._plant.q)
        return WorldStep(frames, frame_ids, q, qd, score, self._is_limited)


def checked_action(action: ArrayLike) -> Array:
    """Return an action as float64, shape (5,).

    Raises:
        ValueError: it has another shape or is not finite.
    """
    parts = np.asarray(action, np.float64)
    if parts.shape != (NUM_ACTIONS,) or not np.isfinite(parts).all():
        raise ValueError(f"action must be {NUM_ACTIONS} finite numbers, got {action!r}")
    return parts
