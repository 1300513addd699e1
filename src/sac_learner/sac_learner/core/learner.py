"""One run of learning: networks, limiter, replay and checkpoints put together."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from sac_learner.core.batch import AnyBatch
from sac_learner.core.bounded_file import in_one_line
from sac_learner.core.checkpoint import (
    UNLIKE_OURS,
    RunState,
    checkpoint_paths,
    clear_away,
    newest_checkpoint,
    replay_dir,
)
from sac_learner.core.config import LearnerConfig
from sac_learner.core.parameters import EncodedPolicy, encode_policy, parameters_of
from sac_learner.core.replay_buffer import ReplayBuffer
from sac_learner.core.replay_log import Durable, ReplayLog
from sac_learner.core.run_writer import RunWriter, Snapshot
from sac_learner.core.sac import Sac
from sac_learner.core.sampler import Sampler
from sac_learner.core.segment_file import segment_paths
from sac_learner.core.update_limiter import LimiterState, UpdateLimiter
from sac_learner.core.version_reserve import VersionReserve


class DivergedError(RuntimeError):
    """A parameter is no longer finite: only an older checkpoint can help."""


class Learner:
    """Owned by the thread that updates; the sampler and the writer have their own.

    Use as a context manager: that starts their threads. Leaving it writes the time steps
    that have arrived, but no checkpoint.

    Attributes:
        sac: Training state.
        sampler: Takes time steps, gives batches.
    """

    def __init__(
        self, config: LearnerConfig, commit: str = "unknown", session: int = 0
    ) -> None:
        """Begin a run.

        Args:
            config: What to learn, and how.
            commit: Of the code; it is written into checkpoints.
            session: Number of this process; policies are sealed with it.
        """
        self.sac = Sac(config)
        self._config = config
        self._commit = commit
        self._session = session
        self._run_dir = Path(config.run_dir)
        self._versions = VersionReserve(self._run_dir)
        self._generator = np.random.default_rng(config.seed)
        self._limiter = UpdateLimiter(
            config.updates_per_transition,
            config.learning_starts,
            config.max_pending_updates,
        )
        self._buffer = ReplayBuffer(
            config.replay_capacity,
            config.network,
            discount=config.cycle_discount,
            n_step=config.n_step,
            replay_device=config.replay_device,
        )
        capacity = config.replay_capacity
        self._log = ReplayLog(replay_dir(self._run_dir), capacity)
        self._writer = RunWriter(
            self._run_dir, self._log, kept=config.kept_checkpoints, capacity=capacity
        )
        record = self._writer.append if config.save_replay else None
        self.sampler = Sampler(config, self._buffer, record, self._generator)
        self._saving: Future[Path] | None = None
        self._saved = (-1, -1)  # updates and transitions of the newest background save
        self._threads = ExitStack()

    def __enter__(self) -> Self:
        self._threads.enter_context(self._writer)
        self._threads.enter_context(self.sampler)  # left first: its last steps count
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.__exit__(kind, error, trace)

    @property
    def version(self) -> int:
        """Of the newest policy that was encoded; 0 before the first of a run."""
        return self._versions.newest

    @property
    def durable(self) -> Durable:
        """How far the time steps on disk reach: no kill loses them."""
        return self._writer.durable

    @property
    def disk_problem(self) -> str:
        """What the newest writes failed by, for people; "" if they did not."""
        return self._writer.problem

    @property
    def has_policy(self) -> bool:
        """Whether the policy may act: enough was gathered, or a run was resumed."""
        enough = self.sampler.env_steps >= self._config.learning_starts
        return self.sac.updates > 0 or enough

    @property
    def update_to_data_ratio(self) -> float:
        """Updates per transition since learning began; 0 before that."""
        transitions = self.sampler.env_steps - self._config.learning_starts
        return self.sac.updates / transitions if transitions > 0 else 0.0

    @property
    def update_due(self) -> bool:
        """Whether the update-to-data ratio pays for an update, and a batch can be drawn.

        Only with both: a sequential environment waits until no update is due.
        """
        self._limiter.observe(self.sampler.env_steps)
        return self._limiter.update_due and not self.sampler.missing

    @property
    def buffer_fill(self) -> float:
        """Transitions in the replay buffer, as a fraction of its capacity."""
        return self.sampler.buffer_size / self._config.replay_capacity

    @property
    def updates_owed(self) -> float:
        """Updates that are paid for and not taken; 0 without a limit."""
        return self._limiter.updates_owed

    @property
    def waiting_for(self) -> str:
        """What keeps it from updating, for people."""
        missing = self.sampler.missing
        return f"{missing} first transitions" if missing else "new transitions"

    def update(self, batch: AnyBatch) -> None:
        """Take one update on a batch of `sampler` and give the batch back."""
        self.sac.update(batch)
        self.sampler.give_back(batch)
        self._limiter.spend()

    def next_policy(self) -> EncodedPolicy:
        """Return the policy as it is now under a new version.

        Raises:
            DivergedError: a parameter is not finite.
        """
        parameters, version = parameters_of(self.sac.policy), self._versions.next()
        try:
            return encode_policy(
                parameters,
                self._config.network,
                version,
                update_step=self.sac.updates,
                session=self._session,
            )
        except ValueError as error:
            raise DivergedError(f"learning diverged: {error}") from None

    def save(self) -> Path:
        """Write a checkpoint and what is new of the replay; return the checkpoint.

        Raises:
            OSError: it cannot be written.
            DivergedError: a parameter is not finite.
        """
        return self._writer.wait_for(self._writer.save(self._snapshot()))

    def begin_save(self) -> bool:
        """Copy what a checkpoint needs and let it be written meanwhile.

        Where nothing was learnt since the one before, that one stands.

        Returns:
            False, and nothing was done, while the one before is still being written.
            What goes wrong in the background is told by `disk_problem`.

        Raises:
            DivergedError: a parameter is not finite.
            RuntimeError: the writer's thread has died; its error is the cause.
        """
        self._writer.check_alive()
        if self._saving is not None and not self._saving.done():
            return False
        learnt = (self.sac.updates, self.sampler.env_steps)
        if learnt != self._saved or self.disk_problem:
            self._saved = learnt
            self._saving = self._writer.save(self._snapshot())
        return True

    def _snapshot(self) -> Snapshot:
        policy = self.next_policy()
        replay = self.sampler.state()
        state = RunState(
            updates=self.sac.updates,
            env_steps=replay.env_steps,
            next_version=self._versions.unused,
            limiter=self._limiter.state,
            generator=replay.generator,
            commit=self._commit,
            config=dataclasses.asdict(self._config),
        )
        return Snapshot(state, self.sac.state(), policy)

    @property
    def can_resume(self) -> bool:
        """Whether the run directory holds what an earlier life has left.

        A checkpoint, whole or not, time steps, or policy versions that it has used.
        """
        has_steps = bool(segment_paths(replay_dir(self._run_dir)))
        return (
            has_steps
            or bool(checkpoint_paths(self._run_dir))
            or self._versions.path.exists()
        )

    def resume(
        self,
        should_stop: Callable[[], bool] = lambda: False,
        on_policy: Callable[[], None] = lambda: None,
    ) -> list[str]:
        """Go on from the newest whole checkpoint and all time steps on disk.

        A run that was killed before its first checkpoint goes on with new networks. Call
        it before the threads are started.

        Args:
            should_stop: Asked often while the replay is read, which may take minutes.
            on_policy: Called before that, where there is a policy to act by.

        Returns:
            What was not whole, and what was done about it.

        Raises:
            ValueError: there is nothing, or it does not fit this configuration.
        """
        problems: list[str] = []
        if checkpoint_paths(self._run_dir) or not self.can_resume:
            self._resume_learning(problems)
            on_policy()
        else:
            problems += self._versions.resume(at_least=0)
            problems.append(f"no checkpoint under {self._run_dir} yet: new networks")
        if self._config.save_replay:
            self._resume_replay(problems, should_stop)
        if missing := self.sampler.missing:  # what refills the buffer pays for nothing
            self._limiter.start_after(self.sampler.env_steps + missing)
        return problems

    def _resume_learning(self, problems: list[str]) -> None:
        checkpoint, broken = newest_checkpoint(self._run_dir)
        state = checkpoint.state
        try:
            problems += self.sac.load_state(checkpoint.tensors, state.updates)
            self._generator.bit_generator.state = state.generator
        except UNLIKE_OURS as error:
            raise ValueError(f"{checkpoint.path}: {in_one_line(error)}") from None
        problems += self._versions.resume(at_least=state.next_version)
        self._limiter.state = LimiterState(*state.limiter)
        self._buffer.transitions_added = state.env_steps
        problems += broken
        try:
            problems += clear_away(self._run_dir, checkpoint.path)
        except OSError as error:
            problems.append(str(error))

    def _resume_replay(
        self, problems: list[str], should_stop: Callable[[], bool]
    ) -> None:
        """Rebuild the replay buffer; its newest transitions may be later than the rest.

        The limiter then pays for these, as if they had just arrived.
        """
        env_steps = self._buffer.transitions_added
        for step in self._log.read(problems, should_stop):
            try:
                self._buffer.add(step)
            except ValueError as error:
                place = replay_dir(self._run_dir)
                words = in_one_line(error)
                raise ValueError(f"{place}: step {step.sequence}: {words}") from None
        durable = self._log.durable
        if durable.env_steps < env_steps:
            problems.append(
                f"{replay_dir(self._run_dir)} ends at transition {durable.env_steps}, "
                f"the checkpoint was written at {env_steps}: time steps are missing"
            )
        self._buffer.transitions_added = max(env_steps, durable.env_steps)
        self.sampler.go_on_after(self._log.newest, durable)
