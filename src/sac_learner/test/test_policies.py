"""Policies that need no network, the gate before them, and the actor's configuration."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sac_learner.core.actor_config import ActorConfig
from sac_learner.core.observation import Observation
from sac_learner.core.observation_gate import ObservationGate
from sac_learner.core.policies import RandomPolicy, ZeroPolicy, make_policy
from sac_learner.core.servo import ServoPolicy

MS = 1_000_000


def observation(run_id=1, episode=1, step=0, steady_ns=0):
    frames = np.zeros((9, 45, 80), np.uint8)
    return Observation(run_id, episode, step, steady_ns, frames, np.zeros(15, np.float32))


@pytest.mark.parametrize(
    "name,kind", [("zero", ZeroPolicy), ("random", RandomPolicy), ("servo", ServoPolicy)]
)
def test_the_configuration_names_the_policy(name, kind):
    assert isinstance(make_policy(ActorConfig(policy=name)), kind)


def test_zero_is_zero():
    np.testing.assert_array_equal(ZeroPolicy().act(observation()), np.zeros(5))


def test_random_actions_fill_the_whole_range_evenly():
    policy = RandomPolicy(seed=1)
    actions = np.array([policy.act(observation()) for _ in range(4000)])
    assert actions.dtype == np.float32
    assert -1.0 <= actions.min() < -0.99
    assert 0.99 < actions.max() <= 1.0
    # Uniform on [-1, 1]: mean 0, variance 1/3; standard errors 0.009 and 0.005.
    np.testing.assert_allclose(actions.mean(axis=0), 0.0, atol=0.05)
    np.testing.assert_allclose(actions.var(axis=0), 1 / 3, atol=0.03)


def test_a_seed_repeats_random_actions_and_another_does_not():
    def draw(seed):
        policy = RandomPolicy(seed)
        return [policy.act(observation()).tolist() for _ in range(3)]

    assert draw(4) == draw(4)
    assert draw(4) != draw(5)


@pytest.mark.parametrize("name", ["zero", "random", "servo"])
def test_only_the_learned_policy_imports_torch(name):
    program = (
        "import sys; from sac_learner.core.actor_config import ActorConfig;"
        "from sac_learner.core.policies import make_policy;"
        "import sac_learner.nodes.actor_node;"
        f"make_policy(ActorConfig(policy='{name}')); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    "wrong,text",
    [
        ({"policy": "sca"}, "policy must be one of sac, random, zero, servo, got 'sca'"),
        ({"max_joint_speed_rad_s": 0.0}, "max_joint_speed_rad_s"),
        ({"max_joint_speed_rad_s": float("nan")}, "max_joint_speed_rad_s"),
        ({"max_observation_age_s": 0.0}, "max_observation_age_s"),
        ({"max_observation_age_s": float("inf")}, "max_observation_age_s"),
        ({"max_policy_age_s": -1.0}, "max_policy_age_s"),
        ({"field_of_view_deg": 180.0}, "field_of_view_deg"),
        ({"height_px": 0}, "height_px"),
        ({"seed": -1}, "seed"),
        ({"policy": "servo", "checkpoint": "runs/1"}, "acts from no checkpoint"),
    ],
)
def test_fault_a_wrong_setting_is_refused_by_name(wrong, text):
    with pytest.raises(ValueError, match=text):
        ActorConfig(**wrong)


@pytest.mark.parametrize(
    "frames,proprioception,text",
    [
        (np.zeros((3, 45, 80), np.uint8), np.zeros(15, np.float32), "frames"),
        (np.zeros((9, 45 * 80), np.uint8), np.zeros(15, np.float32), "frames"),
        (np.zeros((9, 45, 80), np.float32), np.zeros(15, np.float32), "frames"),
        (np.zeros((9, 45, 80), np.uint8), np.zeros(14, np.float32), "shape"),
        (np.zeros((9, 45, 80), np.uint8), np.full(15, np.nan, np.float32), "finite"),
        (np.zeros((9, 45, 80), np.uint8), np.full(15, np.inf, np.float32), "finite"),
    ],
)
def test_fault_a_malformed_observation_is_refused(frames, proprioception, text):
    with pytest.raises(ValueError, match=text):
        Observation(1, 1, 0, 0, frames, proprioception)


@given(age_ms=st.integers(-500, 500))
def test_only_observations_of_the_last_120_ms_may_move_the_arm(age_ms):
    gate = ObservationGate(max_age_s=0.12)
    seen = observation(steady_ns=1000 * MS)
    assert gate.is_fresh(seen, (1000 + age_ms) * MS) == (0 <= age_ms <= 120)


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 5)), max_size=40
    )
)
def test_accepted_observations_only_go_forwards(places):
    """Whatever arrives in whatever order: within a run, episode and step count up.

    But for a first observation, which may have any episode number.
    """
    gate, accepted = ObservationGate(max_age_s=0.12), []
    for now, (run, episode, step) in enumerate(places):
        if gate.is_new(observation(run, episode, step, steady_ns=now * MS)):
            accepted.append((run, episode, step))
    for before, after in zip(accepted, accepted[1:], strict=False):
        begins = after[2] == 0 and before[1] != after[1]
        assert before[0] != after[0] or begins or before[1:] < after[1:]


def test_fault_a_repeated_or_late_observation_is_not_new():
    gate = ObservationGate(max_age_s=0.12)
    assert gate.is_new(observation(step=4, steady_ns=400))
    assert not gate.is_new(observation(step=4, steady_ns=400))
    assert not gate.is_new(observation(step=4, steady_ns=500))
    assert not gate.is_new(observation(step=3, steady_ns=300))
    assert gate.is_new(observation(step=5, steady_ns=600))


def test_fault_a_late_message_of_an_earlier_run_is_not_new():
    gate = ObservationGate(max_age_s=0.12)
    assert gate.is_new(observation(run_id=1, step=50, steady_ns=400))
    assert gate.is_new(observation(run_id=2, step=0, steady_ns=500))
    assert not gate.is_new(observation(run_id=1, step=51, steady_ns=450))
