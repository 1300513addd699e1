"""Each optimisation of the update against the plain step that is written for reading."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from sac_learner.core.batch import empty_batch, on_device
from sac_learner.core.config import LearnerConfig
from sac_learner.core.fused_layers import convolution_relu, expected_places
from sac_learner.core.networks import computing_copy
from sac_learner.core.reference_step import PlainEncoder, ReferenceSac
from sac_learner.core.sac import Sac

CONFIG = LearnerConfig(
    height_px=36, width_px=44, crop_rows=0, crop_columns=1, strides=(2, 2, 1, 1),
    hidden_size=32, batch_size=16, precision="fp32", seed=3,
)  # fmt: skip
BF16 = 2.0**-8  # relative spacing of its numbers
# The softmax takes no notice of the last convolution's bias, nor of the one before where
# nothing is clipped. The true gradient is zero then, and what both steps compute is their
# rounding, which Adam scales up to a full step.
WITHOUT_EFFECT = tuple(f"encoder.others.{len(CONFIG.strides) - n}.bias" for n in (2, 3))


def random_batch(seed=0):
    rng = np.random.default_rng(seed)
    batch = empty_batch(CONFIG.batch_size, CONFIG.network)
    for array in batch:
        if array.dtype == np.uint8:
            array[:] = rng.integers(0, 256, array.shape)
        else:
            array[:] = rng.uniform(-1.0, 1.0, array.shape)
    batch.discount[:] = 0.9
    return batch


def both(updates, config=CONFIG, reuses_features=True):
    """Return the fast and the plain step after the same updates from the same start."""
    sac = Sac(config)
    plain = ReferenceSac(config, sac.state(), reuses_features=reuses_features)
    for i in range(updates):
        sac.update(random_batch(i))
        plain.update(on_device(random_batch(i), sac.device))
    return sac, plain


def weights_of(plain):
    return {
        f"{module}.{name}": tensor
        for module, network in plain.modules.items()
        for name, tensor in network.state_dict().items()
    }


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("target_encoder", [False, True])
def test_in_fp32_six_updates_end_at_the_same_weights(layer_norm, target_encoder):
    config = replace(CONFIG, critic_layer_norm=layer_norm, target_encoder=target_encoder)
    sac, plain = both(6, config)
    state = sac.state()
    for name, tensor in weights_of(plain).items():
        unused = not target_encoder and name.startswith("target_encoder")
        if not unused and not name.endswith(WITHOUT_EFFECT):
            torch.testing.assert_close(state[name], tensor, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(state["log_temperature"], plain.log_temperature.detach())


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 3e-3)])
def test_losses_agree(precision, tolerance):
    sac, plain = both(2, replace(CONFIG, precision=precision))
    metrics = sac.metrics()
    for name, loss in plain.losses.items():
        assert metrics[name] == pytest.approx(loss, rel=tolerance, abs=1e-4), name


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 0.15)])
@pytest.mark.parametrize(("updates", "trained"), [(1, "encoder critics"), (2, "actor")])
def test_gradients_agree(precision, tolerance, updates, trained):
    """The distance of each weight's gradients, relative to their length."""
    sac, plain = both(updates, replace(CONFIG, precision=precision))
    fast = {"encoder": sac.policy.encoder, "critics": sac.critics,
            "actor": sac.policy.actor}  # fmt: skip
    for network in trained.split():
        pairs = zip(fast[network].named_parameters(),
                    getattr(plain, network).parameters(), strict=True)  # fmt: skip
        for (name, weight), slow in pairs:
            if not f"{network}.{name}".endswith(WITHOUT_EFFECT):
                distance = (weight.grad - slow.grad).norm() / slow.grad.norm()
                assert distance < tolerance, name


def test_the_features_that_are_reused_are_those_from_before_the_critics_step():
    config = replace(CONFIG, encoder_learning_rate=0.01)
    sac, plain = both(2, config)
    published = both(2, config, reuses_features=False)[1]
    loss = sac.metrics()["actor_loss"]
    assert loss == pytest.approx(plain.losses["actor_loss"], rel=1e-4)
    assert loss != pytest.approx(published.losses["actor_loss"], rel=1e-4)


@pytest.mark.parametrize(("dtype", "spacing"), [("float32", 1e-6), ("bfloat16", BF16)])
def test_clipping_while_convolving_equals_clipping_afterwards(dtype, spacing):
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, generator=generator).to(getattr(torch, dtype))

    x, weight, bias = random(4, 9, 21, 25), 0.1 * random(32, 9, 3, 3), random(32)
    x = x.contiguous(memory_format=torch.channels_last)
    for leaf in (x, weight, bias):
        leaf.requires_grad_()
    fast = convolution_relu(x, weight, bias, 2)
    slow = F.relu(F.conv2d(x, weight, bias, 2))
    torch.testing.assert_close(fast, slow, atol=4 * spacing, rtol=4 * spacing)
    pull = random(*slow.shape)
    for a, b in zip(*(torch.autograd.grad(y, (x, weight, bias), pull)
                      for y in (fast, slow)), strict=True):  # fmt: skip
        torch.testing.assert_close(a, b, atol=20 * spacing, rtol=4 * spacing)


def test_the_joined_convolution_has_the_gradient_that_finite_differences_give():
    leaves = [torch.randn(*shape, dtype=torch.float64, requires_grad=True)
              for shape in ((1, 2, 7, 7), (3, 2, 3, 3), (3,))]  # fmt: skip
    assert torch.autograd.gradcheck(lambda x, w, b: convolution_relu(x, w, b, 2), leaves)


def test_expected_places_equal_the_softmax_written_out():
    maps = torch.randn(3, 32, 4, 5, requires_grad=True)
    places = torch.randn(20, 2)
    slow = (torch.softmax(maps.flatten(2), dim=2) @ places).flatten(1)
    fast = expected_places(maps, places)
    torch.testing.assert_close(fast, slow)
    pull = torch.randn_like(slow)
    a, b = (torch.autograd.grad(y, maps, pull)[0] for y in (fast, slow))
    torch.testing.assert_close(a, b)


def test_weights_rounded_once_give_what_mixed_precision_gives():
    """Compared with autocast on the plain encoder: same places where bf16 rounds."""
    sac = Sac(CONFIG)
    encoder = PlainEncoder(CONFIG.network)
    encoder.load_state_dict(sac.policy.encoder.state_dict())
    copy = computing_copy(sac.policy.encoder, torch.bfloat16)
    batch = on_device(random_batch(), sac.device)
    with torch.autocast("cpu", torch.bfloat16):
        slow = encoder(batch.frames, batch.proprioception).float()
    fast = copy(batch.frames, batch.proprioception)
    torch.testing.assert_close(fast, slow, atol=2 * BF16, rtol=2 * BF16)


def test_no_gradient_work_is_done_for_targets():
    sac, _ = both(2)
    for network in (sac.target_encoder, sac.target_critics, *sac._fast[2:]):
        assert not any(
            p.requires_grad or p.grad is not None for p in network.parameters()
        )
