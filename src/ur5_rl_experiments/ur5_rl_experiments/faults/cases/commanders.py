"""Who commands the arm dies, freezes, hangs or is asked to stop."""

import signal
import time
from pathlib import Path
from random import Random

import psutil

from sac_learner.core.checkpoint import newest_checkpoint, replay_dir
from sac_learner.core.replay_log import ReplayLog
from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.faults.case import (
    KILL_RUNS,
    Case,
    Verdict,
    killed,
    named_after_ms,
    stopped,
)
from ur5_rl_experiments.faults.graph_under_test import (
    GraphSpec,
    GraphUnderTest,
    graph_under_test,
)
from ur5_rl_experiments.faults.hang import hanging
from ur5_rl_interfaces.msg import ArmStatus, StopRequest

BRAKE_LIMIT_MS = 130.0  # at an action cycle of 40 ms
STOP_LIMIT_MS = 300.0
HOME_STOP_LIMIT_MS = 900.0  # silence of a node or the watch, then braking from 1.05 rad/s
WAY_HOME_RAD_S = 0.2
NAMED_LIMIT_MS = 250.0
PAUSE_S = 5.0
HANG_S = 1.0
LEARNS_S = 120.0  # until the first update at most
LEAVE_LIMIT_S = 5.0
MANY = 1_000_000  # transitions: no run here keeps as many
LATER_MOTION_NS = 50_000_000  # a command that was queued would be followed by then


def actor_dies(graph: GraphUnderTest, rng: Random) -> Outcome:
    """Kill -9 of the actor while the arm moves."""
    return _commander_dies(graph, rng, "actor_node")


def env_dies(graph: GraphUnderTest, rng: Random) -> Outcome:
    """Kill -9 of the environment while the arm moves."""
    return _commander_dies(graph, rng, "env_node")


def _commander_dies(graph: GraphUnderTest, rng: Random, node: str) -> Outcome:
    graph.await_restarts_left(node)
    graph.await_motion()
    time.sleep(rng.uniform(0.0, 0.04))
    return killed(
        graph,
        node,
        "arm_node: age of the command",
        brake_limit_ms=BRAKE_LIMIT_MS,
        stop_limit_ms=STOP_LIMIT_MS,
    )


def env_dies_on_the_way_home(graph: GraphUnderTest, rng: Random) -> Outcome:
    """Kill -9 of the environment while the arm goes to its start pose."""
    return _dies_on_the_way_home(graph, rng, "env_node", "watch_node: heartbeat")


def watch_dies_on_the_way_home(graph: GraphUnderTest, rng: Random) -> Outcome:
    """Kill -9 of the watch while the arm goes to its start pose: nobody watches it."""
    return _dies_on_the_way_home(graph, rng, "watch_node", "arm_node: nobody watches")


def _dies_on_the_way_home(
    graph: GraphUnderTest, rng: Random, node: str, detector: str
) -> Outcome:
    """Kill a node while nobody sends commands whose absence would stop the arm."""
    graph.await_restarts_left(node)
    graph.wait(
        "all nodes to be watched",
        lambda: graph.ear.value("watch_node", "env_node") == "alive",
        30.0,
    )
    graph.await_way_home(WAY_HOME_RAD_S)
    return killed(graph, node, detector, stop_limit_ms=HOME_STOP_LIMIT_MS)


def actor_freezes(graph: GraphUnderTest, rng: Random) -> Outcome:
    """SIGSTOP of the actor for some seconds, then SIGCONT: nothing old is executed."""
    graph.await_motion()
    time.sleep(rng.uniform(0.0, 0.04))
    verdict = Verdict()
    with graph.paused("actor_node") as fault_ns:
        motion = graph.await_rest(fault_ns)
        time.sleep(PAUSE_S)
    resumed_ns = time.monotonic_ns()
    recover_s = graph.await_episode(resumed_ns)
    episode_ns = resumed_ns + round(recover_s * 1e9)
    old = graph.ear.first_since(
        ArmStatus, resumed_ns, lambda msg: msg.state == ArmStatus.MOVING
    )
    is_old = old is not None and old.steady_ns < episode_ns - LATER_MOTION_NS
    verdict.true(not is_old, "a command from before the pause was executed")
    return stopped(
        motion,
        fault_ns,
        "arm_node: age of the command; watch_node: heartbeat",
        verdict,
        detect_ms=_asked_after_ms(graph, fault_ns),
        brake_limit_ms=BRAKE_LIMIT_MS,
        stop_limit_ms=STOP_LIMIT_MS,
        recover_s=recover_s,
    )


