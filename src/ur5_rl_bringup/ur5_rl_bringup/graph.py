"""The node graph, as data: the only description of what runs and how it is wired.

Two thin readers start it: `supervisor.py` (the `ur5rl` command) and `launch_actions.py`
(`ros2 launch`). Neither knows a node by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from sac_learner.core.architectures import SEQUENTIAL
from sac_learner.core.process_environment import MALLOC_ENVIRONMENT
from ur5_rl_bringup.learnt import DESCRIPTION, has_learnt
from ur5_rl_bringup.options import RunOptions
from ur5_rl_env.core.task import FIRST_EVALUATION_EPISODE
from ur5_rl_ros.domain import profiles_variable
from ur5_rl_ros.param_files import values_for_node

# A shared machine runs out of cores when the learner starts or a person compiles: what
# stands between a sample and the arm goes first, what can wait goes last.
NICE_CONTROL, NICE_SENSOR, NICE_FACE, NICE_LEARNER = -15, -10, 5, 10

# Ages in action cycles at which a command is no longer followed and an observation is no
# longer answered: the defaults of the two nodes at their default cycle.
COMMAND_AGE_CYCLES, OBSERVATION_AGE_CYCLES = 1.25, 3.0

LINGER_S = 2.0  # all are asked to stop at once; the arm node needs the robot to brake
SCREEN_FILE = "screen"
POSE_FILE = "true_pose"
RECOVERIES_FILE = "recoveries"
STOP_FILE = "stopped"

DESCRIPTIONS = (DESCRIPTION, "run_[0-9]*.json")  # of the newest part of a run, of others
EPISODES_PER_PART = 10_000  # two parts of a run that was resumed share no episode


class OnExit(Enum):
    """What the end of a process means for the rest."""

    RESTART = "restart"  # the others see its silence and wait; a fresh one takes over
    SHUTDOWN = "shutdown"  # the run is over


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process of the graph.

    Attributes:
        name: Node name, and its key in parameter files.
        package: Python and ROS package.
        executable: Console script; its module is `package.nodes.executable`.
        parameters: Overrides, stronger than every file.
        on_exit: What its end means.
        environment: Variables on top of `ENVIRONMENT`.
        nice: Scheduling priority, -20 (first) to 19 (last); below 0 where it is allowed.
        is_node: Whether it is a ROS node.
    """

    name: str
    package: str
    executable: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    on_exit: OnExit = OnExit.RESTART
    environment: Mapping[str, str] = field(default_factory=dict)
    nice: int = 0
    is_node: bool = True

    @property
    def module(self) -> str:
        """Python module whose `main` is the process."""
        return f"{self.package}.nodes.{self.executable}"


