"""The machine under the graph: its clock jumps, its cores are taken, its disk is full."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np

from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.faults.case import Case, Verdict, named_after_ms
from ur5_rl_experiments.faults.graph_under_test import (
    GraphSpec,
    GraphUnderTest,
    busy_cores,
    graph_under_test,
)
from ur5_rl_experiments.faults.shifted_clock import COMPILER, shifted_clock
from ur5_rl_interfaces.msg import ArmStatus, EpisodeSummary, LearnerStatus

JUMPS_S = (-30.0, 30.0, -3600.0)
AFTER_JUMP_S = 9.0  # holds one whole episode at least
CYCLE_GAP_LIMIT_MS = 50.0
EPISODE_ERROR = 0.01
HOG_S = 15.0
HOGS_PER_CORE = 2
COMMAND_AGE_LIMIT_MS = 120.0
DISK_MB = 96
FULL_NAMED_LIMIT_MS = 5000.0
ROOM_AGAIN_S = 30.0


def clock_jumps(root: Path, rng: Random) -> Outcome:
    """System time jumps by -30 s, +30 s and -1 h under all processes but this one."""
    verdict = Verdict()
    gaps_ms, named_ms = [], []
    with (
        shifted_clock() as clock,
        graph_under_test(root, GraphSpec(variables=clock.variables)) as graph,
    ):
        for jump_s in rng.sample(JUMPS_S, len(JUMPS_S)):
            graph.wait("an episode", lambda: graph.is_running(20), 30.0)
            jump_ns = time.monotonic_ns()
            clock.shift(jump_s)
            time.sleep(AFTER_JUMP_S)
            gaps_ms.append(_check_jump(graph, jump_ns, jump_s, verdict))
            named_ms.append(named_after_ms(graph, jump_ns, "system time"))
    verdict.true(None not in named_ms, "a jump was not named")
    return Outcome(
        detector="watch_node: system against steady time",
        detect_ms=max(ms or 0.0 for ms in named_ms),
        failures=tuple(verdict.failures),
        notes={"longest cycle [ms]": max(gaps_ms)},
    )


def _check_jump(
    graph: GraphUnderTest, jump_ns: int, jump_s: float, verdict: Verdict
) -> float:
    """Look at the episodes around a jump; return the longest action cycle [ms]."""
    episodes = graph.ear.all_since(EpisodeSummary, jump_ns)
    verdict.true(episodes, f"no episode ended after a jump of {jump_s} s")
    for episode in episodes:
        verdict.true(
            episode.end == "time_limit", f"jump of {jump_s} s: episode cut: {episode.end}"
        )
        error = abs(episode.duration_s / 4.0 - 1.0)
        verdict.at_most("episode's length is off by", error, EPISODE_ERROR)
    hz = [s.joint_states_hz for s in graph.ear.all_since(ArmStatus, jump_ns)]
    verdict.true(min(hz, default=0.0) > 100.0, f"joint states fell to {min(hz):.0f} Hz")
    longest_ms = max((ms for e in episodes for ms in e.cycle_ms), default=0.0)
    verdict.at_most("longest action cycle [ms]", longest_ms, 40.0 + CYCLE_GAP_LIMIT_MS)
    return longest_ms


def cores_are_taken(graph: GraphUnderTest, rng: Random) -> Outcome:
    """Two busy processes for each core: commands stay fresh, or the arm stops."""
    graph.wait("an episode", graph.is_running, 30.0)
    verdict = Verdict()
    before = graph.robot("state")["events"]
    fault_ns = time.monotonic_ns()
    with busy_cores(HOGS_PER_CORE * len(os.sched_getaffinity(0))):
        time.sleep(HOG_S)
    statuses = graph.ear.all_since(ArmStatus, fault_ns)
    ages_ms = [s.command_age_ms for s in statuses if s.state == ArmStatus.MOVING]
    age_ms = float(np.percentile(ages_ms, 99)) if ages_ms else 0.0
    verdict.at_most(
        "command's age while it is followed, p99 [ms]", age_ms, COMMAND_AGE_LIMIT_MS
    )
    motion = graph.motion_since(fault_ns)
    fastest = float(motion.speed.max())
    verdict.at_most("fastest joint [rad/s]", fastest, 1.05 * 1.01)
    stops = _protective_stops(before, graph.robot("state")["events"])
    late = [line for line in stops if "RTDE watchdog" in line]  # a stop as it should be
    verdict.true(stops == late, f"the robot stopped: {set(stops) - set(late)}")
    episodes = graph.ear.all_since(EpisodeSummary, fault_ns)
    recover_s = graph.await_episode(time.monotonic_ns())
    cycles = [ms for e in episodes for ms in e.cycle_ms]
    return Outcome(
        detector="arm_node: age of the command",
        recover_s=recover_s,
        failures=tuple(verdict.failures),
        notes={
            "command age p99 [ms]": age_ms,
            "cycle p99 [ms]": float(np.percentile(cycles, 99)) if cycles else 0.0,
            "episodes cut": sum(e.end != "time_limit" for e in episodes),
            "stopped by the robot's watchdog": len(late),
        },
    )


def disk_is_full(root: Path, rng: Random) -> Outcome:
    """The run's own small disk fills up while it learns, and is emptied again."""
    with _small_disk(DISK_MB) as disk:
        spec = GraphSpec(
            words=("--policy", "sac"),
            parameters={
                "learner_node": {"learning_starts": 50, "checkpoint_period_s": 2.0}
            },
        )
        with graph_under_test(root, spec, run_dir=disk / "run") as graph:
            return _fill(graph, disk)


