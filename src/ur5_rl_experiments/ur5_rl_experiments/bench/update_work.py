"""The arithmetic of one of our updates, counted from the sizes of the layers.

A multiplication with its addition counts as two operations; biases, clipping, softmax and
Adam are left out. Backward work is that of the gradients which are computed: of weights
and of inputs, but never with respect to pixels.
"""

from collections.abc import Sequence

from sac_learner.core.config import LearnerConfig
from sac_learner.core.networks import FILTERS, KERNEL, NetworkConfig

Work = list[float]  # of the layers of one network, forward, per sample [FLOP]


def convolutions(network: NetworkConfig) -> Work:
    """Return the work of the encoder."""
    (rows, columns), channels = network.cropped, network.channels
    work = []
    for stride in network.strides:
        rows, columns = (rows - KERNEL) // stride + 1, (columns - KERNEL) // stride + 1
        work.append(2.0 * rows * columns * FILTERS * channels * KERNEL**2)
        channels = FILTERS
    return work


def actor(network: NetworkConfig) -> Work:
    """Return the work of the actor."""
    hidden = network.hidden_size
    return _linear((network.latent_size, hidden, hidden, 2 * network.actions))


def critics(network: NetworkConfig) -> Work:
    """Return the work of both critics."""
    hidden, inputs = network.hidden_size, network.latent_size + network.actions
    return [2.0 * work for work in _linear((inputs, hidden, hidden, 1))]


def update_flop(config: LearnerConfig) -> float:
    """Return the work of one update of `Sac`, per sample, mean over many [FLOP]."""
    network = config.network
    encoder, policy, values = (
        convolutions(network), actor(network), critics(network),
    )  # fmt: skip
    passes = 3 if config.target_encoder else 2
    critic_step = (
        passes * sum(encoder) + _backward(encoder)
        + sum(policy)
        + 2 * sum(values)  # targets, values
        + 2 * sum(values)  # gradients of weights and, for the encoder, of inputs
    )  # fmt: skip
    actor_step = (
        sum(policy) + _backward(policy)
        + sum(values) + sum(values)  # the gradient of inputs alone
    )  # fmt: skip
    return critic_step + actor_step / config.actor_update_period


def _backward(work: Work) -> float:
    """Return the work of all gradients but that of the first layer's input."""
    return 2.0 * sum(work) - work[0]


def _linear(sizes: Sequence[int]) -> Work:
    return [2.0 * a * b for a, b in zip(sizes[:-1], sizes[1:], strict=True)]
