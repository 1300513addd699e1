"""The robot stops by itself, the link to it breaks, or who holds the link dies."""

import socket
import time
from pathlib import Path
from random import Random

from std_srvs.srv import Trigger

from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.faults.case import (
    KILL_RUNS,
    Case,
    InGraph,
    Verdict,
    killed,
    stopped,
)
from ur5_rl_experiments.faults.graph_under_test import (
    GraphSpec,
    GraphUnderTest,
    graph_under_test,
)
from ur5_rl_interfaces.msg import ArmStatus, EpisodeSummary

NO_LIMIT = 1000  # recoveries: each run of a case needs one
SPEC = GraphSpec(
    parameters={
        "env_node": {"max_auto_recoveries": NO_LIMIT},
        "arm_node": {"watchdog_hz": 20.0},
    }
)
AS_SHIPPED = GraphSpec()
WATCHDOG_LIMIT_MS = 200.0
LINK_STOP_LIMIT_MS = 250.0
RECONNECT_LIMIT_S = 5.0
OFF_S = 25.0
DETECT_LIMIT_MS = 16.0
RECOVER_LIMIT_S = 15.0
BUDGET = 3
LATCHED_S = 12.0
EMERGENCY_S = 60.0
DASHBOARD_PORT = 29999
DOWN = (ArmStatus.DISCONNECTED, ArmStatus.CONNECTING)


def arm_node_dies(graph: GraphUnderTest, rng: Random) -> Outcome:
    """Kill -9 of the process that holds the link to the robot."""
    graph.await_restarts_left("arm_node")
    graph.await_motion()
    time.sleep(rng.uniform(0.0, 0.008))
    detector = "robot: ur_rtde watchdog, 20 Hz"
    return killed(graph, "arm_node", detector, stop_limit_ms=WATCHDOG_LIMIT_MS)


def robot_is_away(command: str, away_s: float) -> InGraph:
    """Return the case of a robot that `command` sends away for `away_s` [s].

    It must be found again, and nothing may move before it is armed again.
    """

    def run(graph: GraphUnderTest, rng: Random) -> Outcome:
        graph.await_restarts_left("arm_node")  # a fresh one takes up a lost link
        graph.note_restart("arm_node")
        return _send_away(graph, rng, f"{command} {away_s}", away_s)

    return run


def _send_away(
    graph: GraphUnderTest, rng: Random, command: str, away_s: float
) -> Outcome:
    graph.await_motion()
    time.sleep(rng.uniform(0.0, 0.04))
    verdict = Verdict()
    fault_ns = time.monotonic_ns()
    graph.robot(command)
    motion = graph.await_rest(fault_ns)
    time.sleep(max(0.0, away_s - (time.monotonic_ns() - fault_ns) / 1e9))
    back_ns = fault_ns + round(away_s * 1e9)
    reconnect_s = _connected_after_s(graph, back_ns)
    verdict.at_most("connected again after [s]", reconnect_s, RECONNECT_LIMIT_S)
    verdict.true(not _moved_unarmed(graph, fault_ns), "a command moved it unarmed")
    recover_s = graph.await_episode(back_ns)
    return stopped(
        motion,
        fault_ns,
        "robot: watchdog; arm_node: age of the sample",
        verdict,
        stop_limit_ms=LINK_STOP_LIMIT_MS,
        recover_s=recover_s,
        notes={"connected again after [s]": reconnect_s},
    )


def _connected_after_s(graph: GraphUnderTest, back_ns: int) -> float:
    heard = graph.wait(
        "the arm to be connected again",
        lambda: graph.ear.first_since(
            ArmStatus, back_ns, lambda m: m.state not in DOWN and m.joint_states_hz > 50
        ),
        30.0,
    )
    return float(heard.steady_ns - back_ns) / 1e9


def _moved_unarmed(graph: GraphUnderTest, fault_ns: int) -> bool:
    """Whether the arm followed commands before it had been armed again."""
    has_stopped = False
    for status in graph.ear.all_since(ArmStatus, fault_ns):
        if status.state in (*DOWN, ArmStatus.PROTECTIVE_STOP, ArmStatus.FAULT):
            has_stopped = True
        elif status.state in (ArmStatus.ARMED, ArmStatus.MOVING_TO_START):
            return False
        elif status.state == ArmStatus.MOVING and has_stopped:
            return True
    return False


def protective_stop(graph: GraphUnderTest, rng: Random) -> Outcome:
    """As after a collision, in the middle of an episode."""
    graph.await_motion()
    time.sleep(rng.uniform(0.0, 0.04))
    verdict = Verdict()
    # The robot's own instant: this process may be late, its neighbours come first.
    fault_ns = graph.robot("protective_stop collision")["steady_ns"]
    motion = graph.await_rest(fault_ns)
    seen = graph.ear.first_since(
        ArmStatus, fault_ns, lambda msg: msg.state == ArmStatus.PROTECTIVE_STOP
    )
    detect_ms = (seen.steady_ns - fault_ns) / 1e6 if seen else None
    verdict.at_most("published after [ms]", detect_ms, DETECT_LIMIT_MS + 8.0)
    recover_s = graph.await_episode(fault_ns)
    verdict.at_most("episodes again after [s]", recover_s, RECOVER_LIMIT_S)
    summary = graph.ear.first_since(EpisodeSummary, fault_ns, lambda _: True)
    verdict.true(
        summary and summary.message.end != "time_limit", "the episode was not cut short"
    )
    return stopped(
        motion,
        fault_ns,
        "arm_node: safety mode",
        verdict,
        detect_ms=detect_ms,
        stop_limit_ms=300.0,
        recover_s=recover_s,
    )


