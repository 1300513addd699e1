"""What a run was started with: checked before, written down beside its results."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ur5_rl_bringup.graph import Process, node_names, parameter_files
from ur5_rl_bringup.options import RunOptions
from ur5_rl_ros.code_version import commit_at
from ur5_rl_ros.param_files import parameters_by_key, values_for_node

WRITTEN_VERSIONS = ("numpy", "torch", "rclpy", "ros-rclpy", "ur-rtde", "pygame-ce")


def check_node_names(options: RunOptions, files: Sequence[Path]) -> None:
    """Refuse parameter files that speak to nodes which do not exist.

    ROS would ignore them: a misspelt node name silently leaves the defaults in force.

    Raises:
        ValueError: names the file, the key and the names that exist.
    """
    names = node_names(options)
    for path in files:
        for key in parameters_by_key(path):
            if key != "/**" and key.split("/")[-1] not in names:
                known = ", ".join(sorted(names))
                raise ValueError(
                    f"parameter file {path}: no node '{key}'; known: {known}"
                )


def parameters_of(process: Process, options: RunOptions) -> dict[str, Any]:
    """Return all that is given to one process, the strongest value of each name.

    Merged here and passed as one file: rcl keeps the older of two values when a later
    file changes the type, without a word.
    """
    values: dict[str, Any] = {}
    for path in parameter_files(options):
        values |= values_for_node(path, process.name)
    return values | dict(process.parameters)


def write_run_description(options: RunOptions, processes: Sequence[Process]) -> None:
    """Write run.json: options, merged parameters of each node, commit, versions."""
    merged = {process.name: parameters_of(process, options) for process in processes}
    description = {
        "options": {k: _plain(v) for k, v in asdict(options).items()},
        "parameters": merged,
        "commit": commit_at(options.root),
        "versions": {name: _version(name) for name in WRITTEN_VERSIONS},
    }
    path = options.run_dir / "run.json"
    path.write_text(json.dumps(description, indent=2, default=str) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
