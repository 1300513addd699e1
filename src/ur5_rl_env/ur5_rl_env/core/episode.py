"""One episode: snapshots and answers in, time steps and a summary out. Reads no clock."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ur5_rl_env.core.env_config import EnvConfig
from ur5_rl_env.core.proprioception import proprioception
from ur5_rl_env.core.reward import Reward, mask_pixels
from ur5_rl_env.core.sensors import Frame, Snapshot
from ur5_rl_env.core.task import NUM_ACTIONS

TIME_LIMIT = "time_limit"
STILL = np.zeros(NUM_ACTIONS, np.float32)


@dataclass(frozen=True)
class Answer:
    """What the policy chose for one observation."""

    episode: int
    step: int
    action: NDArray[np.float32]  # in [-1, 1], shape (5,)
    policy_version: int = 0
    policy_age_s: float = 0.0
    observation_to_command_ms: float = 0.0

    def __post_init__(self) -> None:
        if self.action.shape != (NUM_ACTIONS,) or not np.isfinite(self.action).all():
            raise ValueError(f"action must be 5 finite numbers, got {self.action}")
        if np.abs(self.action).max() > 1.0:
            raise ValueError(f"action must lie in [-1, 1], got {self.action}")
        for name in ("policy_age_s", "observation_to_command_ms"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:  # also refuses NaN
                raise ValueError(f"{name} must be finite and >= 0, got {value}")


@dataclass(frozen=True)
class TimeStep:
    """One observation and what led to it (RLDS order)."""

    episode: int
    step: int  # of the observation, from 0
    snapshot: Snapshot
    proprioception: NDArray[np.float32]  # shape (15,)
    action: NDArray[np.float32]  # executed since the previous observation, shape (5,)
    reward: float
    is_first: bool
    is_last: bool
    limited: bool
    policy_version: int
    new_frames: tuple[Frame, ...]  # those of the stack that no earlier time step carried


@dataclass
class EpisodeRecord:
    """What is told about a finished episode. Times in the units of the names."""

    return_sum: float = 0.0
    steps: int = 0
    policy_version: int = 0
    missed_actions: int = 0
    held_observations: int = 0
    limited_steps: int = 0
    synchronisation_misses: int = 0
    first_mask_px: int = 0
    last_mask_px: int = 0
    cycle_ms: list[float] = field(default_factory=list)
    lateness_ms: list[float] = field(default_factory=list)
    learner_wait_ms: list[float] = field(default_factory=list)
    observation_to_command_ms: list[float] = field(default_factory=list)
    policy_age_s: list[float] = field(default_factory=list)

    def on_tick(self, cycle_ns: int, lateness_ns: int, learner_wait_ns: int) -> None:
        """Note how punctual a tick was; a wait (0: none) is part of its lateness."""
        self.cycle_ms.append(cycle_ns / 1e6)
        self.lateness_ms.append(lateness_ns / 1e6)
        if learner_wait_ns:
            self.learner_wait_ms.append(learner_wait_ns / 1e6)


class Episode:
    """Turns ticks into time steps. Owned by the loop thread.

    The first stack is the first frame three times, as in the simulated world: what was
    seen before belongs to no episode.

    Each time step holds the action that was executed. An observation that was not
    answered in time means that the arm went on with the command before, which may have
    come late itself; twice in a row, that even this one was too old, and the arm braked:
    zero. One that was held back means that it braked, too, unless the answer before came
    late.
    """

    def __init__(self, config: EnvConfig, reward: Reward, number: int) -> None:
        self.number = number
        self.record = EpisodeRecord()
        self._config = config
        self._reward = reward
        self._step = -1
        self._executed = STILL.copy()
        self._answered = -1  # the newest step whose answer came in time
        self._missed_in_a_row = 0
        self._is_held = False
        self._apart_in_a_row = 0
        self._newest_sent = 0

    @property
    def is_over(self) -> bool:
        """Whether the time limit was reached."""
        return self._step >= self._config.steps_per_episode

    @property
    def fault(self) -> str:
        """Return why the episode must not go on; "" if it may."""
        config = self._config
        if self._missed_in_a_row >= config.max_missed_actions:
            return "actor does not answer"
        if 0 < config.max_synchronisation_misses <= self._apart_in_a_row:
            return (
                f"joint sample and image are more than "
                f"{config.synchronisation_tolerance_s} s apart for "
                f"{self._apart_in_a_row} ticks in a row (is the camera late?)"
            )
        return ""

    def begin_step(self, snapshot: Snapshot, answer: Answer | None) -> None:
        """Advance to the next observation; `answer` is the newest one that arrived."""
        if self._step >= 0:
            self._take(answer)
        self._step += 1
        self._snapshot = self._without_past(snapshot)
        is_apart = snapshot.offset_s > self._config.synchronisation_tolerance_s
        self.record.synchronisation_misses += is_apart
        self._apart_in_a_row = self._apart_in_a_row + 1 if is_apart else 0

    def hold(self) -> None:
        """Note that the newest observation is not given to anybody."""
        self._is_held = True
        self.record.held_observations += 1

    def proprioception(self) -> NDArray[np.float32]:
        """Return what the policy is told beside the images, shape (15,)."""
        joints, max_speed = self._snapshot.joints, self._config.max_joint_speed_rad_s
        return proprioception(joints.q, joints.qd, self._executed, max_speed)

    def finish_step(self, limited: bool) -> TimeStep:
        """Return the time step of the newest observation, with its reward."""
        snapshot, record, is_first = self._snapshot, self.record, self._step == 0
        image = snapshot.frames[-1].image
        reward = 0.0 if is_first else self._reward(image, snapshot.joints.q)
        record.return_sum += reward
        record.steps = self._step
        record.limited_steps += limited and not is_first
        record.last_mask_px = mask_pixels(image)
        if is_first:
            record.first_mask_px = record.last_mask_px
        stack = {frame.number: frame for frame in snapshot.frames}
        new_frames = tuple(f for n, f in stack.items() if n > self._newest_sent)
        self._newest_sent = snapshot.frames[-1].number
        return TimeStep(
            episode=self.number,
            step=self._step,
            snapshot=snapshot,
            proprioception=self.proprioception(),
            action=self._executed.copy(),
            reward=reward,
            is_first=is_first,
            is_last=self.is_over,
            limited=limited and not is_first,
            policy_version=record.policy_version,
            new_frames=new_frames,
        )

    @property
    def step(self) -> int:
        """Index of the newest observation, from 0; -1 before the first."""
        return self._step

    @property
    def snapshot(self) -> Snapshot:
        """What the newest observation is made of."""
        return self._snapshot

    def _without_past(self, snapshot: Snapshot) -> Snapshot:
        """Return it with the episode's first frame in place of those from before it."""
        if self._step == 0:
            self._first_frame = snapshot.frames[-1]
        first = self._first_frame
        frames = tuple(f if f.number > first.number else first for f in snapshot.frames)
        return replace(snapshot, frames=frames)

    def _take(self, answer: Answer | None) -> None:
        ours = answer if answer and answer.episode == self.number else None
        if ours is None or ours.step != self._step:
            self._go_without_answer(ours)
            return
        self._answered, self._missed_in_a_row = self._step, 0
        self._executed = ours.action
        self.record.policy_version = ours.policy_version
        self.record.observation_to_command_ms.append(ours.observation_to_command_ms)
        self.record.policy_age_s.append(ours.policy_age_s)

    def _go_without_answer(self, newest: Answer | None) -> None:
        """Note what the arm did on the `newest` answer, or without any."""
        was_held, self._is_held = self._is_held, False
        if not was_held:
            self.record.missed_actions += 1
            self._missed_in_a_row += 1
        is_young = newest is not None and newest.step == self._step - 1
        if newest is None or not is_young or (was_held and newest.step == self._answered):
            self._executed = STILL.copy()  # too old for the arm, which braked
        else:
            self._executed = newest.action
