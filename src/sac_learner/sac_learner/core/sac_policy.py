"""The learned policy at work, and the examination that a new one has to pass first."""

from pathlib import Path

import numpy as np
import torch

from sac_learner.core.actor_config import ActorConfig
from sac_learner.core.bounded_file import in_one_line
from sac_learner.core.checkpoint import read_policy
from sac_learner.core.networks import NetworkConfig, PolicyNetwork
from sac_learner.core.observation import CHANNELS, Observation
from sac_learner.core.parameters import EncodedPolicy, decode_policy
from sac_learner.core.policies import Action, RandomPolicy
from ur5_rl_env.core.task import NUM_ACTIONS, NUM_PROPRIOCEPTION

WARM_UP_CALLS = 10


class SacPolicy:
    """Acts by one whole network; uniformly at random before the first.

    Owned by one thread.

    Attributes:
        version: Of the network in use; 0 = none yet.
    """

    def __init__(self, seed: int, deterministic: bool) -> None:
        self.version = 0
        self._network: PolicyNetwork | None = None
        self._deterministic = deterministic
        self._rng = np.random.default_rng(seed)
        self._random = RandomPolicy(seed)

    def use(self, network: PolicyNetwork, version: int) -> None:
        """Act by `network`, which `admit` has returned, from now on."""
        self._network, self.version = network, version

    def act(self, observation: Observation) -> Action:
        """Return a sample of the policy, or its mean where it is deterministic."""
        if self._network is None:
            return self._random.act(observation)
        spread = 0.0 if self._deterministic else 1.0
        noise = self._rng.standard_normal(NUM_ACTIONS, np.float32) * np.float32(spread)
        return action_of(self._network, observation, noise)


def action_of(network: PolicyNetwork, observation: Observation, noise: Action) -> Action:
    """Return the network's action, shape (5,); `noise` is standard normal, shape (5,)."""
    action = network.act(
        torch.from_numpy(observation.frames),
        torch.from_numpy(observation.proprioception),
        torch.from_numpy(noise),
    )
    result: Action = action.numpy()
    return result


def admit(
    encoded: EncodedPolicy, config: ActorConfig, probe: Observation | None
) -> PolicyNetwork:
    """Return the network behind a policy message, if it may act, else refuse it whole.

    Args:
        encoded: As it came from wire or disk.
        config: Of this actor: the image size that it sees.
        probe: An observation to try it on; None = a black image at the start.

    Raises:
        ValueError: checksum, architecture, a shape or a value is wrong, or the policy's
            action for `probe` is not finite.
    """
    network = prepare(decode_policy(encoded), config)
    probe = probe or blank_observation(config)
    for noise in (np.zeros(NUM_ACTIONS, np.float32), np.ones(NUM_ACTIONS, np.float32)):
        action = action_of(network, probe, noise)
        if not (np.isfinite(action).all() and np.abs(action).max() <= 1.0):
            raise ValueError(f"policy {encoded.version} answers a probe with {action}")
    return network


def prepare(network: PolicyNetwork, config: ActorConfig) -> PolicyNetwork:
    """Lay a network out for speed after checking that it fits this actor.

    Raises:
        ValueError: it was made for other observations or actions.
    """
    shape: NetworkConfig = network.config
    for name, wanted in (
        ("height_px", config.height_px),
        ("width_px", config.width_px),
        ("channels", CHANNELS),
        ("proprioception", NUM_PROPRIOCEPTION),
        ("actions", NUM_ACTIONS),
    ):
        if getattr(shape, name) != wanted:
            raise ValueError(
                f"policy was made for {name} {getattr(shape, name)}, "
                f"this actor has {wanted}"
            )
    network.eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def blank_observation(config: ActorConfig) -> Observation:
    """Return an observation of nothing, in the size that the actor sees."""
    frames = np.zeros((CHANNELS, config.height_px, config.width_px), np.uint8)
    return Observation(0, 0, 0, 0, frames, np.zeros(NUM_PROPRIOCEPTION, np.float32))


def make_sac_policy(config: ActorConfig) -> SacPolicy:
    """Return the policy after PyTorch's slow first calls are over.

    Raises:
        ValueError: the image size is too small for the network, or the checkpoint bad.
    """
    torch.set_num_threads(1)  # a second thread lengthens the tail and gains nothing
    policy = SacPolicy(config.seed, config.deterministic or bool(config.checkpoint))
    if config.checkpoint:
        encoded = read_policy(Path(config.checkpoint))
        try:
            network = admit(encoded, config, None)
        except ValueError as error:
            words = in_one_line(error)
            raise ValueError(f"checkpoint {config.checkpoint}: {words}") from None
        policy.use(network, encoded.version)
    else:
        shape = NetworkConfig(  # of no policy to come: it only has to fit the image
            height_px=config.height_px, width_px=config.width_px, strides=(2, 2, 1)
        )
        network = prepare(PolicyNetwork(shape), config)
    noise = np.zeros(NUM_ACTIONS, np.float32)
    for _ in range(WARM_UP_CALLS):
        action_of(network, blank_observation(config), noise)
    return policy
