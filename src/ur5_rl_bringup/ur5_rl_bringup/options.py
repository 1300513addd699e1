"""What a person may choose when starting the graph: one type for both readers."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from sac_learner.core.architectures import ARCHITECTURES
from ur5_rl_bringup.learnt import learnt_period_ms, learnt_task
from ur5_rl_env.core.task import ACTION_PERIOD_S

TASKS = ("reaching", "tracking", "static")
POLICIES = ("sac", "servo", "random", "zero")
PRESETS = ("cpu", "thesis")
WORLDS = ("sim", "robot")
DISPLAY_VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY")
MIN_ACTION_PERIOD_MS, MAX_ACTION_PERIOD_MS = 20.0, 300.0


def task_of(folder: str | None) -> str:
    """Return the task that a checkpoint or a run has learnt, else the usual one."""
    learnt = learnt_task(Path(folder)) if folder else ""
    return learnt if learnt in TASKS else TASKS[0]


def is_headless(world: str, robot_host: str = "", *, asked: bool) -> bool:
    """Return whether the target is drawn off screen: asked for, or nowhere to show it.

    A real camera needs a real monitor: there a missing one is an error of its node.
    """
    needs_screen = world == "robot" and not robot_host
    has_screen = any(os.environ.get(name) for name in DISPLAY_VARIABLES)
    return asked or not (has_screen or needs_screen)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The choices behind one run.

    Attributes:
        root: Top folder of the checkout, or the package's installed share: holds config/.
        run_dir: Where the run keeps everything it writes.
        world: "sim" (virtual robot and camera) or "robot".
        task: Motion of the target.
        policy: Who acts; only "sac" learns.
        preset: Image and network size: config/learner_<preset>.yaml.
        architecture: Who waits for whom while it learns; "" = as in the parameter files.
        action_period_ms: Time between two actions [ms]; 0 = as where `checkpoint` learnt,
            or as in the parameter files.
        seed: Of targets, exploration, networks and sampling.
        params: Parameter files of the user, applied after all others, in order.
        episodes: End after this many; 0 = no limit.
        minutes: End after this long [min]; 0 = no limit.
        headless: Draw off screen.
        resume: Go on from the newest checkpoint in `run_dir`.
        checkpoint: Act from this checkpoint without exploration; nothing learns.
        report: JSON file for other programs; "" = run_dir/report.json alone.
        robot_ip: Address of the robot; "" = as in the parameter files.
        dry_run: Decide everything, send zero velocity alone, tell what would have been
            sent; nothing learns.
        learner_host: Name or address of the machine that learns; "" = this one.
        robot_host: Name or address of the machine of all the rest, where this one does
            nothing but learn; "" = this one.
    """

    root: Path
    run_dir: Path
    world: str = "sim"
    task: str = "reaching"
    policy: str = "sac"
    preset: str = "cpu"
    architecture: str = ""
    action_period_ms: float = 0.0
    seed: int = 0
    params: tuple[Path, ...] = ()
    episodes: int = 0
    minutes: float = 0.0
    headless: bool = False
    resume: bool = False
    checkpoint: str = ""
    report: str = ""
    robot_ip: str = ""
    dry_run: bool = False
    learner_host: str = ""
    robot_host: str = ""

    def __post_init__(self) -> None:
        for name, choices in (
            ("world", WORLDS),
            ("task", TASKS),
            ("policy", POLICIES),
            ("preset", PRESETS),
            ("architecture", ("", *ARCHITECTURES)),
        ):
            value = getattr(self, name)
            if value not in choices:
                raise ValueError(f"{name} must be one of {choices}, got '{value}'")
        for name in ("seed", "episodes", "minutes"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)}")
        for path in self.params:
            if not path.is_file():
                raise ValueError(f"params: there is no file {path}")
        self._check_hosts()
        if self.headless and self.world == "robot" and not self.robot_host:
            raise ValueError("headless: a real camera needs a real monitor to look at")
        if self.checkpoint and self.policy != "sac":
            raise ValueError(f"policy {self.policy}: a checkpoint acts, leave it out")
        if self.resume and not self.learns:
            raise ValueError("resume: nothing learns in this run")
        if self.checkpoint:
            self._take_learnt_period()
        low_ms, high_ms = MIN_ACTION_PERIOD_MS, MAX_ACTION_PERIOD_MS
        if self.action_period_ms and not low_ms <= self.action_period_ms <= high_ms:
            raise ValueError(
                f"action_period_ms must be 0 or in [{low_ms:g}, {high_ms:g}], "
                f"got {self.action_period_ms}"
            )

    def _take_learnt_period(self) -> None:
        if not Path(self.checkpoint).is_dir():
            raise ValueError(f"checkpoint: there is no folder {self.checkpoint}")
        if not self.action_period_ms:
            period_ms = learnt_period_ms(Path(self.checkpoint))
            object.__setattr__(self, "action_period_ms", period_ms)  # still being made

    def _check_hosts(self) -> None:
        if self.peer and not self.learns:
            raise ValueError("learner_host, robot_host: nothing learns in this run")
        if self.learner_host and self.robot_host:
            raise ValueError("learner_host, robot_host: one of them is this machine")
        if self.learner_host and self.resume:
            raise ValueError("resume: it is the learner's, ask for it on its machine")
        if self.peer and not _has_address(self.peer):
            raise ValueError(f"learner_host, robot_host: no address of '{self.peer}'")

    @property
    def learns(self) -> bool:
        """Whether a learner is part of the graph, on this machine or another."""
        return self.policy == "sac" and not self.checkpoint and not self.dry_run

    @property
    def about_period(self) -> str:
        """What a person should know about the action period; "" if it is as always."""
        learnt_ms = learnt_period_ms(Path(self.checkpoint)) if self.checkpoint else 0.0
        now_ms = self.action_period_ms
        if learnt_ms and learnt_ms != now_ms:
            return (
                f"the policy learnt at {learnt_ms:g} ms an action, it acts at {now_ms:g}"
            )
        if learnt_ms and learnt_ms != 1e3 * ACTION_PERIOD_S:
            return f"an action takes {now_ms:g} ms, as where the policy learnt"
        return ""

    @property
    def part(self) -> str:
        """What of a graph this machine runs: the "learner" of another one, or "robot"."""
        return "learner" if self.robot_host else "robot"

    @property
    def peer(self) -> str:
        """The other machine of a graph on two; "" if it is on one."""
        return self.learner_host or self.robot_host


def _has_address(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None, socket.AF_INET))
    except (OSError, UnicodeError):
        return False
