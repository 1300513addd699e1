"""The launch files' one body: `graph.py` as launch_ros actions."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit, OnProcessIO, OnProcessStart
from launch.events import Shutdown as ShutdownEvent
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from ur5_rl_bringup.child_log import ChildLog
from ur5_rl_bringup.core.lives import RESTART_DELAY_S, Lives, Outlook
from ur5_rl_bringup.ends import outlook_after
from ur5_rl_bringup.graph import OnExit, Process, environment, graph, parameter_files
from ur5_rl_bringup.launch_arguments import ARGUMENTS, check_names, options_of
from ur5_rl_bringup.nodes.terminal import tell
from ur5_rl_bringup.options import RunOptions
from ur5_rl_bringup.resolved import (
    check_parameters,
    log_file,
    write_parameters,
    write_run_description,
)
from ur5_rl_bringup.shared_folder import shared_folder
from ur5_rl_ros.domain import claim_for_run
from ur5_rl_ros.process import EXIT_OK
from ur5_rl_ros.signals import PARENT

ROBOT_HOST = "robot_host"
PUSHED_NAMESPACE = "ros_namespace"  # launch_ros' own name for it

Handler = Callable[[Any, LaunchContext], list[Any]]


class RunFailedError(RuntimeError):
    """A run has ended badly: what launch catches makes its exit code 1."""


def description(root: Path, world: str) -> LaunchDescription:
    """Return the graph of `world` ("sim" or "robot") as a launch description."""
    return LaunchDescription([*_declared(), _body(root, world, tuple(ARGUMENTS))])


def learner_description(root: Path) -> LaunchDescription:
    """Return the learner of a graph that runs on another machine."""
    host = DeclareLaunchArgument(ROBOT_HOST, description="machine of the robot's graph")
    body = _body(root, "robot", (*ARGUMENTS, ROBOT_HOST))
    return LaunchDescription([host, *_declared(), body])


def _declared() -> list[DeclareLaunchArgument]:
    return [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]


def _body(root: Path, world: str, names: Sequence[str]) -> OpaqueFunction:
    def start(context: LaunchContext) -> list[Any]:
        check_names(context.launch_configurations, names)
        given = {name: LaunchConfiguration(name).perform(context) for name in names}
        namespace = context.launch_configurations.get(PUSHED_NAMESPACE, "")
        return _started(given, root, world, namespace)

    return OpaqueFunction(function=start)


def _started(given: dict[str, str], root: Path, world: str, namespace: str) -> list[Any]:
    options = options_of(given, root, world)
    check_parameters(options, parameter_files(options))
    claim_for_run(options.part, namespace).detach()  # until this process ends
    options.run_dir.mkdir(parents=True, exist_ok=True)
    processes = graph(options, shared_folder())
    write_run_description(options, processes)
    variables = {**environment(root, options.peer), PARENT: str(os.getpid())}
    settings = [SetEnvironmentVariable(k, v) for k, v in variables.items()]
    return [*settings, *(a for p in processes for a in _actions(p, options))]


def _actions(process: Process, options: RunOptions) -> list[Any]:
    restarts = process.on_exit is OnExit.RESTART
    action = Node(
        package=process.package,
        executable=process.executable,
        name=process.name if process.is_node else None,
        parameters=[str(write_parameters(process, options))],
        additional_env=dict(process.environment),
        prefix=f"nice -n {process.nice}",
        exec_name=process.name,
        respawn=restarts,
        respawn_delay=RESTART_DELAY_S,
        output="both",
    )
    ends = _ends_of(action, process.name) if restarts else [_end_of_face(action)]
    return [*ends, _kept(action, log_file(process, options)), action]


def _kept(action: ExecuteProcess, path: Path) -> RegisterEventHandler:
    """Return what keeps all that a process says in a file of its own."""
    path.parent.mkdir(exist_ok=True)
    log = ChildLog(path)

    def keep(event: Any) -> None:
        if complaint := log.write(event.text):
            tell(f"ur5rl: {complaint}")

    return RegisterEventHandler(
        OnProcessIO(target_action=action, on_stdout=keep, on_stderr=keep)
    )


def _end_of_face(action: ExecuteProcess) -> RegisterEventHandler:
    """Return what ends the run with the process that shows it."""

    def on_exit(event: Any, context: LaunchContext) -> list[Any]:
        # A process that was asked to stop while it still imported ends by the signal.
        asked = (-signal.SIGINT, -signal.SIGTERM) if context.is_shutdown else ()
        if event.returncode not in (EXIT_OK, *asked):
            raise RunFailedError(
                f"{event.process_name} ended with exit code {event.returncode}"
            )
        return [] if context.is_shutdown else [_shutdown(f"{event.process_name} ended")]

    return _on_exit(action, on_exit)


def _ends_of(action: ExecuteProcess, name: str) -> list[RegisterEventHandler]:
    """Return what ends the run where another life of `action` would not help."""
    lives, started_s = Lives(), [time.monotonic()]

    def on_start(_event: Any, _context: LaunchContext) -> None:
        started_s[0] = time.monotonic()

    def on_exit(event: Any, context: LaunchContext) -> list[Any]:
        if context.is_shutdown:
            return []
        now_s = time.monotonic()
        lived_s = now_s - started_s[0]
        outlook = outlook_after(lives, event.returncode, lived_s=lived_s, now_s=now_s)
        if outlook.goes_on:
            return []  # launch itself starts it again
        reason = f"{name}: {outlook.value}"
        if outlook is Outlook.DONE:
            return [_shutdown(reason)]
        raise RunFailedError(reason)

    started = OnProcessStart(target_action=action, on_start=on_start)
    return [RegisterEventHandler(started), _on_exit(action, on_exit)]


def _on_exit(action: ExecuteProcess, on_exit: Handler) -> RegisterEventHandler:
    return RegisterEventHandler(OnProcessExit(target_action=action, on_exit=on_exit))


def _shutdown(reason: str) -> EmitEvent:
    return EmitEvent(event=ShutdownEvent(reason=reason))
