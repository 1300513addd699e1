"""What is remembered of a run: bounded in memory, whatever its length."""

import math
from collections import Counter, deque
from dataclasses import dataclass

from ur5_rl_bringup.core.histogram import Histogram
from ur5_rl_bringup.core.samples import (
    ArmSample,
    EnvSample,
    Episode,
    LearnerSample,
    Timing,
)

RECENT_RETURNS = 20
MAX_CAUSES = 50
MILLISECOND_BINS = (0.05, 20_000)  # width [ms], number: up to 1 s
POLICY_AGE_BINS = (0.01, 60_000)  # width [s], number: up to 10 min


class Moments:
    """Count, mean, standard error and minimum of finite numbers. Owned by one thread."""

    def __init__(self) -> None:
        self.count = 0
        self.minimum: float | None = None
        self._mean = 0.0
        self._squares = 0.0  # sum of squared distances from the mean (Welford 1962)

    def add(self, value: float) -> None:
        if not math.isfinite(value):
            return
        self.count += 1
        step = value - self._mean
        self._mean += step / self.count
        self._squares += step * (value - self._mean)
        self.minimum = value if self.minimum is None else min(self.minimum, value)

    @property
    def mean(self) -> float | None:
        """None before the first value."""
        return self._mean if self.count else None

    @property
    def standard_error(self) -> float | None:
        """Of the mean; None for fewer than two values."""
        if self.count < 2:
            return None
        return math.sqrt(self._squares / (self.count - 1) / self.count)


class RestartProofCount:
    """Total of a counter whose process may start again from zero."""

    def __init__(self) -> None:
        self._earlier = 0
        self._current = 0

    def update(self, value: int) -> None:
        if value < self._current:
            self._earlier += self._current
        self._current = value

    @property
    def total(self) -> int:
        """Counted by all processes so far."""
        return self._earlier + self._current


@dataclass(frozen=True)
class ListedEpisode:
    """An episode in the run's list; `env_steps` of the run at its end."""

    episode: Episode
    env_steps: int


class RunRecord:
    """Everything the report, the picture and the console draw on. Owned by one thread.

    Episodes are counted here, from 1 and over restarts of env_node, whose own numbers
    start again.
    """

    def __init__(self, max_listed_episodes: int) -> None:
        self.episodes: deque[ListedEpisode] = deque(maxlen=max_listed_episodes)
        self.num_episodes = 0
        self.env_steps = 0  # of finished episodes, this monitor's
        self.env_steps_before = 0  # of the run that is resumed
        self.env_starts = 0
        self.cut_short: Counter[str] = Counter()
        self.returns = Moments()
        self.recent_returns: deque[float] = deque(maxlen=RECENT_RETURNS)
        self.reset_s = Moments()
        self.missed_actions = self.held_observations = 0
        self.limited_steps = self.synchronisation_misses = 0
        self.cycle_ms = Histogram(*MILLISECOND_BINS)
        self.lateness_ms = Histogram(*MILLISECOND_BINS)
        self.learner_wait_ms = Histogram(*MILLISECOND_BINS)
        self.observation_to_command_ms = Histogram(*MILLISECOND_BINS)
        self.policy_age_s = Histogram(*POLICY_AGE_BINS)
        self.newest_policy_age_s = 0.0
        self.joint_states_hz = Moments()
        self.images_hz = Moments()
        self.time_steps_sent = RestartProofCount()
        self.stored = RestartProofCount()
        self.lost = RestartProofCount()
        self.env: EnvSample | None = None
        self.arm: ArmSample | None = None
        self.learner: LearnerSample | None = None
        self._run_id: int | None = None
        self._running_steps = 0

    @property
    def transitions_sent(self) -> int:
        """Of all finished episodes and the running one."""
        return self.env_steps + self._running_steps

    @property
    def total_env_steps(self) -> int:
        """Of the whole run: a resumed one counts on."""
        return self.env_steps_before + self.env_steps

    @property
    def updates(self) -> int:
        """Gradient updates, resumed ones included; 0 without a learner."""
        return self.learner.updates if self.learner else 0

    @property
    def mean_return_last_20(self) -> float | None:
        """Mean of the newest complete episodes, 20 at most; None before the first."""
        recent = self.recent_returns
        return sum(recent) / len(recent) if recent else None

    def on_episode(self, episode: Episode, timing: Timing) -> None:
        self.num_episodes += 1
        self.env_steps += episode.steps
        self.env_starts += episode.run_id != self._run_id
        self._run_id = episode.run_id
        self._running_steps = 0
        self.episodes.append(ListedEpisode(episode, self.total_env_steps))
        if episode.is_complete:
            self.returns.add(episode.return_sum)
            self.recent_returns.append(episode.return_sum)
        else:
            is_listed = episode.end in self.cut_short or len(self.cut_short) < MAX_CAUSES
            self.cut_short[episode.end if is_listed else "other causes"] += 1
        self._add_quality(episode, timing)

    def _add_quality(self, episode: Episode, timing: Timing) -> None:
        self.reset_s.add(episode.reset_s)
        self.missed_actions += episode.missed_actions
        self.held_observations += episode.held_observations
        self.limited_steps += episode.limited_steps
        self.synchronisation_misses += episode.synchronisation_misses
        self.cycle_ms.add(timing.cycle_ms)
        self.lateness_ms.add(timing.lateness_ms)
        self.learner_wait_ms.add(timing.learner_wait_ms)
        self.observation_to_command_ms.add(timing.observation_to_command_ms)
        self.policy_age_s.add(timing.policy_age_s)
        if timing.policy_age_s.size:
            self.newest_policy_age_s = float(timing.policy_age_s[-1])

    def on_env(self, sample: EnvSample) -> None:
        self.env = sample
        self._running_steps = sample.step if sample.is_running else 0
        self.time_steps_sent.update(sample.transitions_sent)
        if sample.is_running:
            self.images_hz.add(sample.images_hz)

    def on_arm(self, sample: ArmSample) -> None:
        self.arm = sample
        if self.env is not None and self.env.is_running:
            self.joint_states_hz.add(sample.joint_states_hz)

    def on_learner(self, sample: LearnerSample) -> None:
        if self.learner is None:
            ours = self.transitions_sent
            self.env_steps_before = max(0, sample.env_steps - ours)
        self.learner = sample
        self.stored.update(sample.transitions_received)
        self.lost.update(sample.transitions_lost)
