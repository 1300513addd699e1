from dataclasses import replace

import numpy as np
import pytest
import torch

from sac_learner.core.batch import empty_batch, on_device
from sac_learner.core.config import LearnerConfig
from sac_learner.core.precision import multiplies_bf16
from sac_learner.core.replay_buffer import ReplayBuffer
from sac_learner.core.sac import Sac, reward_per_cycle

CONFIG = LearnerConfig(
    height_px=32, width_px=40, crop_rows=0, crop_columns=1, strides=(2, 2, 1, 1),
    hidden_size=16, batch_size=8, precision="fp32", seed=3,
)  # fmt: skip


MOMENTS = "optimiser.actor"
IN_BF16 = pytest.mark.skipif(
    not multiplies_bf16(torch.device("cpu")),
    reason="no learner computes in bf16 here: it would be emulated, in minutes",
)


def random_batch(config=CONFIG, seed=0):
    rng, batch = (
        np.random.default_rng(seed),
        empty_batch(config.batch_size, config.network),
    )
    for array in batch:
        if array.dtype == np.uint8:
            array[:] = rng.integers(0, 256, array.shape)
        else:
            array[:] = rng.uniform(-1.0, 1.0, array.shape)
    batch.discount[:] = 0.9
    return batch


def on_sac(sac, batch):
    return sac.with_pixels(on_device(batch, sac.device))


def weights(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(module, before):
    return [name for name, value in module.state_dict().items()
            if not torch.equal(value, before[name])]  # fmt: skip


def test_the_critic_update_trains_encoder_and_critics_and_nothing_else():
    sac = Sac(CONFIG)
    before = {name: weights(module) for name, module in sac.modules.items()}
    latent = sac.update_critic(on_sac(sac, random_batch()))
    assert not latent.requires_grad
    policy = changed(sac.policy, before["policy"])
    assert policy and all(name.startswith("encoder") for name in policy)
    assert len(policy) == len(list(sac.policy.encoder.parameters()))
    assert len(changed(sac.critics, before["critics"])) == len(before["critics"])
    for target in ("target_encoder", "target_critics"):
        assert changed(sac.modules[target], before[target]) == []


def test_the_actor_update_trains_the_actor_and_nothing_else():
    sac = Sac(CONFIG)
    before = {name: weights(module) for name, module in sac.modules.items()}
    temperature = sac.log_temperature.item()
    sac.update_actor_and_temperature(torch.randn(8, CONFIG.network.latent_size))
    policy = changed(sac.policy, before["policy"])
    assert policy and all(name.startswith("actor") for name in policy)
    for name in ("critics", "target_encoder", "target_critics"):
        assert changed(sac.modules[name], before[name]) == []
    assert all(p.grad.count_nonzero() == 0 for p in sac.critics.parameters())
    assert sac.log_temperature.item() != temperature


def test_targets_follow_at_their_two_ratios_every_second_update():
    sac = Sac(CONFIG)
    critic = weights(sac.target_critics)
    encoder = weights(sac.target_encoder)
    sac.update(random_batch())
    assert changed(sac.target_critics, critic) == []
    sac.update(random_batch())
    for target, online, start, ratio in (
        (sac.target_critics, sac.critics, critic, 0.01),
        (sac.target_encoder, sac.policy.encoder, encoder, 0.05),
    ):
        for name, value in target.state_dict().items():
            fast = online.state_dict()[name]
            torch.testing.assert_close(value, start[name] + ratio * (fast - start[name]))


def test_actor_and_temperature_move_every_second_update():
    sac = Sac(CONFIG)
    before = weights(sac.policy.actor)
    sac.update(random_batch())
    assert changed(sac.policy.actor, before) == []
    sac.update(random_batch())
    assert len(changed(sac.policy.actor, before)) == len(before)


def test_the_target_uses_the_slow_encoder_only_where_it_is_asked_to():
    for slow, agrees in ((True, False), (False, True)):
        sac = Sac(replace(CONFIG, target_encoder=slow))
        with torch.no_grad():
            for parameter in sac.target_encoder.parameters():
                parameter.mul_(3.0)
        sac.refresh()
        batch = on_sac(sac, random_batch())
        state = sac._generator.get_state()
        first = sac.target_values(batch)
        sac.target_encoder.load_state_dict(sac.policy.encoder.state_dict())
        sac.refresh()
        sac._generator.set_state(state)
        assert torch.equal(sac.target_values(batch), first) is agrees


def test_a_run_goes_on_with_noise_of_its_own_on_another_device():
    sac, tensors = Sac(CONFIG), Sac(CONFIG).state()
    tensors["generator"] = torch.zeros(16, dtype=torch.uint8)  # as a GPU's
    (problem,) = sac.load_state(tensors, updates=3)
    assert "another device" in problem
    assert sac.updates == 3
    assert sac.load_state(Sac(CONFIG).state(), updates=3) == []


def test_a_terminal_reward_is_the_whole_target():
    sac, batch = Sac(CONFIG), random_batch()
    batch.discount[:] = 0.0
    target = sac.target_values(on_sac(sac, batch))
    np.testing.assert_array_equal(target.numpy(), batch.reward)


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=IN_BF16)])
def test_it_learns_which_action_pays(precision):
    """One step, reward -3 (a - 0.5)^2 summed over joints: the best action is 0.5."""
    config = replace(
        CONFIG, precision=precision, hidden_size=64, batch_size=48, actor_update_period=1,
        actor_learning_rate=3e-3, critic_learning_rate=1e-2, initial_temperature=0.02,
    )  # fmt: skip
    sac, batch, rng = Sac(config), random_batch(config), np.random.default_rng(0)
    batch.frames[:] = batch.frames[:1]
    batch.proprioception[:] = 0.0
    batch.discount[:] = 0.0
    for _ in range(250):
        batch.action[:] = rng.uniform(-1.0, 1.0, batch.action.shape)
        batch.reward[:] = -3.0 * np.square(batch.action - 0.5).sum(axis=1)
        sac.update(batch)
    whole = torch.zeros(9, 32, 40, dtype=torch.uint8)
    whole[:, :, 1:-1] = torch.from_numpy(batch.frames[0])
    action = sac.policy.act(whole, torch.zeros(15), torch.zeros(5))
    assert action.tolist() == pytest.approx([0.5] * 5, abs=0.25)


