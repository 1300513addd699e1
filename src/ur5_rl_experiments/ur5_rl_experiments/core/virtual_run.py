"""One run of learning in virtual time: world, policy and learner advance event by event.

The world does not wait: while the learner computes for so many virtual milliseconds, the
arm follows its last action, the dot moves and the camera takes its pictures.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from sac_learner.core.config import LearnerConfig
from sac_learner.core.replay_buffer import ReplayBuffer
from sac_learner.core.sac import Sac
from sac_learner.core.time_step import TimeStep
from sac_learner.core.update_limiter import UpdateLimiter
from target_display.core.motion import MotionConfig
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.task import (
    EPISODE_S,
    MAX_JOINT_SPEED_RAD_S,
    NUM_ACTIONS,
)
from ur5_rl_experiments.core.costs import Costs
from ur5_rl_experiments.core.virtual_learner import Parts, VirtualLearner
from ur5_sim.core.camera_config import CameraConfig
from ur5_sim.core.observer import Observer, Seen
from ur5_sim.core.world import World, WorldConfig, WorldStep

RESET_S = 3.0  # of the thesis: the arm goes home; the learner learns on
TASKS = ("reaching", "tracking")

Action = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run: what learns, how its parts share time, and for how long.

    Attributes:
        task: Motion of the dot.
        costs: What acting, sampling and updating take [s of virtual time].
        learner: Networks, algorithm, architecture, action period, seed.
        minutes: Virtual time after the random start [min].
        env_steps: End after so many transitions in all, those of the random start
            included; 0 = no limit.
    """

    task: str = "reaching"
    costs: Costs = field(default_factory=Costs)
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    minutes: float = 120.0
    env_steps: int = 0

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"task must be one of {TASKS}, got '{self.task}'")
        if not 0.0 < self.minutes < math.inf:
            raise ValueError(f"minutes must be positive, got {self.minutes}")
        if self.delay_s > self.period_s + 1e-9:
            raise ValueError(
                f"action_period_s ({self.period_s}) is shorter than the work of a cycle "
                f"({self.delay_s:.3f} s)"
            )
        if self.env_steps != 0 and self.env_steps <= self.start_steps:
            raise ValueError(
                f"env_steps must be 0 or more than the {self.start_steps} of the random "
                f"start, got {self.env_steps}"
            )

    @property
    def period_s(self) -> float:
        """Time between two actions [s]."""
        return self.learner.action_period_s

    @property
    def delay_s(self) -> float:
        """From an observation to the arm's answer [s]."""
        if self.learner.is_sequential:
            return self.costs.in_line_s(math.ceil(self.learner.updates_per_transition))
        return self.costs.response_s

    @property
    def steps_per_episode(self) -> int:
        """Transitions of an episode."""
        return int(EPISODE_S / self.period_s + 1e-9)

    @property
    def start_steps(self) -> int:
        """Transitions of the random start: `learning_starts` in whole episodes."""
        episodes = math.ceil(self.learner.learning_starts / self.steps_per_episode)
        return episodes * self.steps_per_episode

    def world(self) -> WorldConfig:
        """Return the world of this run."""
        learner = self.learner
        return WorldConfig(
            motion=MotionConfig(motion=self.task, seed=learner.seed),
            camera=CameraConfig(
                width_px=learner.width_px, height_px=learner.height_px, seed=learner.seed
            ),
            arm=ArmConfig(action_period_s=self.period_s),
        )


@dataclass(frozen=True, kw_only=True)
class EpisodeRecord:
    """One finished episode of learning.

    Attributes:
        begin_s: Virtual instant of its first observation [s].
        return_sum: Undiscounted sum of rewards.
        env_steps: Transitions in all at its end.
        updates: Gradient updates in all at its end.
        policy_age_s: Mean time from the end of the newest update to each action [s].
        limited_steps: Steps at which a safety limit changed the motion.
    """

    begin_s: float
    return_sum: float
    env_steps: int
    updates: int
    policy_age_s: float
    limited_steps: int


