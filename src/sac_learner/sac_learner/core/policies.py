"""What an actor can be: the interface of every policy, and those that need no network."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sac_learner.core.actor_config import ActorConfig
from sac_learner.core.dot import Optics
from sac_learner.core.observation import Observation
from sac_learner.core.servo import ServoConfig, ServoPolicy
from ur5_rl_env.core.task import NUM_ACTIONS

Action = NDArray[np.float32]  # fraction of the joint speed limit, in [-1, 1], shape (5,)


class Policy(Protocol):
    """Chooses an action for each observation, within milliseconds."""

    def act(self, observation: Observation) -> Action: ...


class ZeroPolicy:
    """Holds still."""

    def act(self, observation: Observation) -> Action:  # noqa: ARG002
        return np.zeros(NUM_ACTIONS, np.float32)


class RandomPolicy:
    """Draws each action uniformly over the whole range."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def act(self, observation: Observation) -> Action:  # noqa: ARG002
        return self._rng.uniform(-1.0, 1.0, NUM_ACTIONS).astype(np.float32)


def make_policy(config: ActorConfig) -> Policy:
    """Return the policy that the configuration names."""
    match config.policy:
        case "zero":
            return ZeroPolicy()
        case "random":
            return RandomPolicy(config.seed)
        case "servo":
            optics = Optics(config.field_of_view_deg, config.dot_radius_m)
            speed = config.max_joint_speed_rad_s
            return ServoPolicy(ServoConfig(optics=optics, max_joint_speed_rad_s=speed))
    # Importing torch takes seconds, which the others need not pay.
    from sac_learner.core.sac_policy import make_sac_policy  # noqa: PLC0415

    policy: Policy = make_sac_policy(config)
    return policy
