"""Config dataclasses from parameter files and command lines, without ROS.

For processes of the graph that are not ROS nodes, and under `ur5_rl_ros.params` for those
that are.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

Config = TypeVar("Config")


def config_from_values(
    config_type: type[Config], given: Mapping[str, Any], where: str
) -> Config:
    """Return `config_type(**given)` after checking names and types.

    Raises:
        ValueError: names the parameter, what was given and what would be right.
    """
    hints = typing.get_type_hints(config_type)
    fields = {field.name for field in dataclasses.fields(config_type)}  # type: ignore[arg-type]
    if unknown := sorted(given.keys() - fields):
        raise ValueError(
            f"{where}: unknown parameter {', '.join(unknown)}; "
            f"known are {', '.join(sorted(fields))}"
        )
    values = {
        name: _typed(f"{where}: {name}", value, hints[name])
        for name, value in given.items()
    }
    try:
        return config_type(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def config_from_args(
    argv: Sequence[str], node_name: str, config_type: type[Config]
) -> Config:
    """Read the same `--ros-args --params-file F -p name:=value` line without rclpy.

    For processes of the graph that are not ROS nodes (the virtual controller). Keys of a
    file that count are `/**`, `/**/NODE`, `/NODE` and `NODE`; later ones win.

    Raises:
        ValueError: a file is missing or no parameter file, or `config_from_values`.
    """
    given: dict[str, Any] = {}
    words = iter(argv)
    for word in words:
        if word == "--params-file":
            given.update(values_for_node(Path(next(words, "")), node_name))
        elif word == "-p":
            name, _, text = next(words, "").partition(":=")
            try:
                given[name] = _read_yaml(text)
            except yaml.YAMLError as error:
                raise ValueError(f"{node_name}: {name}: {error}") from None
    return config_from_values(config_type, given, where=node_name)


def values_for_node(path: Path, node_name: str) -> dict[str, Any]:
    """Return the parameters that a ROS parameter file holds for one node.

    Raises:
        ValueError: the file cannot be read or is not a ROS parameter file.
    """
    try:
        document = _read_yaml(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"parameter file {path}: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"parameter file {path}: must map node names, got {document!r}")
    values: dict[str, Any] = {}
    for key, entry in document.items():
        if not isinstance(entry, dict) or "ros__parameters" not in entry:
            raise ValueError(f"parameter file {path}: '{key}' lacks ros__parameters")
        parameters = entry["ros__parameters"] or {}
        if not isinstance(parameters, dict):
            raise ValueError(
                f"parameter file {path}: ros__parameters of '{key}' must map names to "
                f"values, got {parameters!r}"
            )
        if key in ("/**", f"/**/{node_name}", f"/{node_name}", node_name):
            values.update(parameters)
    return values


class _Loader(yaml.SafeLoader):
    """YAML as ROS reads it: 1e-3 is a number, as in YAML 1.2."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _read_yaml(text: str) -> Any:
    return yaml.load(text, _Loader)  # noqa: S506  a SafeLoader


def _typed(name: str, value: Any, hint: Any) -> Any:
    """Return `value` as `hint` says (an int is a float, a list a tuple), or refuse it."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hints = [h for h in typing.get_args(hint) if h is not type(None)]
        hint = hints[0]
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        if not isinstance(value, list | tuple):
            raise ValueError(f"{name} must be a list of {item.__name__}, got {value!r}")
        return tuple(_typed(name, v, item) for v in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ValueError(f"{name} must be {hint.__name__}, got {value!r}")
    return value