def test_equal_seeds_give_equal_runs_and_others_do_not():
    runs = []
    for seed in (3, 3, 4):
        sac = Sac(replace(CONFIG, seed=seed))
        for i in range(4):
            sac.update(random_batch(seed=i))
        runs.append(sac.state())
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert not torch.equal(runs[0]["log_temperature"], runs[2]["log_temperature"])


def test_saved_and_loaded_it_goes_on_bit_by_bit():
    sac = Sac(CONFIG)
    for i in range(5):
        sac.update(random_batch(seed=i))
    again = Sac(replace(CONFIG, seed=99))
    again.load_state(sac.state(), updates=sac.updates)
    for i in range(5, 9):
        sac.update(random_batch(seed=i))
        again.update(random_batch(seed=i))
    assert again.updates == 9
    for name, tensor in sac.state().items():
        assert torch.equal(again.state()[name], tensor), name


def test_a_fresh_state_without_moments_can_be_loaded():
    again = Sac(CONFIG)
    again.load_state(Sac(CONFIG).state(), updates=0)
    again.update(random_batch())


def test_a_loaded_run_keeps_the_new_learning_rates():
    sac, slower = Sac(CONFIG), Sac(replace(CONFIG, encoder_learning_rate=1e-5))
    sac.update(random_batch())
    slower.load_state(sac.state(), updates=1)
    assert slower.optimisers["critic"].param_groups[0]["lr"] == 1e-5


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda t: t.pop("log_temperature"), "log_temperature"),
        (lambda t: t.pop("critics.critics.0.0.weight"), "critics.0.0.weight"),
        (lambda t: t.update(more=torch.zeros(1)), "unknown tensors: .'more'"),
        (lambda t: t["policy.encoder.first.bias"].fill_(torch.nan), "non-finite"),
        (lambda t: t.update({f"{MOMENTS}.0.exp_avg": torch.zeros(2)}), "moment 0"),
        (lambda t: t.update({f"{MOMENTS}.77.exp_avg": torch.zeros(2)}), "moment 77"),
    ],
)  # fmt: skip
def test_fault_a_state_that_does_not_fit_is_refused(change, complaint):
    sac = Sac(CONFIG)
    sac.update(random_batch())
    sac.update(random_batch())
    tensors = sac.state()
    change(tensors)
    with pytest.raises(ValueError, match=complaint):
        Sac(CONFIG).load_state(tensors, updates=2)


def test_fault_a_network_of_another_size_is_refused():
    tensors = Sac(CONFIG).state()
    with pytest.raises(ValueError, match="size mismatch"):
        Sac(replace(CONFIG, hidden_size=32)).load_state(tensors, updates=0)


def test_metrics_are_those_of_the_batch():
    sac, batch = Sac(CONFIG), random_batch()
    batch.discount[:] = CONFIG.discount
    sac.update(batch)
    sac.update(batch)
    metrics = sac.metrics()
    assert metrics["batch_reward"] == pytest.approx(float(batch.reward.mean()), rel=1e-5)
    assert metrics["temperature"] == pytest.approx(0.1, rel=0.01)
    assert metrics["critic_gradient_norm"] > 0.0 < metrics["actor_gradient_norm"]
    assert all(np.isfinite(list(metrics.values())))


def test_the_batch_reward_is_that_of_one_cycle_however_many_a_sum_has(
    counter_environment,
):
    """The environment pays 2.5 a cycle, in episodes of 4: sums of 3, 2 and 1 rewards."""
    config = replace(CONFIG, n_step=3, discount=0.9, batch_size=64)
    buffer = ReplayBuffer(200, config.network, discount=0.9, n_step=3)
    for step in counter_environment().steps(100, episode_length=4):
        buffer.add(replace(step, reward=2.5))
    batch = buffer.empty_batch(config.batch_size)
    buffer.sample_into(batch, np.random.default_rng(0))
    sac = Sac(config)
    sac.update(batch)
    assert sac.metrics()["batch_reward"] == pytest.approx(2.5, rel=1e-5)


def test_a_sum_whose_length_is_not_told_counts_as_whole():
    batch = on_device(random_batch(), torch.device("cpu"))
    two = batch._replace(reward=torch.tensor([3.0, 5.7]))
    ended = two._replace(discount=torch.tensor([0.81, 0.0]))
    assert reward_per_cycle(ended, 0.9, n_step=2).item() == pytest.approx(8.7 / 3.8)
    undiscounted = two._replace(discount=torch.ones(2))
    assert reward_per_cycle(undiscounted, 1.0, n_step=2).item() == pytest.approx(8.7 / 4)


def test_fused_adam_moves_weights_as_plain_adam_does():
    """Weights, gradients and moments must lie alike: fused kernels do not check."""
    sac = Sac(CONFIG)
    sac.update(random_batch())
    parameter = sac.policy.encoder.others[0].weight
    moments = sac.optimisers["critic"].state[parameter]
    assert parameter.stride() == parameter.grad.stride() == moments["exp_avg"].stride()
    torch.testing.assert_close(moments["exp_avg"], 0.1 * parameter.grad)
