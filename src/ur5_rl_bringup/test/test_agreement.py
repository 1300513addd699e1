"""Parameters that fit their own node, and not its neighbours."""

import pytest

from sac_learner.core.actor_config import ActorConfig
from sac_learner.core.config import LearnerConfig
from ur5_rl_bringup.agreement import SHARED, check_agreement
from ur5_rl_bringup.core.watch_config import WatchConfig
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.env_config import EnvConfig

CONFIGS = {
    "arm_node": ArmConfig,
    "env_node": EnvConfig,
    "actor_node": ActorConfig,
    "learner_node": LearnerConfig,
    "watch_node": WatchConfig,
}
NODES = {name: {} for name in (*CONFIGS, "camera_node")}


def test_the_defaults_agree_and_belong_to_these_nodes():
    check_agreement(NODES)
    for name, (default, nodes) in SHARED.items():
        assert {getattr(CONFIGS[node](), name) for node in nodes} == {default}


def test_fault_an_arm_that_is_slowed_down_alone_is_refused():
    slow = NODES | {"arm_node": {"max_joint_speed_rad_s": 0.3}}
    with pytest.raises(ValueError, match=r"max_joint_speed_rad_s must be .*0\.3"):
        check_agreement(slow)
    all_slow = ("arm_node", "env_node", "actor_node")
    check_agreement(NODES | {n: {"max_joint_speed_rad_s": 0.3} for n in all_slow})


def test_fault_a_cycle_of_one_node_alone_is_refused():
    with pytest.raises(ValueError, match=r"action_period_s must be the same"):
        check_agreement(NODES | {"env_node": {"action_period_s": 0.08}})


def test_fault_images_that_would_never_match_a_joint_sample_are_refused():
    late = NODES | {"camera_node": {"latency_s": 0.05}}
    with pytest.raises(ValueError, match=r"synchronisation_tolerance_s .* got 0\.05"):
        check_agreement(late)
    check_agreement(late | {"env_node": {"synchronisation_tolerance_s": 0.1}})
    check_agreement(NODES | {"camera_node": {"latency_s": "soon"}})  # its node refuses it


def test_a_machine_that_runs_a_part_of_the_graph_checks_that_part():
    check_agreement({"learner_node": {"action_period_s": 0.08}})


def test_fault_a_command_that_is_followed_for_longer_than_the_environment_believes():
    with pytest.raises(ValueError, match=r"max_command_age_s .* \(0\.08\), got 0\.1"):
        check_agreement(NODES | {"arm_node": {"max_command_age_s": 0.1}})
    slower = {n: {"action_period_s": 0.08} for n in SHARED["action_period_s"][1]}
    slower["arm_node"]["max_command_age_s"] = 0.1
    check_agreement(NODES | slower)
