"""What a run was started with: checked before, written down beside its results."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from ur5_rl_bringup.agreement import check_agreement
from ur5_rl_bringup.graph import Process, graph, node_names, parameter_files
from ur5_rl_bringup.launch_arguments import ARGUMENTS
from ur5_rl_bringup.learnt import DESCRIPTION
from ur5_rl_bringup.options import RunOptions
from ur5_rl_ros.code_version import commit_at
from ur5_rl_ros.param_files import parameters_by_key, values_for_node

# What a person types in the place of a parameter that the command decides.
OPTION_OF = {
    "seed": "--seed",
    "task": "--task",
    "motion": "--task",
    "policy": "--policy",
    "screen": "--headless",
    "run_dir": "--run-dir",
    "resume": "--resume",
    "report": "--report",
    "max_episodes": "--episodes",
    "max_minutes": "--minutes",
    "architecture": "--architecture",
    "waits_for_learner": "--architecture",
    "action_period_s": "--action-period-ms",
    "checkpoint": "--checkpoint",
    "deterministic": "--checkpoint",
    "mode": "eval --real-time",
    "dry_run": "dry-run",
}
STRONGER_WHEN_TYPED = ("robot_ip", "address")  # by --robot-ip, whose help says so
WORKED_OUT = ("max_command_age_s", "max_observation_age_s")  # of the action period
TOLD = (DESCRIPTION, "report.json", "picture.png")
WRITTEN_VERSIONS = ("numpy", "torch", "rclpy", "ros-rclpy", "ur-rtde", "pygame-ce")


def check_parameters(options: RunOptions, files: Sequence[Path]) -> None:
    """Refuse parameters that reach nobody, contradict the command, or do not fit.

    ROS would ignore the first: a misspelt node name silently leaves the defaults in
    force. The second would be overridden by the command itself. The third fit their own
    node alone, see `agreement.py`.

    Raises:
        ValueError: names the file, the key and the names that exist; the file, the node,
            the parameter and the option to use instead; or the nodes and their values.
    """
    _check_keys(options, files)
    processes = graph(options, Path())
    for process in processes:
        decided = decided_parameters(process, options)
        for path in options.params:
            for name, value in values_for_node(path, process.name).items():
                if name not in STRONGER_WHEN_TYPED and value != decided.get(name, value):
                    raise ValueError(
                        f"parameter file {path}: {name} of {process.name} is {value!r}, "
                        f"this run says {decided[name]!r}: {_advice(name)}"
                    )
    check_agreement({p.name: parameters_of(p, options) for p in processes})


def _advice(name: str) -> str:
    option = OPTION_OF.get(name)
    if option is None:
        return "leave it out, the command decides it"
    argument = option.split()[0].removeprefix("--").replace("-", "_")
    for_launch = f" (ros2 launch: {argument}:=...)" if argument in ARGUMENTS else ""
    return f"use {option}{for_launch} instead"


def _check_keys(options: RunOptions, files: Sequence[Path]) -> None:
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
    return values | decided_parameters(process, options)


def decided_parameters(process: Process, options: RunOptions) -> dict[str, Any]:
    """Return the parameters that the command decides, stronger than every file.

    An age that it only worked out from the action period is not among them where the
    user's files give one.
    """
    given: set[str] = set()
    for path in options.params:
        given |= values_for_node(path, process.name).keys()
    decided = process.parameters.items()
    return {k: v for k, v in decided if k not in WORKED_OUT or k not in given}


def write_parameters(process: Process, options: RunOptions) -> Path:
    """Write all that is given to one process to a file of its own; return its path."""
    path = options.run_dir / "parameters" / f"{process.name}.yaml"
    path.parent.mkdir(exist_ok=True)
    values = parameters_of(process, options)
    path.write_text(yaml.safe_dump({f"/**/{process.name}": {"ros__parameters": values}}))
    return path


def log_file(process: Process, options: RunOptions) -> Path:
    """Return where what a process says is kept."""
    return options.run_dir / "log" / f"{process.name}.log"


def write_run_description(options: RunOptions, processes: Sequence[Process]) -> None:
    """Write run.json: options, merged parameters of each node, commit, versions.

    And say in a line at which action period a policy acts, where one could be surprised.
    """
    if options.about_period:
        print(f"ur5rl: {options.about_period}", flush=True)
    merged = {process.name: parameters_of(process, options) for process in processes}
    description = {
        "options": {k: _plain(v) for k, v in asdict(options).items()},
        "parameters": merged,
        "commit": commit_at(options.root),
        "versions": {name: _version(name) for name in WRITTEN_VERSIONS},
    }
    _keep_earlier(options.run_dir)
    path = options.run_dir / DESCRIPTION
    path.write_text(json.dumps(description, indent=2, default=str) + "\n")


def _keep_earlier(run_dir: Path) -> None:
    """Rename what an earlier run in this folder told of itself: run_1.json and so on."""
    told = [path for name in TOLD if (path := run_dir / name).is_file()]
    number = next(n for n in count(1) if not (run_dir / f"run_{n}.json").exists())
    for path in told:
        path.rename(path.with_stem(f"{path.stem}_{number}"))


def robot_of(run_dir: Path) -> str:
    """Return whose steps a run learns from: a world, or the machine that has the robot.

    "" if its description is not there, or not whole.
    """
    try:
        options = json.loads((run_dir / DESCRIPTION).read_text())["options"]
        return str(options.get("robot_host") or options["world"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
