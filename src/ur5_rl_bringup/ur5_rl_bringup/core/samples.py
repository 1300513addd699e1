"""What the nodes tell the monitor, as immutable values. Names are the messages' names."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

TIME_LIMIT = "time_limit"
# Names of the arm's states that no command can end, by number (ArmStatus).
OUT_OF_ORDER = {
    0: "disconnected",
    1: "connecting",
    7: "protective stop",
    8: "emergency stop",
    9: "fault",
}


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One finished episode."""

    run_id: int
    episode: int  # counts from 1 in one env_node process
    end: str  # TIME_LIMIT, or the fault that cut it short
    stamp_s: float  # of its last observation, system time
    return_sum: float
    steps: int
    policy_version: int
    duration_s: float
    reset_s: float
    missed_actions: int
    held_observations: int
    limited_steps: int
    synchronisation_misses: int
    transitions_sent: int

    @property
    def is_complete(self) -> bool:
        """Whether nothing cut it short: only then its return can be compared."""
        return self.end == TIME_LIMIT


@dataclass(frozen=True, kw_only=True, eq=False)
class Timing:
    """How punctual one episode was. Shapes (steps,), shorter where actions missed.

    `learner_wait_ms` is empty where nothing waits for the learner.
    """

    cycle_ms: Array
    lateness_ms: Array
    learner_wait_ms: Array
    observation_to_command_ms: Array
    policy_age_s: Array


@dataclass(frozen=True, kw_only=True)
class EnvSample:
    """The environment, twice a second."""

    phase: int
    waiting_for: str
    episode: int
    step: int
    transitions_sent: int
    images_hz: float
    joint_states_hz: float

    WAITING = 0
    RESETTING = 1
    RUNNING = 2

    @property
    def is_running(self) -> bool:
        """Whether an episode runs."""
        return self.phase == self.RUNNING


@dataclass(frozen=True, kw_only=True)
class ArmSample:
    """The arm, 25 times a second."""

    state: int
    cause: str
    joint_states_hz: float


@dataclass(frozen=True, kw_only=True)
class LearnerSample:
    """The learner, once a second."""

    architecture: str
    waiting_for: str
    env_steps: int
    updates: int
    transitions_received: int
    transitions_lost: int
    transitions_refused: int
    policy_version: int
    buffer_size: int
    buffer_fill: float
    inbox_time_steps: int
    update_to_data_ratio: float
    updates_owed: float
    updates_per_s: float
    update_ms: float
    sampler_wait_ms: float
    batch_reward: float
    actor_loss: float
    critic_loss: float
    temperature_loss: float
    temperature: float
    entropy: float
    q_mean: float
    critic_gradient_norm: float
    actor_gradient_norm: float


@dataclass(frozen=True, eq=False)
class Frame:
    """One camera picture. Shape (height, width, 3), BGR."""

    stamp_s: float
    image: NDArray[np.uint8]
