from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save

from sac_learner.core.networks import PolicyNetwork
from sac_learner.core.parameters import decode_policy, encode_policy, parameters_of


@pytest.fixture
def policy(network):
    torch.manual_seed(0)
    return PolicyNetwork(network)


@pytest.fixture
def encoded(policy, network):
    parameters = parameters_of(policy)
    return encode_policy(parameters, network, version=3, update_step=70, session=5)


BIAS = "actor.layers.0.bias"


def resealed(encoded, change):
    """Return the policy with changed parameters and a checksum that fits them."""
    tensors = load(encoded.data)
    change(tensors)
    return replace(encoded, data=save(tensors)).sealed()


def test_a_policy_survives_the_wire_bit_by_bit(policy, encoded):
    decoded = decode_policy(encoded)
    assert decoded.config == policy.config
    for name, tensor in policy.state_dict().items():
        assert torch.equal(decoded.state_dict()[name], tensor), name


def test_only_encoder_and_actor_travel(encoded):
    assert {name.split(".")[0] for name in load(encoded.data)} == {"encoder", "actor"}


def test_a_snapshot_is_not_changed_by_later_updates(policy, network):
    snapshot = parameters_of(policy)
    before = encode_policy(snapshot, network, 1).sha256
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(1.0)
    assert encode_policy(snapshot, network, 1).sha256 == before


@pytest.mark.parametrize("position", [0, 9, 2000, -1])
def test_fault_one_flipped_bit_is_refused(encoded, position):
    data = bytearray(encoded.data)
    data[position] ^= 1
    with pytest.raises(ValueError, match="checksum of policy 3"):
        decode_policy(replace(encoded, data=bytes(data)))


def test_fault_a_torn_policy_is_refused(encoded):
    with pytest.raises(ValueError, match="checksum"):
        decode_policy(replace(encoded, data=encoded.data[:-100]))


@pytest.mark.parametrize("data", [b"", b"\x80\x04.", b"\xff" * 64])
def test_fault_bytes_that_are_no_safetensors_are_refused(encoded, data):
    with pytest.raises(ValueError, match="no safetensors data"):
        decode_policy(replace(encoded, data=data).sealed())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_fault_a_non_finite_parameter_is_refused(encoded, policy, network, value):
    def spoil(tensors):
        tensors["actor.layers.0.bias"][3] = value

    with pytest.raises(ValueError, match="actor.layers.0.bias is non-finite"):
        decode_policy(resealed(encoded, spoil))
    parameters = parameters_of(policy)
    spoil(parameters)
    with pytest.raises(ValueError, match="actor.layers.0.bias is non-finite"):
        encode_policy(parameters, network, 1)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda t: t.update({BIAS: torch.zeros(3)}), f"shape of {BIAS}"),
        (lambda t: t.update({BIAS: torch.zeros(16).half()}), "float32"),
        (lambda t: t.pop("encoder.first.weight"), "missing: .'encoder.first.weight'"),
        (lambda t: t.update(extra=torch.zeros(1)), "unknown: .'extra'"),
    ],
)  # fmt: skip
def test_fault_other_parameters_than_the_architecture_says(encoded, change, complaint):
    with pytest.raises(ValueError, match=complaint):
        decode_policy(resealed(encoded, change))


@pytest.mark.parametrize(
    "change",
    [{"session": 6}, {"version": 4}, {"update_step": 71}, {"architecture": "{}"}],
)
def test_fault_a_changed_label_is_refused(encoded, change):
    """The actor acts on more than the weights: which policy may follow which."""
    decode_policy(encoded)
    with pytest.raises(ValueError, match="checksum of policy"):
        decode_policy(replace(encoded, **change))


@pytest.mark.parametrize(
    "architecture", ["", "{}", "not json", '{"height_px": "x"}', "[" * 100_000]
)
def test_fault_an_architecture_that_makes_no_sense(encoded, architecture):
    with pytest.raises(ValueError, match="architecture of policy 3"):
        decode_policy(replace(encoded, architecture=architecture).sealed())


def test_fault_an_architecture_of_other_sizes(encoded, network):
    other = replace(network, hidden_size=32).to_json()
    with pytest.raises(ValueError, match="shape of actor"):
        decode_policy(replace(encoded, architecture=other).sealed())


@pytest.mark.parametrize("version", [0, 2**32])
def test_fault_a_version_that_no_message_can_carry(encoded, version):
    with pytest.raises(ValueError, match="version must be at least 1 and at most"):
        decode_policy(replace(encoded, version=version).sealed())
