import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sac_learner.core.losses import (
    actor_loss,
    critic_loss,
    critic_target,
    squashed_sample,
    temperature_loss,
)
from sac_learner.core.networks import Gaussian

numbers = st.floats(-5.0, 5.0)


def test_critic_target_by_hand():
    target = critic_target(
        reward=torch.tensor([1.0, 2.0]),
        discount=torch.tensor([0.9, 0.0]),
        next_values=torch.tensor([[10.0, 8.0], [5.0, 7.0]]),
        next_log_probability=torch.tensor([-2.0, 3.0]),
        temperature=torch.tensor(0.5),
    )
    assert target.tolist() == pytest.approx([1.0 + 0.9 * (8.0 + 1.0), 2.0])


@given(value=numbers, log_probability=numbers, reward=numbers)
def test_nothing_counts_beyond_a_terminal_step(value, log_probability, reward):
    target = critic_target(
        torch.tensor([reward]), torch.tensor([0.0]), torch.full((1, 2), value),
        torch.tensor([log_probability]), torch.tensor(0.1),
    )  # fmt: skip
    assert target.item() == pytest.approx(reward)


def test_critic_loss_sums_over_both_critics_and_averages_over_the_batch():
    values = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    assert critic_loss(values, torch.tensor([0.0, 2.0])).item() == (1 + 4 + 4 + 4) / 2


def test_actor_loss_takes_the_smaller_value():
    loss = actor_loss(
        torch.tensor([[3.0, 1.0], [2.0, 6.0]]),
        torch.tensor([2.0, -4.0]),
        torch.tensor(0.5),
    )
    assert loss.item() == ((1.0 - 1.0) + (-2.0 - 2.0)) / 2


def test_actor_loss_falls_with_value_and_with_entropy():
    value = torch.tensor([[1.0, 2.0]], requires_grad=True)
    log_probability = torch.tensor([0.3], requires_grad=True)
    actor_loss(value, log_probability, torch.tensor(0.2)).backward()
    assert value.grad.tolist() == [[-1.0, 0.0]]
    assert log_probability.grad.tolist() == pytest.approx([0.2])


@pytest.mark.parametrize(("entropy", "sign"), [(-7.0, -1.0), (-3.0, 1.0)])
def test_temperature_rises_while_the_policy_is_too_sure(entropy, sign):
    log_temperature = torch.tensor(0.0, requires_grad=True)
    temperature_loss(log_temperature.exp(), torch.tensor([-entropy]), -5.0).backward()
    assert math.copysign(1.0, log_temperature.grad.item()) == sign


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, -1.0), (0.7, 0.0), (-1.0, -2.0)])
def test_the_density_of_the_squashed_action_integrates_to_one(mean, log_std):
    noise = torch.linspace(-8.0, 8.0, 20001, dtype=torch.float64)[:, None]
    gaussian = Gaussian(torch.full_like(noise, mean), torch.full_like(noise, log_std))
    action, log_probability = squashed_sample(gaussian, noise)
    mass = torch.trapezoid(log_probability.exp(), action[:, 0])
    assert mass.item() == pytest.approx(1.0, abs=1e-3)


@given(
    mean=st.floats(-1e4, 1e4), log_std=st.floats(-10.0, 2.0), noise=st.floats(-6.0, 6.0)
)
def test_density_and_gradient_stay_finite_where_tanh_saturates(mean, log_std, noise):
    means = torch.full((1, 5), mean, requires_grad=True)
    log_stds = torch.full((1, 5), log_std, requires_grad=True)
    sampled = squashed_sample(Gaussian(means, log_stds), torch.full((1, 5), noise))
    assert sampled.action.abs().max() <= 1.0
    (sampled.log_probability.sum() + sampled.action.sum()).backward()
    for tensor in (sampled.log_probability, means.grad, log_stds.grad):
        assert torch.isfinite(tensor).all()
