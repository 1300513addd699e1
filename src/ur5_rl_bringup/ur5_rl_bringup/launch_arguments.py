"""What `ros2 launch` may be given, and the options that it comes to. Needs no launch."""

import time
from collections.abc import Collection
from pathlib import Path

from ur5_rl_bringup.options import RunOptions, is_headless, task_of

ARGUMENTS = {  # name: (default, description)
    "task": ("", "reaching, tracking or static; default as learnt, else reaching"),
    "policy": ("sac", "sac, servo, random or zero; only sac learns"),
    "preset": ("cpu", "cpu (64x36) or thesis (160x90)"),
    "architecture": ("", "sequential, async_1 or async_2; default as in the files"),
    "action_period_ms": ("0", "time between two actions; 0: as in the files"),
    "seed": ("0", "of targets, exploration, networks and sampling"),
    "params": ("", "parameter file that is stronger than those in config/"),
    "episodes": ("0", "end after this many; 0: no limit"),
    "minutes": ("0", "end after this many; 0: no limit"),
    "headless": ("false", "draw the target off screen; sim: so also without a display"),
    "resume": ("false", "go on from the newest checkpoint in run_dir"),
    "checkpoint": ("", "act from this checkpoint without exploration"),
    "report": ("", "JSON file for other programs"),
    "dry_run": ("false", "send zero velocity alone, tell what would have been sent"),
    "robot_ip": ("", "address of the robot, stronger than the parameter files"),
    "learner_host": ("", "machine that learns, by learner.launch.py; default this one"),
    "run_dir": (
        "",
        "folder of the run; default runs/DATE_TASK_POLICY_SEED",
    ),
}
# What launch and launch_ros themselves keep among the arguments.
LAUNCH_OWN = (
    "emulate_tty",
    "global_params",
    "launch-prefix",
    "launch-prefix-filter",
    "ros_namespace",
    "ros_remaps",
    "sigkill_timeout",
    "sigterm_timeout",
)


def check_names(given: Collection[str], known: Collection[str]) -> None:
    """Refuse arguments that mean nothing here, which launch itself takes in silence.

    A misspelt dry_run must not let an arm move.

    Raises:
        ValueError: names them and those that exist.
    """
    if unknown := sorted(set(given) - set(known) - set(LAUNCH_OWN)):
        raise ValueError(
            f"unknown launch argument {', '.join(unknown)}; "
            f"known are {', '.join(sorted(known))}"
        )


def options_of(given: dict[str, str], root: Path, world: str) -> RunOptions:
    """Turn the arguments of a launch into the options of a run.

    Raises:
        ValueError: one of them is wrong; names it.
    """
    given = dict(given)
    learnt_in = given["run_dir"] if _is_true("resume", given["resume"]) else ""
    given["task"] = given["task"] or task_of(given["checkpoint"] or learnt_in)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    default = f"{stamp}_{given['task']}_{given['policy']}_{given['seed']}"
    return RunOptions(
        root=root,
        run_dir=Path(given.pop("run_dir") or _runs(root) / default).resolve(),
        world=world,
        params=tuple(Path(p) for p in (given.pop("params"),) if p),
        action_period_ms=float(given.pop("action_period_ms")),
        seed=int(given.pop("seed")),
        episodes=int(given.pop("episodes")),
        minutes=float(given.pop("minutes")),
        headless=is_headless(
            world,
            given.get("robot_host", ""),
            asked=_is_true("headless", given.pop("headless")),
        ),
        resume=_is_true("resume", given.pop("resume")),
        dry_run=_is_true("dry_run", given.pop("dry_run")),
        **given,
    )


def _runs(root: Path) -> Path:
    """Return where runs are kept: beside the sources; where we are installed, here."""
    return (root if (root / "src").is_dir() else Path.cwd()) / "runs"


def _is_true(name: str, text: str) -> bool:
    """Read a switch; a word that is none must not let an arm move."""
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(f"{name} must be true or false, got '{text}'")
    return text.lower() in ("true", "1")
