"""One run of learning: networks, limiter, replay and checkpoints put together."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sac_learner.core.batch import Batch
from sac_learner.core.checkpoint import (
    Checkpoint,
    RunState,
    checkpoint_paths,
    newest_checkpoint,
    prune,
    replay_dir,
    write_checkpoint,
)
from sac_learner.core.config import LearnerConfig
from sac_learner.core.parameters import EncodedPolicy, encode_policy, parameters_of
from sac_learner.core.replay_buffer import ReplayBuffer
from sac_learner.core.replay_log import ReplayLog, read_segment
from sac_learner.core.sac import Sac
from sac_learner.core.sampler import Sampler
from sac_learner.core.update_limiter import LimiterState, UpdateLimiter


class DivergedError(RuntimeError):
    """A parameter is no longer finite: only an older checkpoint can help."""


class Learner:
    """Owned by the thread that updates; `sampler` has a thread of its own.

    Attributes:
        sac: Training state.
        sampler: To be entered as a context manager before the first update.
        version: Of the newest policy that was encoded; 0 before the first.
    """

    def __init__(self, config: LearnerConfig) -> None:
        """Begin a run."""
        self.sac = Sac(config)
        self.version = 0
        self._config = config
        self._run_dir = Path(config.run_dir)
        self._generator = np.random.default_rng(config.seed)
        self._limiter = UpdateLimiter(
            config.updates_per_transition,
            config.learning_starts,
            config.max_pending_updates,
        )
        self._buffer = ReplayBuffer(
            config.replay_capacity,
            config.network,
            discount=config.discount,
            n_step=config.n_step,
        )
        self._log = ReplayLog(replay_dir(self._run_dir), config.replay_capacity)
        log = self._log if config.save_replay else None
        self.sampler = Sampler(config, self._buffer, log, self._generator)

    @property
    def has_policy(self) -> bool:
        """Whether the policy may act: enough was gathered, or a run was resumed."""
        return self.version > 0 or self.sampler.env_steps >= self._config.learning_starts

    @property
    def update_to_data_ratio(self) -> float:
        """Updates per transition since learning began; 0 before that."""
        transitions = self.sampler.env_steps - self._config.learning_starts
        return self.sac.updates / transitions if transitions > 0 else 0.0

    @property
    def update_due(self) -> bool:
        """Whether the update-to-data ratio pays for an update now."""
        self._limiter.observe(self.sampler.env_steps)
        return self._limiter.update_due

    @property
    def waiting_for(self) -> str:
        """What keeps it from updating, for people."""
        missing = self._config.learning_starts - self.sampler.env_steps
        return f"{missing} first transitions" if missing > 0 else "new transitions"

    def update(self, batch: Batch) -> None:
        """Take one update on a batch of `sampler` and give the batch back."""
        self.sac.update(batch)
        self.sampler.give_back(batch)
        self._limiter.spend()

    def next_policy(self) -> EncodedPolicy:
        """Return the policy as it is now under a new version.

        Raises:
            DivergedError: a parameter is not finite.
        """
        parameters = parameters_of(self.sac.policy)
        try:
            policy = encode_policy(parameters, self._config.network, self.version + 1)
        except ValueError as error:
            raise DivergedError(f"learning diverged: {error}") from None
        self.version += 1
        return policy

    def save(self) -> Path:
        """Write a checkpoint and what is new of the replay; return the checkpoint.

        Raises:
            OSError: it cannot be written.
            DivergedError: a parameter is not finite.
        """
        policy = self.next_policy()
        replay = self.sampler.save()
        state = RunState(
            updates=self.sac.updates,
            env_steps=replay.env_steps,
            next_version=self.version + self._versions_per_checkpoint(),
            limiter=self._limiter.state,
            generator=replay.generator,
            segments=replay.segments,
            config=dataclasses.asdict(self._config),
        )
        path = write_checkpoint(self._run_dir, state, self.sac.state(), policy)
        prune(self._run_dir, self._config.kept_checkpoints)
        return path

    def resume(self, should_stop: Callable[[], bool] = lambda: False) -> list[str]:
        """Go on from the newest whole checkpoint; return what was wrong with newer ones.

        Call it before `sampler` is entered.

        Raises:
            ValueError: there is none, or it does not fit this configuration.
        """
        checkpoint, problems = newest_checkpoint(self._run_dir)
        state = checkpoint.state
        self.sac.load_state(checkpoint.tensors, state.updates)
        self.version = state.next_version
        self._limiter.state = LimiterState(*state.limiter)
        self._generator.bit_generator.state = state.generator
        if self._config.save_replay:
            self._log.segments = state.segments
            problems += self._reload(checkpoint, should_stop)
        self._buffer.transitions_added = state.env_steps
        return problems

    @property
    def can_resume(self) -> bool:
        """Whether the run directory holds a checkpoint, whole or not."""
        return bool(checkpoint_paths(self._run_dir))

    def _reload(
        self, checkpoint: Checkpoint, should_stop: Callable[[], bool]
    ) -> list[str]:
        """Rebuild the replay buffer; return what could not be read."""
        problems = []
        for segment in checkpoint.state.segments:
            if should_stop():
                break
            try:
                for step in read_segment(replay_dir(self._run_dir), segment):
                    self._buffer.add(step)
            except (OSError, ValueError) as error:
                problems.append(str(error))
        return problems

    def _versions_per_checkpoint(self) -> int:
        """Return how many policies may go out before the next checkpoint, generously.

        A resumed run starts above them, so a version never names two policies.
        """
        config = self._config
        return 2 * math.ceil(config.checkpoint_period_s / config.publish_period_s) + 2
