"""Config dataclasses from ROS parameters; the dataclasses stay free of ROS."""

import dataclasses
from typing import Any, TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from ur5_rl_ros.param_files import config_from_args, config_from_values, values_for_node

Config = TypeVar("Config")

# What rclpy itself declares on a node; not ours to refuse.
ROS_OWN = ("use_sim_time", "start_type_description_service", "qos_overrides")


def load_config(node: Node, config_type: type[Config]) -> Config:
    """Return `config_type` filled from the parameters of `node`, then freeze them.

    The node must be made with `automatically_declare_parameters_from_overrides=True`,
    so that a misspelt name is an error here instead of a silently kept default.

    Raises:
        ValueError: a name is unknown, a type is wrong, or `config_type` refuses a value.
    """
    given = {
        name: _plain(parameter.value)
        for name, parameter in node.get_parameters_by_prefix("").items()
        if name.split(".")[0] not in ROS_OWN
    }
    config = config_from_values(config_type, given, where=node.get_name())
    for field in dataclasses.fields(config_type):  # type: ignore[arg-type]
        if field.name in given:
            type_ = node.get_parameter(field.name).type_.value
            descriptor = ParameterDescriptor(read_only=True, type=type_)
            node.set_descriptor(field.name, descriptor)
        else:
            _declare(node, field.name, getattr(config, field.name))
    return config


def _plain(value: Any) -> Any:
    """Array parameters come as array.array or numpy; the core wants lists."""
    is_array = hasattr(value, "tolist")
    return value.tolist() if is_array else value


def _declare(node: Node, name: str, value: Any) -> None:
    if value is None or value == ():  # ROS has no type for "nothing"
        return
    if isinstance(value, tuple):
        value = list(value)
    try:
        node.declare_parameter(name, value, ParameterDescriptor(read_only=True))
    except ParameterException as error:
        raise ValueError(f"{node.get_name()}: {name}: {error}") from None


__all__ = ["config_from_args", "config_from_values", "load_config", "values_for_node"]
