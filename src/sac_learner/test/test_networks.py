import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812

from sac_learner.core.networks import (
    Actor,
    Encoder,
    NetworkConfig,
    PolicyNetwork,
    SpatialSoftmax,
    TwinCritics,
    centre_crop,
    computing_copy,
    initialise_,
)


def frames(config, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, config.channels, *config.cropped)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def test_the_thesis_shape_by_default():
    config = NetworkConfig()
    assert config.cropped == (88, 156)
    assert config.feature_map == (8, 16)
    assert config.latent_size == 79
    policy = PolicyNetwork(config)
    encoder = sum(p.numel() for p in policy.encoder.parameters())
    actor = sum(p.numel() for p in policy.actor.parameters())
    critics = sum(p.numel() for p in TwinCritics(config).parameters())
    assert encoder == (9 * 9 + 1) * 32 + 3 * (32 * 9 + 1) * 32
    assert actor == 80 * 1024 + 1025 * 1024 + 1025 * 10
    assert critics == 2 * (85 * 1024 + 1025 * 1024 + 1025)


@given(
    height=st.integers(50, 200), width=st.integers(60, 300),
    strides=st.lists(st.integers(1, 2), min_size=1, max_size=4).map(tuple),
)  # fmt: skip
def test_the_promised_feature_map_is_the_real_one(height, width, strides):
    config = NetworkConfig(height_px=height, width_px=width, crop_rows=0, strides=strides)
    x = torch.zeros(1, 9, *config.cropped)
    for stride in strides:
        x = F.conv2d(x, torch.zeros(1, x.shape[1], 3, 3), stride=stride)
    assert config.feature_map == x.shape[2:]


def test_spatial_softmax_says_where_the_peak_is_column_first():
    softmax = SpatialSoftmax(3, 5)
    maps = torch.full((1, 3, 3, 5), -50.0)
    maps[0, 0, 0, 4] = 50.0  # top right
    maps[0, 1, 2, 0] = 50.0  # bottom left
    maps[0, 2] = 0.0  # nowhere
    places = softmax(maps)
    expected = torch.tensor([[1.0, -1.0, -1.0, 1.0, 0.0, 0.0]])
    torch.testing.assert_close(places, expected, atol=1e-6, rtol=0.0)


