"""The task as Gymnasium environments, without ROS: `UR5Reaching-v0`, `UR5Tracking-v0`.

Reward, arm, limits, camera and display are those that the node graph runs; only time is
not real. Importing this module registers both names, and Gymnasium imports it for whoever
puts it before the name:

    env = gymnasium.make("ur5_sim.gymnasium_env:UR5Tracking-v0", image_size=(80, 45))

This works from a source tree and from a colcon workspace alike. An entry point would not:
Gymnasium has looked for none since 1.0.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from target_display.core.drawing import Pixels
from target_display.core.motion import MotionConfig
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.env_config import EnvConfig
from ur5_rl_env.core.kinematics import position_of_tool0
from ur5_rl_env.core.reward import RewardConfig
from ur5_rl_env.core.task import (
    ACTION_PERIOD_S,
    EPISODE_S,
    NUM_ACTIONS,
    NUM_PROPRIOCEPTION,
    STACK_FRAMES,
)
from ur5_rl_ros.param_files import config_from_values
from ur5_sim.core.camera_config import CameraConfig
from ur5_sim.core.observer import Observer
from ur5_sim.core.one_core import use_one_core
from ur5_sim.core.world import World, WorldConfig, WorldStep, checked_action

Observation = dict[str, NDArray[Any]]
Action = NDArray[np.float32]
Options = Mapping[str, Any]
T = TypeVar("T")

IMAGE_SIZES = ((80, 45), (160, 90), (320, 180))  # [px]
ACTION_PERIODS_S = (0.04, 0.08, 0.12, 0.2)  # whole frames of the camera, at 25 Hz
LAST_EPISODE = 2**31 - 1
NAMES = {"reaching": "UR5Reaching-v0", "tracking": "UR5Tracking-v0"}


class UR5Env(gymnasium.Env[Observation, Action]):
    """The arm before the screen, one `step` an action period. Owned by one thread.

    Observation: `image`, the last three camera frames, BGR, oldest first, uint8, shape
    (9, height, width); `proprioception`, positions [rad], speeds and previous action of
    the five moving joints, shape (15,). Action: parts of the maximal joint speed, shape
    (5,). An episode never terminates; it is truncated when its time is over, so that no
    time limit has to be put around it.

    The seed given to `reset` decides target and camera noise of all episodes from there
    on; `options={"episode": 7}` asks for one episode of the in-process world instead.
    `info` holds the reward's parts (`vision`, `posture`: before scaling with the period),
    `mask_px`, `is_limited`, `target_units` and `target_px` (x, y on the screen and in the
    image), `q` [rad] and `tool_position_m` (in `base_link`).
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 25}

    def __init__(
        self,
        *,
        motion: str = "reaching",
        image_size: tuple[int, int] = (160, 90),
        action_period_s: float = ACTION_PERIOD_S,
        episode_s: float = EPISODE_S,
        motion_options: Options | None = None,
        camera_options: Options | None = None,
        reward_options: Options | None = None,
        seed: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Build the world; options are plain values, so that Gymnasium can write them.

        Args:
            motion: Of the target: "reaching", "tracking" or "static".
            image_size: Width and height [px], one of `IMAGE_SIZES`.
            action_period_s: Time between two actions, one of `ACTION_PERIODS_S`.
            episode_s: Time after which an episode is truncated.
            motion_options: Other fields of `MotionConfig`, by name.
            camera_options: Other fields of `CameraConfig`, by name.
            reward_options: Fields of `RewardConfig`, by name.
            seed: Of the first `reset` that is given none.
            render_mode: "rgb_array" or None.

        Raises:
            ValueError: something is out of range or unknown.
        """
        width_px, height_px = _chosen("image_size", image_size, IMAGE_SIZES)
        action_period_s = _chosen("action_period_s", action_period_s, ACTION_PERIODS_S)
        _chosen("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        config = WorldConfig(
            motion=_made(MotionConfig, motion_options, motion=motion),
            camera=_made(
                CameraConfig, camera_options, width_px=width_px, height_px=height_px
            ),
            reward=_made(RewardConfig, reward_options),
            arm=ArmConfig(action_period_s=action_period_s),
        )
        times = {"action_period_s": action_period_s, "episode_s": episode_s}
        limit = config_from_values(EnvConfig, times, EnvConfig.__name__)
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "render_fps": round(1.0 / action_period_s)}
        self.action_space = spaces.Box(-1.0, 1.0, (NUM_ACTIONS,), np.float32)
        self.observation_space: spaces.Space[Any] = spaces.Dict(_spaces(config))
        self._seed = seed
        self._steps_per_episode = limit.steps_per_episode
        self._steps = 0
        self._world = World(config)
        self._observer = Observer(config.arm.max_joint_speed_rad_s)
        self._newest: WorldStep | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Put the arm at its start pose and draw a new target.

        Raises:
            ValueError: an option is none, or `episode` is not a number in its range.
        """
        super().reset(seed=self._seed if seed is None else seed)
        self._seed = None
        use_one_core()
        step = self._world.reset(self._next_episode(options or {}))
        self._steps = 0
        return self._observation(step, None), self._info(step)

    def step(
        self, action: NDArray[Any]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Let one action period pass.

        Raises:
            ValueError: the action has another shape or is not finite.
        """
        action = np.clip(checked_action(action), -1.0, 1.0).astype(np.float32)
        step = self._world.step(action)
        self._steps += 1
        truncated = self._steps >= self._steps_per_episode
        seen = self._observation(step, action)
        return seen, step.reward, False, truncated, self._info(step)

    def render(self) -> Pixels | None:
        """Return the newest camera frame, RGB, shape (height, width, 3), if asked to."""
        if self.render_mode is None or self._newest is None:
            return None
        return np.ascontiguousarray(self._newest.frame[..., ::-1])

    def _next_episode(self, options: dict[str, Any]) -> int:
        """Return the number that decides target and noise; see `World.reset`."""
        if unknown := set(options) - {"episode"}:
            raise ValueError(f"options may hold 'episode', got {sorted(unknown)}")
        drawn = int(self.np_random.integers(LAST_EPISODE, endpoint=True))
        episode = options.get("episode", drawn)
        if not (isinstance(episode, int | np.integer) and 0 <= episode <= LAST_EPISODE):
            raise ValueError(f"episode must be in 0..{LAST_EPISODE}, got {episode!r}")
        return int(episode)

    def _observation(self, step: WorldStep, action: Action | None) -> Observation:
        self._newest = step
        seen = self._observer.observe(step, action)
        return {"image": seen.frames, "proprioception": seen.proprioception}

    def _info(self, step: WorldStep) -> dict[str, Any]:
        target, score = self._world.target, step.score
        return {
            "vision": score.vision,
            "posture": score.posture,
            "mask_px": score.mask_px,
            "is_limited": step.is_limited,
            "target_units": np.array((target.x_units, target.y_units)),
            "target_px": np.array(self._world.target_px),
            "q": step.q,
            "tool_position_m": np.array(position_of_tool0(step.q.tolist())),
        }


def _spaces(config: WorldConfig) -> dict[str, spaces.Space[Any]]:
    """Return the spaces of an observation; positions end where the arm's limits do."""
    arm, camera = config.arm, config.camera
    unit = (1.0,) * (NUM_PROPRIOCEPTION - NUM_ACTIONS)  # speeds, previous action
    lower = np.array([*arm.joint_lower_rad[:NUM_ACTIONS], *(-u for u in unit)])
    upper = np.array([*arm.joint_upper_rad[:NUM_ACTIONS], *unit])
    shape = (3 * STACK_FRAMES, camera.height_px, camera.width_px)
    return {
        "image": spaces.Box(0, 255, shape, np.uint8),
        "proprioception": spaces.Box(
            lower.astype(np.float32), upper.astype(np.float32), dtype=np.float32
        ),
    }


def _made(kind: type[T], options: Options | None, **fixed: object) -> T:
    """Return a configuration; a ValueError names what is unknown, or no such value."""
    options = options or {}
    if clash := sorted(set(options) & set(fixed)):
        raise ValueError(f"{clash[0]} is an argument of its own, not an option")
    return config_from_values(kind, {**options, **fixed}, kind.__name__)


def _chosen(name: str, value: object, allowed: tuple[T, ...]) -> T:
    """Return the one of `allowed` that `value` equals; a list may stand for a tuple."""
    given = tuple(value) if isinstance(value, list) else value
    for each in allowed:
        if each == given:
            return each
    raise ValueError(f"{name} must be one of {allowed}, got {value!r}")


for _motion, _name in NAMES.items():
    # The observations are checked in tests; checking each again would halve the speed.
    gymnasium.register(
        _name,
        entry_point="ur5_sim.gymnasium_env:UR5Env",
        kwargs={"motion": _motion},
        disable_env_checker=True,
    )