def environment(root: Path, peer: str = "") -> dict[str, str]:
    """Return the variables that every process of the graph needs.

    Args:
        root: Top folder of the checkout.
        peer: The other machine of a graph on two; "" = nothing leaves this one.
    """
    profile = "fastdds_network.xml" if peer else "fastdds.xml"
    variables = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        profiles_variable(): str(root / "config" / profile),
        "OMP_NUM_THREADS": "1",  # the learner sets its own number
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",  # a queue.py in the user's folder is not ours
    }
    if peer:
        # LOCALHOST would add a transport of its own beside the profile's, and all that
        # leaves the machine would leave it twice.
        variables["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SUBNET"
        variables["ROS_STATIC_PEERS"] = peer
    return variables


def parameter_files(options: RunOptions) -> tuple[Path, ...]:
    """Return the parameter files of a run, later ones stronger."""
    config = options.root / "config"
    names = (options.world, options.task, f"learner_{options.preset}")
    ours = [config / f"{name}.yaml" for name in names]
    return (*(path for path in ours if path.is_file()), *options.params)


def graph(options: RunOptions, shared_dir: Path) -> tuple[Process, ...]:
    """Return this machine's processes. `shared_dir` holds what the simulation shares."""
    if options.robot_host:
        return (_learner(options),)
    processes = [
        _arm(options, shared_dir),
        _camera(options, shared_dir),
        _display(options, shared_dir),
        _env(options, shared_dir),
        _actor(options),
        _dry_run(options) if options.dry_run else _monitor(options),
    ]
    if options.world == "sim":
        processes.insert(0, _controller(options, shared_dir))
    learners = [_learner(options)] if options.learns else []
    nodes = [p.name for p in processes + learners if p.is_node]  # wherever they run
    if not options.learner_host:
        processes += learners
    return (*processes, _watch(options, nodes))


def node_names(options: RunOptions) -> frozenset[str]:
    """Return the names that parameter files may use, whether this run has them or not."""
    everything = replace(
        options,
        world="sim",
        policy="sac",
        checkpoint="",
        resume=False,
        headless=False,
        dry_run=False,
        learner_host="",
        robot_host="",
    )
    runs = (everything, replace(everything, dry_run=True))
    return frozenset(process.name for run in runs for process in graph(run, Path()))


def _controller(options: RunOptions, shared_dir: Path) -> Process:
    return Process(
        name="controller",
        package="ur5_sim",
        executable="controller",
        parameters={
            "pose_file": str(shared_dir / POSE_FILE),
            "linger_s": LINGER_S,
        }
        | _given(address=options.robot_ip),
        is_node=False,
        nice=NICE_CONTROL,
    )


def _arm(options: RunOptions, shared_dir: Path) -> Process:
    return Process(
        name="arm_node",
        package="ur5_rl_env",
        executable="arm_node",
        nice=NICE_CONTROL,
        parameters=_given(
            robot_ip=options.robot_ip,
            action_period_s=options.action_period_ms / 1e3,
            max_command_age_s=COMMAND_AGE_CYCLES * options.action_period_ms / 1e3,
            dry_run=options.dry_run,
            stop_file=str(shared_dir / STOP_FILE),
        ),
    )


def _camera(options: RunOptions, shared_dir: Path) -> Process:
    if options.world == "robot":
        return Process(
            name="camera_node",
            package="ur5_rl_env",
            executable="camera_node",
            nice=NICE_SENSOR,
        )
    return Process(
        name="camera_node",
        package="ur5_sim",
        executable="camera_node",
        parameters={
            "screen_file": str(shared_dir / SCREEN_FILE),
            "pose_file": str(shared_dir / POSE_FILE),
            "seed": options.seed,
        },
        nice=NICE_SENSOR,
    )


def _display(options: RunOptions, shared_dir: Path) -> Process:
    parameters: dict[str, Any] = {"seed": options.seed, "motion": options.task}
    if options.world == "sim":
        parameters["screen_file"] = str(shared_dir / SCREEN_FILE)
        parameters["screen"] = "offscreen" if options.headless else "window"
    return Process(
        name="display_node",
        package="target_display",
        executable="display_node",
        parameters=parameters,
        nice=NICE_SENSOR,
    )


def _env(options: RunOptions, shared_dir: Path) -> Process:
    parameters = _given(action_period_s=options.action_period_ms / 1e3)
    parameters["recoveries_file"] = str(shared_dir / RECOVERIES_FILE)
    parameters |= _given(first_episode=_first_episode(options))
    if options.learns and options.architecture:
        parameters["waits_for_learner"] = options.architecture == SEQUENTIAL
    return Process(
        name="env_node",
        package="ur5_rl_env",
        executable="env_node",
        parameters=parameters,
        nice=NICE_CONTROL,
    )


def _first_episode(options: RunOptions) -> int:
    """Return the number of a run's first episode, 0 = the usual: no target comes twice.

    A checkpoint acts in the episodes of evaluations. A run that goes on begins with a
    number that none of its earlier parts has reached.
    """
    if options.checkpoint:
        return FIRST_EVALUATION_EPISODE
    if not options.resume:
        return 0
    earlier = [path for name in DESCRIPTIONS for path in options.run_dir.glob(name)]
    return 1 + len(earlier) * EPISODES_PER_PART


def _actor(options: RunOptions) -> Process:
    acts_from_file = bool(options.checkpoint)
    return Process(
        name="actor_node",
        package="sac_learner",
        executable="actor_node",
        parameters={
            "policy": options.policy,
            "seed": options.seed,
            "deterministic": acts_from_file,
        }
        | _given(
            checkpoint=options.checkpoint,
            waits_for_policy=options.resume and has_learnt(options.run_dir),
            max_observation_age_s=OBSERVATION_AGE_CYCLES * options.action_period_ms / 1e3,
        ),
        environment=MALLOC_ENVIRONMENT,
        nice=NICE_CONTROL,
    )


def _learner(options: RunOptions) -> Process:
    return Process(
        name="learner_node",
        package="sac_learner",
        executable="learner_node",
        parameters={
            "run_dir": str(options.run_dir),
            "seed": options.seed,
            "resume": options.resume,
        }
        | _given(
            architecture=options.architecture,
            action_period_s=options.action_period_ms / 1e3,
        ),
        environment=MALLOC_ENVIRONMENT,
        # In the sequential architecture it stands between a sample and the arm, too.
        nice=NICE_SENSOR if options.architecture == SEQUENTIAL else NICE_LEARNER,
    )


def _watch(options: RunOptions, nodes: list[str]) -> Process:
    return Process(
        name="watch_node",
        package="ur5_rl_bringup",
        executable="watch_node",
        parameters={"nodes": nodes}
        | _given(action_period_s=options.action_period_ms / 1e3),
        nice=NICE_CONTROL,
    )


def _monitor(options: RunOptions) -> Process:
    return Process(
        name="monitor_node",
        package="ur5_rl_bringup",
        executable="monitor_node",
        parameters={
            "task": options.task,
            "policy": "checkpoint" if options.checkpoint else options.policy,
            "mode": "eval" if options.checkpoint else "train",
            "seed": options.seed,
            "run_dir": str(options.run_dir),
            "max_episodes": options.episodes,
            "max_minutes": float(options.minutes),
        }
        | _given(report=options.report),
        on_exit=OnExit.SHUTDOWN,
        nice=NICE_FACE,
    )


def _dry_run(options: RunOptions) -> Process:
    return Process(
        name="dry_run_node",
        package="ur5_rl_bringup",
        executable="dry_run_node",
        parameters={"max_minutes": float(options.minutes)} | _arm_box(options),
        on_exit=OnExit.SHUTDOWN,
        nice=NICE_FACE,
    )


def _arm_box(options: RunOptions) -> dict[str, Any]:
    """Return the walls that the parameter files give to arm_node, if they do."""
    values: dict[str, Any] = {}
    for path in parameter_files(options):
        values |= values_for_node(path, "arm_node")
    return {k: v for k, v in values.items() if k in ("box_lower_m", "box_upper_m")}


def _given(**values: str | float) -> dict[str, Any]:
    """Return what was chosen; "" and 0 leave a value to the parameter files."""
    return {name: value for name, value in values.items() if value}
