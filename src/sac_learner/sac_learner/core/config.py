"""Everything about learning that an experimenter may change; defaults are table 5.3."""

import math
from dataclasses import dataclass

from sac_learner.core.architectures import ARCHITECTURES, ASYNC_2, SEQUENTIAL
from sac_learner.core.frame_store import HOST
from sac_learner.core.networks import NetworkConfig
from sac_learner.core.precision import AUTO, PRECISIONS

DEVICES = ("cpu", "cuda")  # or "cuda:1" and so on

ABOVE_ZERO = (
    *("actor_learning_rate", "critic_learning_rate", "encoder_learning_rate"),
    *("temperature_learning_rate", "initial_temperature"),
    *("action_period_s", "publish_period_s", "checkpoint_period_s"),
)
ABOVE_ZERO_TO_ONE = ("discount", "critic_target_ratio", "encoder_target_ratio")
AT_LEAST_ONE = (
    *("batch_size", "n_step", "actor_update_period", "target_update_period"),
    *("max_pending_updates", "inbox_capacity", "prepared_batches", "kept_checkpoints"),
)
AT_LEAST_ZERO = (
    *("threads", "learning_starts", "seed", "discount_period_s"),
    "updates_per_transition",
)


@dataclass(frozen=True, kw_only=True)
class LearnerConfig:
    """Configuration of learner_node. Defaults: Yuan 2021, table 5.3.

    Attributes:
        run_dir: Directory of this run: checkpoints, replay, resolved configuration.
        resume: Continue the run in `run_dir`; refuse to start if there is none.
        resume_if_present: Continue the run in `run_dir` if there is one.
        architecture: Who waits for whom: one of `ARCHITECTURES` (Yuan 2021, chapter 4).
        seed: Of weights, mini-batches and exploration in the update.
        device: "cpu", or a CUDA device such as "cuda:0".
        threads: Of the numerical kernels; 0 leaves the choice to PyTorch.
        precision: "bf16" (in convolutions and hidden layers; the rest is fp32), "fp32",
            or "auto": bf16 where the device multiplies it.
        height_px: Rows of a camera frame [px].
        width_px: Columns of a camera frame [px].
        crop_rows: Range of the random crop, rows per side [px].
        crop_columns: Range of the random crop, columns per side [px].
        strides: Of the convolutions, one each.
        hidden_size: Units in each of the two hidden layers of actor and critics.
        log_std_min: Lower bound of the log of the policy's standard deviation.
        log_std_max: Upper bound of the same.
        critic_layer_norm: Layer normalisation in the critics (not in the thesis).
        target_encoder: Slow copy of the encoder for the targets (as in the thesis).
        batch_size: Transitions in a mini-batch.
        action_period_s: Action cycle of the environment [s], for `discount_period_s`.
        discount: gamma, per `discount_period_s`.
        discount_period_s: Time that `discount` discounts by [s], so that runs at several
            action cycles look equally far ahead; 0: one action cycle of any length.
        n_step: Rewards that a target sums before it trusts the critic (thesis: 1).
        actor_learning_rate: Adam.
        critic_learning_rate: Adam.
        encoder_learning_rate: Adam.
        temperature_learning_rate: Adam, betas 0.5 and 0.999.
        initial_temperature: Entropy weight alpha at the start.
        target_entropy: [nats]; minus the number of actions, or half of that.
        actor_update_period: Critic updates per update of actor and temperature.
        target_update_period: Critic updates per update of the target networks.
        critic_target_ratio: tau of the critics.
        encoder_target_ratio: tau of the encoder.
        learning_starts: Transitions gathered at random before the first update.
        updates_per_transition: Update-to-data ratio, the limit of the update rate; 0: no
            limit (free-running), not in the sequential architecture.
        max_pending_updates: Updates that may be owed while the learner is behind.
        replay_capacity: Transitions kept; the oldest go first.
        replay_device: Where their frames lie: "host" memory or a device like "cuda:0".
        inbox_capacity: Time steps that may wait for the replay buffer.
        prepared_batches: Mini-batches sampled ahead of the updates (`async_2` alone).
        publish_period_s: Least time between two policies [s]; the sequential architecture
            publishes after the updates of each transition instead.
        checkpoint_period_s: Time between two checkpoints [s].
        kept_checkpoints: Newest checkpoints that stay on disk.
        save_replay: Write the replay buffer too, so that a resumed run forgets nothing.
    """

    run_dir: str = "runs/learner"
    resume: bool = False
    resume_if_present: bool = True
    architecture: str = ASYNC_2
    seed: int = 0
    device: str = "cpu"
    threads: int = 0
    precision: str = AUTO

    height_px: int = 90
    width_px: int = 160
    crop_rows: int = 1
    crop_columns: int = 2
    strides: tuple[int, ...] = (2, 2, 2, 1)
    hidden_size: int = 1024
    log_std_min: float = -10.0
    log_std_max: float = 2.0
    critic_layer_norm: bool = False
    target_encoder: bool = True

    batch_size: int = 128
    action_period_s: float = 0.04
    discount: float = 0.99
    discount_period_s: float = 0.0
    n_step: int = 1
    actor_learning_rate: float = 3e-4
    critic_learning_rate: float = 3e-4
    encoder_learning_rate: float = 1e-3
    temperature_learning_rate: float = 1e-4
    initial_temperature: float = 0.1
    target_entropy: float = -5.0
    actor_update_period: int = 2
    target_update_period: int = 2
    critic_target_ratio: float = 0.01
    encoder_target_ratio: float = 0.05

    learning_starts: int = 1000
    updates_per_transition: float = 1.0
    max_pending_updates: int = 10_000
    replay_capacity: int = 100_000
    replay_device: str = HOST
    inbox_capacity: int = 4000
    prepared_batches: int = 2

    publish_period_s: float = 0.5
    checkpoint_period_s: float = 60.0
    kept_checkpoints: int = 3
    save_replay: bool = True

    def __post_init__(self) -> None:
        _ = self.network  # checks image, crop and network sizes
        self._check_names()
        self._check_architecture()
        for name in ABOVE_ZERO:
            _check_range(name, getattr(self, name), low=0.0, exclusive=True)
        for name in ABOVE_ZERO_TO_ONE:
            _check_range(name, getattr(self, name), low=0.0, high=1.0, exclusive=True)
        for name in AT_LEAST_ONE:
            _check_range(name, getattr(self, name), low=1)
        for name in AT_LEAST_ZERO:
            _check_range(name, getattr(self, name), low=0)
        for low in (self.learning_starts, self.n_step):
            _check_range("replay_capacity", self.replay_capacity, low=low)
        _check_range("target_entropy", self.target_entropy, low=-1000.0, high=1000.0)

    def _check_names(self) -> None:
        if not self.run_dir:
            raise ValueError("run_dir must name a directory, got ''")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be in {PRECISIONS}, got {self.precision!r}")
        if self.device.split(":")[0] not in DEVICES:
            raise ValueError(f"device must be one of {DEVICES}, got '{self.device}'")
        if self.replay_device.split(":")[0] not in (HOST, *DEVICES):
            raise ValueError(
                f"replay_device must be one of {(HOST, *DEVICES)}, "
                f"got '{self.replay_device}'"
            )

    def _check_architecture(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(
                f"architecture must be one of {', '.join(ARCHITECTURES)}, "
                f"got '{self.architecture}'"
            )
        if self.is_sequential and not self.updates_per_transition > 0.0:
            raise ValueError(
                f"updates_per_transition must be > 0 where architecture is "
                f"'{SEQUENTIAL}', got {self.updates_per_transition}"
            )

    @property
    def is_sequential(self) -> bool:
        """Whether the environment waits for the learner."""
        return self.architecture == SEQUENTIAL

    @property
    def batches_ahead(self) -> int:
        """Mini-batches that are sampled before they are asked for."""
        return self.prepared_batches if self.architecture == ASYNC_2 else 0

    @property
    def cycle_discount(self) -> float:
        """Discount of one action cycle."""
        if self.discount_period_s == 0.0:
            return self.discount
        return float(self.discount ** (self.action_period_s / self.discount_period_s))

    @property
    def network(self) -> NetworkConfig:
        """Shape of the policy network."""
        return NetworkConfig(
            height_px=self.height_px,
            width_px=self.width_px,
            crop_rows=self.crop_rows,
            crop_columns=self.crop_columns,
            strides=self.strides,
            hidden_size=self.hidden_size,
            log_std_min=self.log_std_min,
            log_std_max=self.log_std_max,
        )


def _check_range(
    name: str,
    value: float,
    *,
    low: float,
    high: float = math.inf,
    exclusive: bool = False,
) -> None:
    """Refuse what is outside, and NaN; `exclusive` leaves out the lower bound only."""
    inside = (low < value if exclusive else low <= value) and value <= high
    if not (inside and math.isfinite(value)):
        bound = ">" if exclusive else ">="
        raise ValueError(f"{name} must be {bound} {low} and <= {high}, got {value}")
