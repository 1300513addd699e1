"""The `ur5rl` command: runs, evaluates and tests. `./ur5rl --help` shows the rest."""

import argparse
import asyncio
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import ur5_rl_bringup
from sac_learner.core.architectures import ARCHITECTURES
from ur5_rl_bringup.first_run import checklist
from ur5_rl_bringup.graph import Process, environment, graph, parameter_files
from ur5_rl_bringup.options import (
    POLICIES,
    PRESETS,
    TASKS,
    WORLDS,
    RunOptions,
    is_headless,
    task_of,
)
from ur5_rl_bringup.resolved import (
    check_parameters,
    log_file,
    robot_of,
    write_parameters,
    write_run_description,
)
from ur5_rl_bringup.shared_folder import shared_folder
from ur5_rl_bringup.supervisor import Child, Supervisor
from ur5_rl_ros.domain import claim_for_run

EXIT_USAGE = 2
ARCHITECTURE_HELP = "who waits for whom while it learns; default async_2"
EXPERIMENT_COMMANDS = ("bench", "experiment", "eval", "faults", "fuzz", "soak")
REAL_TIME = "--real-time"  # eval through the whole graph
SUFFIXES = {"eval": "_eval", "dry-run": "_dry_run"}  # of run folders
# Of what some commands do not ask for.
DEFAULTS = {
    "architecture": "",
    "checkpoint": "",
    "episodes": 0,
    "headless": False,
    "learner_host": "",
    "minutes": 0.0,
    "report": "",
    "resume": None,
    "robot_host": "",
    "robot_ip": "",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that `argv` (root folder, then the words typed) asks for."""
    root, *words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["test"]:  # pytest knows its own options
        sys.exit(run_tests(Path(root), words[1:]))
    if words[:1] == ["call"]:
        # By name: rclpy takes half a second to import, which the others do without.
        call = importlib.import_module("ur5_rl_bringup.call")
        sys.exit(call.main(Path(root), words[1:]))
    if words[:1] and words[0] in EXPERIMENT_COMMANDS and REAL_TIME not in words:
        # By name: that package stands above this one.
        commands = importlib.import_module("ur5_rl_experiments.commands")
        sys.exit(commands.main(Path(root), words))
    arguments = parser().parse_args(words)
    try:
        options = options_from(arguments, Path(root))
        code = run_graph(options, verbose=arguments.verbose)
    except ValueError as error:
        print(f"ur5rl: error: {error}", file=sys.stderr)
        code = EXIT_USAGE
    sys.exit(code)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="ur5rl", description=ur5_rl_bringup.__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    sim = commands.add_parser("sim", help="run the graph on the virtual robot")
    robot = commands.add_parser("robot", help="run the graph on a real UR5")
    evaluate = commands.add_parser("eval", help="compare checkpoints, noise-free")
    evaluate.add_argument("checkpoint", help="a folder run_dir/checkpoints/NUMBER")
    dry_run = commands.add_parser("dry-run", help="real sensors, no motion: before all")
    learner_help = "learn for a graph on another machine: its sim or robot --learner"
    learner = commands.add_parser("learner", help=learner_help)
    graph_help = "through the whole graph; without it: in this process, many at once"
    evaluate.add_argument(REAL_TIME, action="store_true", help=graph_help)
    commands.add_parser("call", help="ask a run to stop or recover its arm")
    commands.add_parser("test", help="run the tests (further words go to pytest)")
    commands.add_parser("bench", help="measure what things cost")
    commands.add_parser("experiment", help="compare architectures in virtual time")
    commands.add_parser("faults", help="inject faults; see what the arm does")
    commands.add_parser("fuzz", help="mutated messages and files: who breaks?")
    commands.add_parser("soak", help="hours of the graph: does anything grow?")
    sim.set_defaults(world="sim")
    robot.set_defaults(world="robot")
    evaluate.set_defaults(world="sim", policy="sac")
    learner.set_defaults(world="robot", policy="sac")
    for command in (sim, robot, evaluate):
        _add_graph_options(command, minutes=0.0)
        _add_result_options(command, episodes=10 if command is evaluate else 0)
    for command in (sim, robot):
        _add_policy_options(command)
        _add_learning_options(command)
    _add_graph_options(dry_run, minutes=1.0)
    _add_dry_run_options(dry_run)
    _add_run_options(learner)
    _add_learning_options(learner)
    host_help = "the machine of all the rest: name or address"
    learner.add_argument(
        "--robot", dest="robot_host", required=True, metavar="HOST", help=host_help
    )
    return top


def _add_run_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    task_help = "default: that of the checkpoint or of --resume RUN_DIR, else reaching"
    add("--task", choices=TASKS, help=task_help)
    add("--seed", type=int, default=0)
    add("--preset", choices=PRESETS, default="cpu", help="network and images")
    period_help = "time between two actions, for every node; 0: as in the files"
    add("--action-period-ms", type=float, default=0.0, metavar="MS", help=period_help)
    add("--params", type=Path, action="append", default=[], metavar="FILE")
    add("--run-dir", type=Path, help="default: runs/DATE_TASK_POLICY_SEED")
    add("--verbose", action="store_true", help="show what the nodes log")


def _add_graph_options(command: argparse.ArgumentParser, minutes: float) -> None:
    _add_run_options(command)
    add = command.add_argument
    add("--minutes", type=float, default=minutes, help="0: no limit")
    add("--headless", action="store_true", help="draw the target off screen")
    add("--robot-ip", default="", help="stronger than the parameter files")


def _add_result_options(command: argparse.ArgumentParser, episodes: int) -> None:
    add = command.add_argument
    add("--episodes", type=int, default=episodes, help="0: no limit")
    add("--report", default="", metavar="FILE.json", help="results for other programs")


def _add_policy_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--policy", choices=POLICIES, help="default sac, which learns")
    checkpoint_help = "act from run_dir/checkpoints/NUMBER, noise-free; nothing learns"
    add("--checkpoint", default="", metavar="DIR", help=checkpoint_help)
    host_help = "machine that learns, by `ur5rl learner`; default: this one"
    add("--learner", dest="learner_host", default="", metavar="HOST", help=host_help)


def _add_learning_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--architecture", choices=ARCHITECTURES, default="", help=ARCHITECTURE_HELP)
    resume_help = "go on with the newest run, or with RUN_DIR"
    add("--resume", nargs="?", const="", metavar="RUN_DIR", help=resume_help)


def _add_dry_run_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--world", choices=WORLDS, default="robot")
    add("--policy", choices=POLICIES, help="default servo; sac: see --checkpoint")
    add("--checkpoint", default="", metavar="DIR", help="whose actions are told")


def options_from(arguments: argparse.Namespace, root: Path) -> RunOptions:
    """Turn what was typed into the options of a run.

    Raises:
        ValueError: something that was named does not exist or does not fit.
    """
    typed = argparse.Namespace(**DEFAULTS | vars(arguments))
    if typed.policy is None:
        is_servo = typed.command == "dry-run" and not typed.checkpoint
        typed.policy = "servo" if is_servo else "sac"
    typed.task = typed.task or task_of(typed.checkpoint or typed.resume)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    name = f"{stamp}_{typed.task}_{typed.policy}_{typed.seed}"
    run_dir = typed.run_dir or root / "runs" / (name + SUFFIXES.get(typed.command, ""))
    if typed.resume is not None:
        run_dir = (
            Path(typed.resume) if typed.resume else _newest_run(root / "runs", typed)
        )
        if not (run_dir / "checkpoints").is_dir():
            raise ValueError(f"resume: {run_dir} holds no checkpoints")
    return RunOptions(
        root=root,
        run_dir=run_dir.resolve(),
        world=typed.world,
        task=typed.task,
        policy=typed.policy,
        preset=typed.preset,
        architecture=typed.architecture,
        action_period_ms=typed.action_period_ms,
        seed=typed.seed,
        params=tuple(path.resolve() for path in typed.params),
        episodes=typed.episodes,
        minutes=typed.minutes,
        headless=is_headless(typed.world, typed.robot_host, asked=typed.headless),
        resume=typed.resume is not None,
        checkpoint=_absolute(typed.checkpoint),
        report=_absolute(typed.report),
        robot_ip=typed.robot_ip,
        dry_run=typed.command == "dry-run",
        learner_host=typed.learner_host,
        robot_host=typed.robot_host,
    )


def _absolute(path: str) -> str:
    return str(Path(path).resolve()) if path else ""


def _newest_run(runs: Path, typed: argparse.Namespace) -> Path:
    """Return the newest run that may go on: of the same task, with the same robot."""
    pattern = f"*_{typed.task}_sac_*/checkpoints"
    found = [path.parent for path in runs.glob(pattern)]
    whose = typed.robot_host or typed.world
    found = [run for run in found if robot_of(run) == whose]
    if not found:
        raise ValueError(
            f"resume: {runs} holds no run of {typed.task} ({whose}) with a checkpoint"
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def run_graph(options: RunOptions, *, verbose: bool) -> int:
    """Start the graph, wait for its end; return the exit code.

    Raises:
        ValueError: a parameter file is wrong, another run has the ROS domain, or the
            run's folder cannot be written.
    """
    check_parameters(options, parameter_files(options))
    with claim_for_run(options.part):
        return _run_claimed(options, verbose=verbose)


def _run_claimed(options: RunOptions, *, verbose: bool) -> int:
    processes = graph(options, shared_folder())
    try:
        options.run_dir.mkdir(parents=True, exist_ok=True)
        write_run_description(options, processes)
        children = [started_as(process, options) for process in processes]
    except OSError as error:
        where = error.filename or options.run_dir
        raise ValueError(f"run folder: {where}: {error.strerror}") from None
    if options.dry_run:
        print("\n".join(checklist(options.root)))
    print(_greeting(options), flush=True)
    return asyncio.run(Supervisor(children, verbose=verbose).run())


def _greeting(options: RunOptions) -> str:
    if options.robot_host:
        return (
            f"ur5rl: learns for {options.robot_host}, {options.task}, "
            f"preset {options.preset}, seed {options.seed}\n"
            f"ur5rl: run folder {options.run_dir}\nur5rl: Ctrl-C saves and ends"
        )
    who = options.checkpoint or options.policy
    world = f"{options.world}, dry run" if options.dry_run else options.world
    screen = "off screen" if options.headless else "in a window"
    far = f", learner at {options.learner_host}" if options.learner_host else ""
    return (
        f"ur5rl: {world}, {options.task}, policy {who}{far}, preset {options.preset}, "
        f"seed {options.seed}; target {screen}\nur5rl: run folder {options.run_dir}\n"
        "ur5rl: Ctrl-C stops the arm, saves and ends"
    )


def started_as(process: Process, options: RunOptions) -> Child:
    """Return how a process is started; its parameters are then in its own file."""
    words = ("--ros-args", "--params-file", str(write_parameters(process, options)))
    ours = environment(options.root, options.peer)
    # What a terminal was told for one machine does not hold for two.
    shared = {**os.environ, **ours} if options.peer else {**ours, **os.environ}
    return Child(
        process=process,
        command=(sys.executable, "-m", process.module, *words),
        environment={**shared, **process.environment},
        log_path=log_file(process, options),
    )


def run_tests(root: Path, words: Sequence[str]) -> int:
    """Run pytest with the graph's environment and rclpy's field checks on.

    A test marked `realtime` that fails is tried twice more, and the summary names it:
    it may have met a machine that stood still for a tenth of a second.
    """
    variables = {**os.environ, **environment(root), "ROS_PYTHON_CHECK_FIELDS": "1"}
    command = [sys.executable, "-m", "pytest", "--reruns", "2", "-rfER", *words]
    return subprocess.run(command, cwd=root, env=variables, check=False).returncode


if __name__ == "__main__":
    main()
