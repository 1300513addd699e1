"""Config dataclasses from parameter files and command lines, without ROS.

For processes of the graph that are not ROS nodes, and under `ur5_rl_ros.params` for those
that are.
"""

import dataclasses
import os
import re
import reprlib
import stat
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

Config = TypeVar("Config")

MAX_BYTES = 1_000_000  # of a parameter file
SHOWN_CHARACTERS = 100  # of a value that is refused
# What PyYAML raises for text that is none, or for a tag with a text that does not fit it.
NO_YAML = (
    yaml.YAMLError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)


def config_from_values(
    config_type: type[Config], given: Mapping[str, Any], where: str
) -> Config:
    """Return `config_type(**given)` after checking names and types.

    Raises:
        ValueError: names the parameter, what was given and what would be right.
    """
    hints = typing.get_type_hints(config_type)
    fields = {field.name for field in dataclasses.fields(config_type)}  # type: ignore[arg-type]
    if unknown := sorted(_shown(name).strip("'") for name in given if name not in fields):
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
    where = node_name
    words = iter(argv)
    for word in words:
        if word == "--params-file":
            path = Path(next(words, ""))
            given.update(values_for_node(path, node_name))
            where += f" ({path})"
        elif word == "-p":
            name, _, text = next(words, "").partition(":=")
            try:
                given[name] = _read_yaml(text)
            except ValueError as error:
                raise ValueError(f"{node_name}: {name}: {error}") from None
    return config_from_values(config_type, given, where)


def values_for_node(path: Path, node_name: str) -> dict[str, Any]:
    """Return the parameters that a ROS parameter file holds for one node.

    Raises:
        ValueError: the file cannot be read or is not a ROS parameter file.
    """
    keys = ("/**", f"/**/{node_name}", f"/{node_name}", node_name)
    values: dict[str, Any] = {}
    for key, parameters in parameters_by_key(path).items():
        if key in keys:
            values.update(parameters)
    return values


def parameters_by_key(path: Path) -> dict[str, dict[str, Any]]:
    """Return what a ROS parameter file holds, by its keys: `/**`, node names.

    Raises:
        ValueError: the file cannot be read or is not a ROS parameter file; names it.
    """
    try:
        document = _read_yaml(_text_of(path)) or {}
    except (OSError, ValueError) as error:
        raise ValueError(f"parameter file {path}: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(
            f"parameter file {path}: must map node names, got {_shown(document)}"
        )
    values: dict[str, dict[str, Any]] = {}
    for key, entry in document.items():
        if not isinstance(entry, dict) or "ros__parameters" not in entry:
            raise ValueError(
                f"parameter file {path}: {_shown(key)} lacks ros__parameters"
            )
        parameters = entry["ros__parameters"] or {}
        if not isinstance(parameters, dict):
            raise ValueError(
                f"parameter file {path}: ros__parameters of {_shown(key)} must map "
                f"names to values, got {_shown(parameters)}"
            )
        values[str(key)] = parameters
    return values


class _Loader(yaml.SafeLoader):
    """YAML as ROS reads it: 1e-3 is a number, as in YAML 1.2, and there are no aliases.

    A kilobyte of them describes more values than fit into memory.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases are refused", problem_mark=mark)
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _text_of(path: Path) -> str:
    """Return the text of a regular file of bounded size; a pipe in its place is refused.

    Raises:
        OSError, ValueError: it cannot be read, or is none.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise ValueError(f"must be a regular file of at most {MAX_BYTES} bytes")
        with open(descriptor, encoding="utf-8", closefd=False) as file:
            return file.read(MAX_BYTES)
    finally:
        os.close(descriptor)


def _read_yaml(text: str) -> Any:
    """Return the value of a text.

    Raises:
        ValueError: it is no YAML; says so in one line.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506  a SafeLoader
    except NO_YAML as error:
        raise ValueError(_in_one_line(error)) from None


def _in_one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line = error.problem_mark.line + 1
        return f"line {line}: {str(error.problem)[:SHOWN_CHARACTERS]}"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:SHOWN_CHARACTERS]}"


def _shown(value: Any) -> str:
    """Return a value for people, however large it is, in one line."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = shortener.maxlong = SHOWN_CHARACTERS
    return shortener.repr(value)


def _typed(name: str, value: Any, hint: Any) -> Any:
    """Return `value` as `hint` says (an int is a float, a list a tuple), or refuse it."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hints = [h for h in typing.get_args(hint) if h is not type(None)]
        hint = hints[0]
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        if not isinstance(value, list | tuple):
            raise ValueError(
                f"{name} must be a list of {item.__name__}, got {_shown(value)}"
            )
        return tuple(_typed(name, v, item) for v in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return _float(name, value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ValueError(f"{name} must be {hint.__name__}, got {_shown(value)}")
    return value


def _float(name: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is too large for float: {_shown(value)}") from None