def actor_hangs(graph: GraphUnderTest, rng: Random) -> Outcome:
    """Python of the actor stands still while its DDS threads go on."""
    graph.wait(
        "the watch to know the actor",
        lambda: graph.ear.value("watch_node", "actor_node") == "alive",
        30.0,
    )
    graph.await_motion()
    time.sleep(rng.uniform(0.0, 0.04))
    verdict = Verdict()
    threads = graph.main_and_callback_threads("actor_node")
    fault_ns = time.monotonic_ns()
    with hanging(threads):
        time.sleep(HANG_S)
    motion = graph.await_rest(fault_ns)
    named_ms = named_after_ms(graph, fault_ns, "actor_node")
    verdict.at_most("named in /diagnostics after [ms]", named_ms, NAMED_LIMIT_MS)
    recover_s = graph.await_episode(time.monotonic_ns())
    return stopped(
        motion,
        fault_ns,
        "arm_node: age of the command; watch_node: heartbeat",
        verdict,
        detect_ms=named_ms,
        brake_limit_ms=BRAKE_LIMIT_MS,
        stop_limit_ms=STOP_LIMIT_MS,
        recover_s=recover_s,
    )


def _asked_after_ms(graph: GraphUnderTest, fault_ns: int) -> float | None:
    asked = graph.ear.first_since(StopRequest, fault_ns, lambda msg: msg.reason)
    return None if asked is None else (asked.steady_ns - fault_ns) / 1e6


def run_is_stopped(root: Path, rng: Random) -> Outcome:
    """Ctrl-C or SIGTERM of the whole run while a learner learns and the arm moves."""
    spec = GraphSpec(
        words=("--policy", "sac"),
        parameters={"learner_node": {"learning_starts": 50}},
    )
    number = rng.choice([signal.SIGINT, signal.SIGTERM])
    verdict = Verdict()
    with graph_under_test(root, spec) as graph:
        graph.wait("a learner that learns", graph.updates, LEARNS_S)
        graph.await_motion(0.2)
        children = psutil.Process(graph.run.child.pid).children(recursive=True)
        fault_ns = time.monotonic_ns()
        took_s = graph.stop(number)
        motion = graph.motion_since(fault_ns).stays_as_it_ends()
        left = [c for c in children if c.is_running() and c.status() != "zombie"]
        verdict.at_most("gone after [s]", took_s, LEAVE_LIMIT_S)
        verdict.true(not left, f"processes left behind: {left}")
        code = graph.run.child.returncode
        verdict.true(code == 0, f"exit code {code}")
        verdict.failures += _damage(graph.run.run_dir)
        verdict.true(
            "Traceback" not in graph.run.log_path.read_text(), "a traceback was printed"
        )
    return stopped(
        motion,
        fault_ns,
        "supervisor: signal",
        verdict,
        stop_limit_ms=1e3,
        notes={"all gone after [s]": took_s},
    )


def _damage(run_dir: Path) -> list[str]:
    """Return what of a run that has ended does not load: its checkpoint, its replay."""
    problems: list[str] = []
    steps = sum(1 for _ in ReplayLog(replay_dir(run_dir), MANY).read(problems))
    if not steps:
        problems.append("no time step was kept")
    return newest_checkpoint(run_dir)[1] + problems


CASES = (
    Case(
        fault="F1",
        title="actor dies",
        injection="SIGKILL, arm at 0.4 to 0.7 rad/s",
        limit="brakes <= 130 ms, rests <= 300 ms",
        run=actor_dies,
        runs=KILL_RUNS,
        is_quick=True,
    ),
    Case(
        fault="F1e",
        title="environment dies",
        injection="SIGKILL, arm at 0.4 to 0.7 rad/s",
        limit="brakes <= 130 ms, rests <= 300 ms",
        run=env_dies,
        runs=KILL_RUNS,
    ),
    Case(
        fault="F1h",
        title="environment dies on the way home",
        injection="SIGKILL while the arm goes to its start pose",
        limit="rests <= 900 ms",
        run=env_dies_on_the_way_home,
    ),
    Case(
        fault="F1w",
        title="watch dies on the way home",
        injection="SIGKILL while the arm goes to its start pose",
        limit="rests <= 900 ms",
        run=watch_dies_on_the_way_home,
    ),
    Case(
        fault="F2",
        title="actor frozen",
        injection="SIGSTOP for 5 s, SIGCONT",
        limit="as F1; 0 old commands executed afterwards",
        run=actor_freezes,
    ),
    Case(
        fault="F3",
        title="actor's Python hangs",
        injection="its Python threads held still, its DDS threads not",
        limit="as F1; named in /diagnostics <= 250 ms",
        run=actor_hangs,
        is_quick=True,
    ),
    Case(
        fault="F5",
        title="the run is asked to stop",
        injection="SIGINT or SIGTERM while it learns and moves",
        limit="all gone <= 5 s, exit code 0; checkpoint and replay load",
        run=run_is_stopped,
        spec=None,
    ),
)