class VirtualRun:
    """Owned by one thread. `episodes` runs it, once.

    Attributes:
        config: What is run.
        sac: What has been learnt so far.
        env_steps: Transitions so far.
    """

    def __init__(self, config: RunConfig) -> None:
        self.env_steps = 0
        self.config = config
        self._parts = _parts_of(config.learner)
        self.sac = self._parts.sac
        self._learner = VirtualLearner(
            self._parts, config.costs, config.learner.architecture
        )
        self._world = World(config.world())
        self._observer = Observer(MAX_JOINT_SPEED_RAD_S)
        self._is_random_start = True
        self._now_s = 0.0
        self._episode = 0
        self._sequence = 0
        self._newest_frame = 0

    def episodes(self) -> Iterator[EpisodeRecord]:
        """Learn until the time or the number of steps is over; yield each episode."""
        config = self.config
        while self.env_steps < config.learner.learning_starts:
            self._run_episode()
        self._now_s, self._is_random_start = 0.0, False  # the start does not count
        # It ends with an episode: what it gathered beyond learning_starts owes nothing.
        self._parts.limiter.start_after(self.env_steps)
        while self._now_s < 60.0 * config.minutes:
            if config.env_steps and self.env_steps >= config.env_steps:
                return
            self._learn_beside()  # during the reset
            yield self._run_episode()
            self._now_s += RESET_S

    def act(self, seen: Seen, *, deterministic: bool) -> Action:
        """Return the policy's action, shape (5,), or its mean."""
        noise = np.zeros(NUM_ACTIONS, np.float32)
        if not deterministic:
            noise = self._parts.generator.standard_normal(NUM_ACTIONS, np.float32)
        inputs = (seen.frames, seen.proprioception, noise)
        action = self.sac.policy.act(
            *(torch.from_numpy(array).to(self.sac.device) for array in inputs)
        )
        result: Action = action.cpu().numpy()
        return result

    def _run_episode(self) -> EpisodeRecord:
        config, begin_s = self.config, self._now_s
        self._episode += 1
        step = self._world.reset(self._episode)
        action = np.zeros(NUM_ACTIONS, np.float32)
        seen = self._store(step, 0, action)
        returned, limited, ages_s = 0.0, 0, []
        for index in range(1, config.steps_per_episode + 1):
            delay_s = config.costs.response_s + self._learn_in_line()
            ages_s.append(self._now_s + delay_s - self._learner.last_update_s)
            action = self._choose(seen)
            step = self._world.step(action, delay_s)
            self._now_s += config.period_s
            self._learn_beside()  # with what was there while the step went on
            seen = self._store(step, index, action)
            self._learn_beside()  # what waited for this step begins
            returned, limited = returned + step.reward, limited + step.is_limited
        return EpisodeRecord(
            begin_s=begin_s,
            return_sum=returned,
            env_steps=self.env_steps,
            updates=self._learner.updates,
            policy_age_s=float(np.mean(ages_s)),
            limited_steps=limited,
        )

    def _choose(self, seen: Seen) -> Action:
        if self._is_random_start:
            drawn = self._parts.generator.uniform(-1.0, 1.0, NUM_ACTIONS)
            return drawn.astype(np.float32)
        return self.act(seen, deterministic=False)

    def _learn_in_line(self) -> float:
        """Return how long the next action waits for the learner [s]."""
        if self._is_random_start or not self.config.learner.is_sequential:
            return 0.0
        return self._learner.update_in_line(self._now_s)

    def _learn_beside(self) -> None:
        if self._is_random_start or self.config.learner.is_sequential:
            return
        self._learner.advance(self._now_s)

    def _store(self, step: WorldStep, index: int, action: Action) -> Seen:
        """Put the time step into the buffer; return its observation."""
        is_first = index == 0
        seen = self._observer.observe(step, None if is_first else action)
        planes = self._observer.planes(step)
        new = [name for name in planes if name > self._newest_frame]
        self._newest_frame = max(planes)
        self._sequence += 1
        shape = (0, *next(iter(planes.values())).shape)
        time_step = TimeStep(
            run_id=1,
            sequence=self._sequence,
            episode=self._episode,
            step=index,
            is_first=is_first,
            is_last=index == self.config.steps_per_episode,
            is_terminal=False,
            action=action,
            reward=0.0 if is_first else step.reward,
            stack_ids=step.frame_ids,
            frame_ids=tuple(new),
            frames=np.stack([planes[n] for n in new])
            if new
            else np.empty(shape, np.uint8),
            proprioception=seen.proprioception,
        )
        self._parts.buffer.add(time_step)
        self.env_steps += not is_first
        return seen


def _parts_of(learner: LearnerConfig) -> Parts:
    """Return what learns, before it has seen anything."""
    return Parts(
        sac=Sac(learner),
        buffer=ReplayBuffer(
            learner.replay_capacity,
            learner.network,
            discount=learner.cycle_discount,
            n_step=learner.n_step,
            replay_device=learner.replay_device,
        ),
        limiter=UpdateLimiter(
            learner.updates_per_transition,
            learner.learning_starts,
            learner.max_pending_updates,
        ),
        generator=np.random.default_rng(learner.seed),
        batch_size=learner.batch_size,
        learning_starts=max(learner.learning_starts, 1),
    )
