"""Parameters of different nodes that must fit together."""

from collections.abc import Mapping
from typing import Any

from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.env_config import EnvConfig
from ur5_rl_env.core.task import ACTION_PERIOD_S, MAX_JOINT_SPEED_RAD_S

Parameters = Mapping[str, Mapping[str, Any]]  # by node

# What several nodes must agree on: its default in all of them, and who they are.
SHARED = {
    "action_period_s": (
        ACTION_PERIOD_S,
        ("arm_node", "env_node", "learner_node", "watch_node"),
    ),
    "max_joint_speed_rad_s": (
        MAX_JOINT_SPEED_RAD_S,
        ("arm_node", "env_node", "actor_node"),
    ),
}
ON_THE_WAY_S = 0.01  # that an image is older than a joint sample, besides its latency


def check_agreement(parameters: Parameters) -> None:
    """Refuse parameters that fit their own node alone.

    An actor that asks for more than the arm takes is braked and learns what never was;
    images that are stamped earlier than the environment matches end every episode.

    Raises:
        ValueError: names nodes, parameter and values.
    """
    for name, (default, nodes) in SHARED.items():
        given = {n: parameters[n].get(name, default) for n in nodes if n in parameters}
        if len(set(map(str, given.values()))) > 1:
            values = ", ".join(f"{node} {value}" for node, value in given.items())
            raise ValueError(f"{name} must be the same for all nodes, got {values}")
    _check_match(parameters)
    _check_age(parameters)


def _check_match(parameters: Parameters) -> None:
    if not {"camera_node", "env_node"} <= parameters.keys():
        return
    latency_s = parameters["camera_node"].get("latency_s", 0.0)
    name = "synchronisation_tolerance_s"
    tolerance_s = parameters["env_node"].get(name, getattr(EnvConfig, name))
    if not all(isinstance(value, int | float) for value in (latency_s, tolerance_s)):
        return  # the node itself says what is wrong
    if latency_s + ON_THE_WAY_S > tolerance_s:
        raise ValueError(
            f"{name} of env_node must be at least {ON_THE_WAY_S} above latency_s of "
            f"camera_node ({latency_s}), got {tolerance_s}"
        )


def _check_age(parameters: Parameters) -> None:
    """Let a command be too old for the arm when env_node says that the arm braked."""
    if "arm_node" not in parameters:
        return
    arm = parameters["arm_node"]
    period_s = arm.get("action_period_s", ACTION_PERIOD_S)
    age_s = arm.get("max_command_age_s", ArmConfig.max_command_age_s)
    if not all(isinstance(value, int | float) for value in (age_s, period_s)):
        return  # the node itself says what is wrong
    if not age_s < 2.0 * period_s:
        raise ValueError(
            f"max_command_age_s of arm_node must be below two action periods "
            f"({2.0 * period_s:g}), got {age_s}"
        )
