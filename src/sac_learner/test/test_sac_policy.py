"""The learned policy at work, and the examination that comes before."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from sac_learner.core.actor_config import ActorConfig
from sac_learner.core.checkpoint import RunState, write_checkpoint
from sac_learner.core.networks import NetworkConfig, PolicyNetwork, initialise_
from sac_learner.core.observation import Observation
from sac_learner.core.parameters import EncodedPolicy, encode_policy, parameters_of
from sac_learner.core.policies import RandomPolicy, make_policy
from sac_learner.core.sac_policy import SacPolicy, admit, make_sac_policy

SHAPE = NetworkConfig(height_px=45, width_px=80, hidden_size=16)
CONFIG = ActorConfig(height_px=45, width_px=80, seed=3)


def network(seed=0, shape=SHAPE):
    torch.manual_seed(seed)
    made = PolicyNetwork(shape)
    initialise_(made)
    return made


def encoded(seed=0, shape=SHAPE, version=1):
    return encode_policy(parameters_of(network(seed, shape)), shape, version)


def with_parameters(parameters, shape=SHAPE):
    """Encode without the sender's own checks, with a checksum that is right."""
    return EncodedPolicy(
        version=1, update_step=0, architecture=shape.to_json(), data=save(parameters)
    ).sealed()


def observation(seed=0):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (9, 45, 80), np.uint8)
    return Observation(1, 1, 0, 0, frames, rng.normal(size=15).astype(np.float32))


def acting(seed=0, deterministic=False):
    policy = SacPolicy(CONFIG.seed, deterministic)
    policy.use(admit(encoded(seed), CONFIG, None), version=1)
    return policy


def test_before_the_first_policy_it_acts_at_random():
    policy, reference = make_policy(CONFIG), RandomPolicy(CONFIG.seed)
    for _ in range(3):
        action = policy.act(observation())
        np.testing.assert_array_equal(action, reference.act(observation()))
    assert policy.version == 0


def test_a_deterministic_policy_takes_the_mean():
    policy, made, seen = acting(deterministic=True), network(), observation()
    top, left = SHAPE.crop_rows, SHAPE.crop_columns
    frames = torch.from_numpy(seen.frames)[None, :, top:-top, left:-left]
    mean = made(frames, torch.from_numpy(seen.proprioception)[None]).mean
    expected = torch.tanh(mean)[0].detach().numpy()
    np.testing.assert_allclose(policy.act(seen), expected, atol=1e-5)
    np.testing.assert_array_equal(policy.act(seen), policy.act(seen))


def test_a_stochastic_policy_samples_around_the_mean():
    seen = observation()
    mean = acting(deterministic=True).act(seen)
    policy = acting()
    actions = np.array([policy.act(seen) for _ in range(200)])
    assert (actions.std(axis=0) > 0.001).all()
    assert (actions.min(axis=0) < mean).all()
    assert (actions.max(axis=0) > mean).all()


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_every_action_is_within_bounds(seed):
    action = acting(seed % 3).act(observation(seed))
    assert action.shape == (5,)
    assert action.dtype == np.float32
    assert np.abs(action).max() <= 1.0


def test_a_new_network_acts_from_the_next_observation_on():
    policy, seen = acting(seed=0, deterministic=True), observation()
    before = policy.act(seen)
    policy.use(admit(encoded(seed=1), CONFIG, seen), version=2)
    assert policy.version == 2
    np.testing.assert_array_equal(policy.act(seen), acting(1, True).act(seen))
    assert (policy.act(seen) != before).any()


def test_a_checkpoint_acts_by_its_mean_without_a_learner(tmp_path):
    state = RunState(12, 34, 6, (0, 0.0), {}, "", {})
    path = write_checkpoint(tmp_path, state, {}, encoded(seed=1, version=5))
    for place in (path, tmp_path):  # one checkpoint, or a run that has some
        policy = make_policy(dataclasses.replace(CONFIG, checkpoint=str(place)))
        assert policy.version == 5
        action = policy.act(observation())
        np.testing.assert_array_equal(action, acting(1, True).act(observation()))


def test_fault_a_broken_checkpoint_is_refused(tmp_path):
    state = RunState(12, 34, 6, (0, 0.0), {}, "", {})
    path = write_checkpoint(tmp_path, state, {}, encoded(seed=1, version=5))
    for file in path.iterdir():
        whole = file.read_bytes()
        file.write_bytes(whole[:-1])
        with pytest.raises(ValueError, match="broken"):
            make_policy(dataclasses.replace(CONFIG, checkpoint=str(path)))
        file.write_bytes(whole)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_fault_a_non_finite_parameter_is_refused(value):
    for name in parameters_of(network()):
        parameters = parameters_of(network())
        parameters[name].view(-1)[-1] = value
        with pytest.raises(ValueError, match=f"{name} is non-finite"):
            admit(with_parameters(parameters), CONFIG, None)


def test_fault_finite_parameters_whose_answer_is_not_finite_are_refused():
    parameters = parameters_of(network())
    for name in parameters:
        if name.startswith("actor") and "weight" in name:
            parameters[name].fill_(3e38).view(-1)[::2] *= -1.0
    with pytest.raises(ValueError, match="answers a probe with"):
        admit(with_parameters(parameters), CONFIG, observation())


@pytest.mark.parametrize(
    "change,text",
    [
        ({"height_px": 90, "width_px": 160}, "made for height_px 90, this actor has 45"),
        ({"width_px": 90}, "made for width_px 90, this actor has 80"),
        ({"channels": 3}, "made for channels 3, this actor has 9"),
        ({"actions": 6}, "made for actions 6, this actor has 5"),
        ({"proprioception": 12}, "made for proprioception 12, this actor has 15"),
    ],
)
def test_fault_a_policy_for_another_robot_is_refused(change, text):
    shape = dataclasses.replace(SHAPE, **change)
    with pytest.raises(ValueError, match=text):
        admit(encoded(shape=shape), CONFIG, None)


def test_a_policy_of_any_size_is_admitted_if_its_observations_fit():
    wide = dataclasses.replace(SHAPE, hidden_size=48, crop_rows=2, crop_columns=3)
    admit(encoded(shape=wide), CONFIG, observation())


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_fault_any_flipped_bit_is_refused(data):
    good = encoded()
    place = data.draw(st.integers(0, len(good.data) - 1))
    broken = bytearray(good.data)
    broken[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ValueError, match="checksum"):
        admit(dataclasses.replace(good, data=bytes(broken)), CONFIG, None)


@given(text=st.text(max_size=40) | st.integers(0, 400).map(lambda n: SHAPE.to_json()[:n]))
@settings(max_examples=60, deadline=None)
def test_fault_any_other_architecture_is_refused(text):
    if text == SHAPE.to_json():
        return
    with pytest.raises(ValueError):
        admit(dataclasses.replace(encoded(), architecture=text), CONFIG, None)


@pytest.mark.parametrize("size", [(31, 31), (36, 64), (45, 80), (180, 320)])
def test_an_actor_starts_with_images_of_any_size_that_a_learner_takes(size):
    policy = make_sac_policy(ActorConfig(height_px=size[0], width_px=size[1]))
    assert policy.version == 0