def test_the_folded_scale_is_the_scale_of_every_pixel(network):
    encoder, seen = Encoder(network), frames(network)
    joints = torch.randn(2, 15)
    latent = encoder(seen, joints)
    x = seen.float() / 255.0
    for convolution in (encoder.first, *encoder.others):
        x = convolution(x if convolution is encoder.first else F.relu(x))
    torch.testing.assert_close(latent[:, :64], encoder.softmax(x), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(latent[:, 64:], joints)


def test_bf16_stays_close_and_hands_out_fp32(network):
    policy, seen, joints = PolicyNetwork(network), frames(network), torch.randn(2, 15)
    exact = policy(seen, joints)
    rough = computing_copy(policy, torch.bfloat16)(seen, joints)
    assert rough.mean.dtype == rough.log_std.dtype == torch.float32
    torch.testing.assert_close(rough.mean, exact.mean, atol=0.03, rtol=0.05)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_values_of_150_keep_their_differences_in_bf16(network, layer_norm):
    """Numbers of bf16 are one apart there: what is compared would be rounded away."""
    critics = TwinCritics(replace(network, hidden_size=256), layer_norm)
    initialise_(critics)
    with torch.no_grad():
        for critic in critics.critics:
            critic[-1].bias.fill_(150.0)
    rough = computing_copy(critics, torch.bfloat16)
    latent, action = torch.randn(200, network.latent_size).tanh(), torch.zeros(200, 5)
    exact, values = critics(latent, action), rough(latent, action)
    assert values.dtype == torch.float32
    assert (values - exact).square().mean().sqrt() < 0.01
    assert (values[:, 0] != values[:, 1]).all()
    moved = action + 0.1
    gain, true_gain = rough(latent, moved) - values, critics(latent, moved) - exact
    assert (gain - true_gain).norm() < 0.3 * true_gain.norm()


def test_log_std_keeps_its_bounds_however_large_the_features(network):
    actor = Actor(replace(network, log_std_min=-3.0, log_std_max=1.0))
    for scale in (-1e6, 0.0, 1e6):
        log_std = actor(torch.full((1, network.latent_size), scale)).log_std
        assert log_std.min() >= -3.0 and log_std.max() <= 1.0


def test_acting_takes_the_middle_of_the_image(network):
    config = replace(network, crop_rows=1, crop_columns=2)
    whole = torch.zeros(9, config.height_px, config.width_px, dtype=torch.uint8)
    whole[:, 1:-1, 2:-2] = 7
    assert (centre_crop(whole, config) == 7).all()
    policy = PolicyNetwork(config)
    edges = whole.clone()
    edges[:, 0], edges[:, -1], edges[:, :, :2], edges[:, :, -2:] = 9, 9, 9, 9
    joints, noise = torch.zeros(15), torch.zeros(5)
    assert torch.equal(policy.act(whole, joints, noise), policy.act(edges, joints, noise))


def test_actions_are_squashed_and_the_mean_needs_no_noise(network):
    policy = PolicyNetwork(network)
    whole = torch.zeros(9, network.height_px, network.width_px, dtype=torch.uint8)
    mean = policy.act(whole, torch.zeros(15), torch.zeros(5))
    gaussian = policy(centre_crop(whole, network)[None], torch.zeros(1, 15))
    torch.testing.assert_close(mean, torch.tanh(gaussian.mean)[0])
    wild = policy.act(whole, torch.zeros(15), torch.full((5,), 1e9))
    assert wild.tolist() == [1.0] * 5


def test_twin_critics_differ_and_layer_norm_is_theirs_alone(network):
    critics = TwinCritics(network, layer_norm=True)
    values = critics(torch.randn(3, network.latent_size), torch.randn(3, 5))
    assert values.shape == (3, 2)
    assert (values[:, 0] != values[:, 1]).all()
    assert any(isinstance(m, torch.nn.LayerNorm) for m in critics.modules())
    assert not any(
        isinstance(m, torch.nn.LayerNorm) for m in PolicyNetwork(network).modules()
    )


def test_initial_weights_are_orthogonal(network):
    policy = PolicyNetwork(network)
    initialise_(policy)
    kernel = policy.encoder.others[0].weight
    centre = kernel[:, :, 1, 1]
    torch.testing.assert_close(
        centre @ centre.T, 2.0 * torch.eye(32), atol=1e-4, rtol=0.0
    )
    assert kernel.count_nonzero() == centre.count_nonzero()
    hidden = policy.actor.layers[2].weight
    torch.testing.assert_close(hidden @ hidden.T, torch.eye(16), atol=1e-4, rtol=0.0)


def test_architecture_survives_json(network):
    assert NetworkConfig.from_json(network.to_json()) == network


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("height_px", 30), ("width_px", 4000), ("height_px", 90.0), ("crop_rows", 40),
        ("crop_columns", -1), ("hidden_size", 10**9), ("channels", True),
        ("log_std_min", math.nan), ("log_std_max", 5.0), ("strides", ()),
        ("strides", (9,)),
    ],
)  # fmt: skip
def test_fault_a_shape_out_of_bounds_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        NetworkConfig(**{field: value})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"height_px": 90}', "null"])
def test_fault_another_architecture_text_is_refused(text):
    with pytest.raises(ValueError):
        NetworkConfig.from_json(text)


def test_fault_an_image_too_small_for_the_strides_is_refused():
    with pytest.raises(ValueError, match="too small for strides"):
        NetworkConfig(height_px=31, width_px=40, crop_rows=2, strides=(2, 2, 2, 2))