def budget_is_spent(root: Path, rng: Random) -> Outcome:
    """Protective stops until the budget of three in ten minutes is spent."""
    with graph_under_test(root, AS_SHIPPED) as graph:
        return _spend_budget(graph)


def _spend_budget(graph: GraphUnderTest) -> Outcome:
    verdict = Verdict()
    for _ in range(BUDGET):
        graph.await_motion(0.1)
        fault_ns = time.monotonic_ns()
        graph.robot("protective_stop again")
        graph.await_episode(fault_ns)
    graph.await_motion(0.1)
    fault_ns = time.monotonic_ns()
    graph.robot("protective_stop once too often")
    motion = graph.await_rest(fault_ns)
    time.sleep(LATCHED_S)
    mode = graph.robot("state")["safety_mode"]
    verdict.true(mode == "PROTECTIVE_STOP", f"it was unlocked by itself: {mode}")
    _person_recovers(graph, verdict)
    graph.await_episode(time.monotonic_ns())
    return stopped(motion, fault_ns, "recovery budget", verdict, stop_limit_ms=300.0)


def emergency_stop(graph: GraphUnderTest, rng: Random) -> Outcome:
    """The button is pressed, and a minute later pulled out."""
    graph.await_motion()
    time.sleep(rng.uniform(0.0, 0.04))
    verdict = Verdict()
    fault_ns = time.monotonic_ns()
    graph.robot("emergency_stop")
    motion = graph.await_rest(fault_ns)
    seen = graph.ear.first_since(
        ArmStatus, fault_ns, lambda msg: msg.state == ArmStatus.EMERGENCY_STOP
    )
    events = graph.robot("state")["events"]
    time.sleep(EMERGENCY_S)
    after = graph.robot("state")
    verdict.true(
        after["events"] == events,
        f"something was tried by itself: {after['events'][-3:]}",
    )
    rested = graph.motion_since(int(motion.steady_ns[-1]))
    verdict.true(rested.speed.max() < 0.01, "the arm moved in an emergency stop")
    graph.robot("release_emergency_stop")
    _switch_on(graph)
    began_ns = time.monotonic_ns()
    _person_recovers(graph, verdict)
    recover_s = graph.await_episode(began_ns)
    return stopped(
        motion,
        fault_ns,
        "arm_node: safety mode",
        verdict,
        detect_ms=(seen.steady_ns - fault_ns) / 1e6 if seen else None,
        stop_limit_ms=300.0,
        recover_s=recover_s,
    )


def _switch_on(graph: GraphUnderTest) -> None:
    """Do at the dashboard what a person does at the pendant."""
    where = (graph.run.address, DASHBOARD_PORT)
    with socket.create_connection(where, 5.0) as link, link.makefile("rw") as file:
        file.readline()
        for line in ("close safety popup", "power on", "brake release"):
            file.write(f"{line}\n")
            file.flush()
            file.readline()
    graph.wait(
        "the robot to be on",
        lambda: graph.robot("state")["robot_mode"] == "RUNNING",
        20.0,
    )


def _person_recovers(graph: GraphUnderTest, verdict: Verdict) -> None:
    """Call recover_arm, as a person does who has looked why."""
    client = graph.ear.node.create_client(Trigger, "recover_arm")
    graph.wait("recover_arm", client.service_is_ready, 10.0)
    future = client.call_async(Trigger.Request())
    graph.wait("the answer of recover_arm", future.done, 40.0)
    answer = future.result()
    verdict.true(answer.success, f"recover_arm: {answer.message}")


CASES = (
    Case(
        fault="F4",
        title="arm_node dies",
        injection="SIGKILL, arm at 0.4 to 0.7 rad/s",
        limit="rests <= 200 ms",
        run=arm_node_dies,
        spec=SPEC,
        runs=KILL_RUNS,
        is_quick=True,
    ),
    Case(
        fault="F6a",
        title="robot link cut",
        injection="no packet passes for 0.1 s",
        limit="rests <= 250 ms, connected <= 5 s after, no motion unarmed",
        run=robot_is_away("stall", 0.1),
        spec=SPEC,
    ),
    Case(
        fault="F6b",
        title="robot link cut",
        injection="no packet passes for 1 s",
        limit="as F6a",
        run=robot_is_away("stall", 1.0),
        spec=SPEC,
    ),
    Case(
        fault="F6c",
        title="robot link cut",
        injection="no packet passes for 30 s",
        limit="as F6a",
        run=robot_is_away("stall", 30.0),
        spec=SPEC,
    ),
    Case(
        fault="F6d",
        title="robot off",
        injection="its connections and ports closed for 25 s",
        limit="rests <= 250 ms, connected <= 5 s after, no motion unarmed",
        run=robot_is_away("drop_link", OFF_S),
        spec=SPEC,
    ),
    Case(
        fault="F7",
        title="protective stop",
        injection="as after a collision, in an episode",
        limit="published <= 24 ms, episode cut, episodes again <= 15 s",
        run=protective_stop,
        spec=SPEC,
    ),
    Case(
        fault="F7b",
        title="fourth protective stop in ten minutes",
        injection="four protective stops",
        limit="not unlocked in 12 s; a person's recover_arm works",
        run=budget_is_spent,
        spec=None,
    ),
    Case(
        fault="F8",
        title="emergency stop",
        injection="the button is pressed for 60 s",
        limit="nothing is tried by itself; a person brings it back",
        run=emergency_stop,
        spec=SPEC,
    ),
)