def _fill(graph: GraphUnderTest, disk: Path) -> Outcome:
    verdict = Verdict()
    checkpoints = disk / "run" / "checkpoints"
    graph.wait("a checkpoint", lambda: list(checkpoints.glob("*/manifest.json")), 90.0)
    ballast = disk / "ballast"
    fault_ns = time.monotonic_ns()
    _write_until_full(ballast)
    named_ms = graph.wait(
        "the full disk to be named",
        lambda: named_after_ms(graph, fault_ns, "No space left"),
        20.0,
    )
    verdict.at_most("named after [ms]", named_ms, FULL_NAMED_LIMIT_MS)
    updates = graph.ear.newest(LearnerStatus).updates
    time.sleep(8.0)
    grown = graph.ear.newest(LearnerStatus).updates - updates
    verdict.true(grown > 0, "learning stood still")
    lost = graph.ear.newest(LearnerStatus).transitions_lost
    verdict.true(lost == 0, f"{lost} time steps lost")
    newest = max(checkpoints.glob("*/manifest.json")).parent
    ballast.unlink()
    back_ns = time.monotonic_ns()
    graph.wait(
        "a checkpoint after there was room again",
        lambda: max(checkpoints.glob("*/manifest.json")).parent.name > newest.name,
        ROOM_AGAIN_S,
    )
    return Outcome(
        detector="learner_node: each write",
        detect_ms=named_ms,
        recover_s=(time.monotonic_ns() - back_ns) / 1e9,
        failures=tuple(verdict.failures),
    )


def _write_until_full(path: Path) -> None:
    block = bytes(256 * 1024)
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                if file.write(block) < len(block):
                    return
        except OSError:
            return


@contextmanager
def _small_disk(size_mb: int) -> Iterator[Path]:
    """Mount a file system of so many megabytes; needs the right to mount.

    Raises:
        OSError: it may not.
    """
    folder = Path(tempfile.mkdtemp(prefix="ur5rl-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "ur5rl", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"a small disk cannot be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _protective_stops(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Return the robot's protective stops among the events that are new."""
    new = [line for line in after if line not in before]
    return [line for line in new if "protective stop (" in line]


CASES = (
    Case(
        fault="F16",
        title="wall clock jumps",
        injection="-30 s, +30 s, -1 h under all processes (preloaded clock)",
        limit="no stop, longest cycle <= 90 ms, episodes 4 s +- 1 %, named",
        run=clock_jumps,
        spec=None,
        needs=(COMPILER,),
    ),
    Case(
        fault="F20",
        title="disk full",
        injection="the run's own disk of 96 MB filled, then emptied",
        limit="named <= 5 s, learning goes on, 0 lost, writes again",
        run=disk_is_full,
        spec=None,
    ),
    Case(
        fault="F22",
        title="cores taken",
        injection="two busy processes a core for 15 s",
        limit="age of followed commands p99 <= 120 ms, or a stop; no limit broken",
        run=cores_are_taken,
    ),
)
