"""Commands that must not reach the robot."""

import math
import secrets
import time
from collections.abc import Callable
from random import Random

from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.faults.case import Case, Verdict
from ur5_rl_experiments.faults.graph_under_test import GraphSpec, GraphUnderTest
from ur5_rl_interfaces.msg import ArmStatus, EpisodeSummary, JointVelocityCommand
from ur5_rl_ros import qos

STILL = GraphSpec(words=("--policy", "zero"))
HOSTILE = 1000  # commands of a run
GAP_S = 0.02  # so that none is replaced by the next before it is looked at
REPLACED_LIMIT = 0.05  # of those sent: a queue of one keeps the newer of two
SEEN_LIMIT_MS = 100.0
ACTION_S = 0.04
INTERFERES_S = 8.0  # an episode's rest, the way home, the beginning of the next
MOVES_RAD_S = 0.01
RECORDED = 50
REPLAY_AFTER_S = 10.0
Make = Callable[[int], JointVelocityCommand]


def hostile_commands(graph: GraphUnderTest, rng: Random) -> Outcome:
    """A thousand commands that are not finite, absurd, old, early or out of order."""
    session = secrets.randbits(63)

    def make(index: int) -> JointVelocityCommand:
        msg = _command(session, index + 1, 0.3)
        bad = rng.choice([math.nan, math.inf, -math.inf, 10.0, -1e300])
        kind = rng.randrange(4)
        if kind == 0:
            msg.velocity_rad_s[rng.randrange(6)] = bad
        elif kind == 1:
            msg.steady_ns -= round(rng.uniform(0.06, 1e6) * 1e9)
        elif kind == 2:
            msg.steady_ns += round(rng.uniform(1.0, 1e6) * 1e9)
        else:
            msg.sequence = 0
            msg.velocity_rad_s = [bad] * 6
        return msg

    return _storm(graph, "arm_node: each command is examined", HOSTILE, make)


def second_commander(graph: GraphUnderTest, rng: Random) -> Outcome:
    """A second node sends flawless commands, from within an episode to beyond a reset."""
    publisher = graph.ear.publisher(JointVelocityCommand, "velocity_command", qos.COMMAND)
    graph.wait("arm_node to listen", publisher.get_subscription_count, 10.0)
    graph.wait("an episode", lambda: graph.is_running(min_step=5), 30.0)
    time.sleep(rng.uniform(0.0, ACTION_S))
    session, speeds_rad_s = secrets.randbits(63), [0.0]
    fault_ns = time.monotonic_ns()
    for sequence in range(1, round(INTERFERES_S / ACTION_S)):
        publisher.publish(_command(session, sequence, 0.5))
        time.sleep(ACTION_S)
        if graph.ear.newest(ArmStatus).state != ArmStatus.MOVING_TO_START:
            speeds_rad_s.append(graph.poses.speed)
    over_ns = time.monotonic_ns()
    recover_s = graph.await_episode(over_ns)
    verdict = Verdict()
    named = graph.ear.first_since(
        ArmStatus, fault_ns, lambda msg: "commanders" in msg.cause
    )
    named_ms = (named.steady_ns - fault_ns) / 1e6 if named else None
    verdict.at_most("named in arm_status after [ms]", named_ms, SEEN_LIMIT_MS)
    verdict.at_most("moved [rad/s]", max(speeds_rad_s), MOVES_RAD_S)
    whole = graph.ear.first_since(
        EpisodeSummary, fault_ns, lambda msg: msg.end == "time_limit"
    )
    is_late = whole is None or whole.steady_ns > over_ns
    verdict.true(is_late, "an episode went on beside the second commander")
    return Outcome(
        detector="arm_node: two sessions",
        detect_ms=named_ms,
        recover_s=recover_s,
        failures=tuple(verdict.failures),
        notes={"sent": sequence, "fastest [rad/s]": max(speeds_rad_s)},
    )


def replayed_commands(graph: GraphUnderTest, rng: Random) -> Outcome:
    """The actor's own commands again, ten seconds later, as from a bag."""
    start_ns = time.monotonic_ns()
    graph.ear.follow(JointVelocityCommand, "velocity_command", qos.COMMAND, kept=RECORDED)

    def bag() -> list[JointVelocityCommand]:
        heard = graph.ear.all_since(JointVelocityCommand, start_ns)
        return heard if len(heard) >= RECORDED else []

    commands = graph.wait("some commands", bag, 20.0)
    time.sleep(REPLAY_AFTER_S)
    return _storm(
        graph,
        "arm_node: age of the command",
        len(commands),
        lambda index: commands[index],
    )


def _command(session: int, sequence: int, speed: float) -> JointVelocityCommand:
    msg = JointVelocityCommand(session=session, sequence=sequence)
    msg.steady_ns = time.monotonic_ns()
    msg.velocity_rad_s = [speed] * 5 + [0.0]
    return msg


def _storm(
    graph: GraphUnderTest, detector: str, count: int, make: Make, gap_s: float = GAP_S
) -> Outcome:
    """Send commands while the actor asks for rest: all refused, none moves the arm."""
    verdict = Verdict()
    publisher = graph.ear.publisher(JointVelocityCommand, "velocity_command", qos.COMMAND)
    graph.wait("arm_node to listen", publisher.get_subscription_count, 10.0)
    graph.wait("an episode", lambda: graph.is_running(min_step=5), 30.0)
    before = graph.ear.newest(ArmStatus).commands_refused
    fault_ns = time.monotonic_ns()
    worst_rad_s, sent = 0.0, 0
    while sent < count:
        if graph.is_running():  # between episodes the arm goes home by itself
            publisher.publish(make(sent))
            sent += 1
            worst_rad_s = max(worst_rad_s, graph.poses.speed)
        time.sleep(gap_s)
    first = graph.ear.first_since(
        ArmStatus, fault_ns, lambda msg: msg.commands_refused > before
    )
    time.sleep(0.2)
    refused = graph.ear.newest(ArmStatus).commands_refused - before
    seen_ms = (first.steady_ns - fault_ns) / 1e6 if first else None
    verdict.at_most("refusals published after [ms]", seen_ms, SEEN_LIMIT_MS)
    verdict.true(worst_rad_s < MOVES_RAD_S, f"the arm moved at {worst_rad_s:.3f} rad/s")
    verdict.true(refused <= sent, f"{refused} refusals were counted of {sent} sent")
    verdict.at_most("not counted", (sent - refused) / sent, REPLACED_LIMIT)
    return Outcome(
        detector=detector,
        detect_ms=seen_ms,
        failures=tuple(verdict.failures),
        notes={"sent": sent, "refused": refused, "fastest [rad/s]": worst_rad_s},
    )


CASES = (
    Case(
        fault="F13",
        title="hostile commands",
        injection="1000 a run: not finite, absurd, old, from the future, out of order",
        limit="0 reach the robot, each that the queue of one keeps is counted",
        run=hostile_commands,
        spec=STILL,
    ),
    Case(
        fault="F14",
        title="a second commander",
        injection="flawless commands of another session for 8 s, a reset among them",
        limit="not followed; the arm stopped by name <= 100 ms",
        run=second_commander,
        spec=STILL,
        is_quick=True,
    ),
    Case(
        fault="F15",
        title="old commands again",
        injection="recorded commands, 10 s later",
        limit="0 executed",
        run=replayed_commands,
        spec=STILL,
    ),
)
