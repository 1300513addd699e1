"""Losses of soft actor-critic: Haarnoja 2018, arXiv:1812.05905, one function each.

Shapes: B batch, A actions; twin critics give (B, 2). Everything in fp32.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  the name everybody knows

from sac_learner.core.networks import Gaussian

HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class SampledAction(NamedTuple):
    """Squashed action in [-1, 1], (B, A), and its log-probability density, (B,)."""

    action: Tensor
    log_probability: Tensor


def squashed_sample(gaussian: Gaussian, noise: Tensor) -> SampledAction:
    """Return tanh(mean + std * noise) and its density: appendix C of the paper.

    log(1 - tanh(u)^2) is written as 2 (log 2 - u - softplus(-2u)), which stays finite.

    Args:
        gaussian: Before the squashing, (B, A).
        noise: Standard normal, (B, A).
    """
    u = gaussian.mean + gaussian.log_std.exp() * noise
    normal = -0.5 * noise.square() - gaussian.log_std - HALF_LOG_TWO_PI
    squash = 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u))
    return SampledAction(torch.tanh(u), (normal - squash).sum(dim=1))


def critic_target(
    reward: Tensor,
    discount: Tensor,
    next_values: Tensor,
    next_log_probability: Tensor,
    temperature: Tensor,
) -> Tensor:
    """Return r + discount * (min Q' - alpha log pi) at o' and a', (B,): equations 2, 3.

    Args:
        reward: (B,).
        discount: (B,); 0 where the task ended, not where time ran out.
        next_values: Of the target critics at o' and a' ~ pi(o'), (B, 2).
        next_log_probability: Of a', (B,).
        temperature: alpha, scalar.
    """
    soft_value = next_values.amin(dim=1) - temperature * next_log_probability
    return reward + discount * soft_value


def critic_loss(values: Tensor, target: Tensor) -> Tensor:
    """Return the squared errors of both critics, summed over the two: equation 5.

    Args:
        values: Q(o, a), (B, 2).
        target: (B,), without gradient.
    """
    return (values - target[:, None]).square().sum(dim=1).mean()


def actor_loss(values: Tensor, log_probability: Tensor, temperature: Tensor) -> Tensor:
    """Return the mean of alpha log pi(a|o) - min Q(o, a): equation 7.

    Args:
        values: Q(o, a) at a ~ pi(o), differentiable in a, (B, 2).
        log_probability: Of a, (B,).
        temperature: alpha, scalar, without gradient.
    """
    return (temperature * log_probability - values.amin(dim=1)).mean()


def temperature_loss(
    temperature: Tensor, log_probability: Tensor, target_entropy: float
) -> Tensor:
    """Return alpha times (entropy - target entropy): equation 18.

    Args:
        temperature: alpha, scalar, with gradient.
        log_probability: Of the policy's actions, (B,), without gradient.
        target_entropy: [nats].
    """
    return temperature * (-log_probability - target_entropy).mean()
