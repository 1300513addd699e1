"""Cameras that lie, lag or are gone; a display that is dark."""

import time
from random import Random

from rclpy.duration import Duration
from std_msgs.msg import String

from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.faults.case import Case, InGraph, Verdict, stopped
from ur5_rl_experiments.faults.graph_under_test import GraphUnderTest
from ur5_rl_interfaces.msg import EnvStatus, EpisodeSummary
from ur5_rl_ros import qos

FRAME_MS = 40.0
HOLD_LIMIT_MS = 2 * FRAME_MS  # the newest image may be so old when it is acted on
BRAKE_MS = 50.0 + 8.0 + 175.0  # age of a command, a cycle, 0.7 rad/s at 4 rad/s^2
UNPLUGGED_S = 5.0
BACK_LIMIT_S = 3.0 + 3.0  # the reset before an episode takes about three seconds
FROZEN_FRAMES = 5
CYCLE_TOLERANCE_MS = 4.0
SLOW_S = 12.0


def camera_fault(
    words: str, named: str, limit_ms: float, held_ms: float | None = None
) -> InGraph:
    """Return the case of a camera fault that must cut the episode by name.

    Args:
        words: For the virtual camera's side door.
        named: What the environment must say.
        limit_ms: From the fault until it says so [ms].
        held_ms: From the fault until nobody acts on an image any more [ms]; None: until
            it is named.
    """

    def run(graph: GraphUnderTest, rng: Random) -> Outcome:
        _tell(graph, "none")  # the first word takes longer to arrive: they have to meet
        graph.await_motion()
        time.sleep(rng.uniform(0.0, 0.04))
        verdict = Verdict()
        fault_ns = _tell(graph, words)
        motion = graph.await_rest(fault_ns)
        time.sleep(UNPLUGGED_S)
        said = graph.ear.first_since(
            EnvStatus,
            fault_ns,
            lambda m: m.phase != EnvStatus.RUNNING and named in m.waiting_for,
        )
        detect_ms = (said.steady_ns - fault_ns) / 1e6 if said else None
        verdict.at_most(f"'{named}' said after [ms]", detect_ms, limit_ms)
        cut = graph.ear.first_since(EpisodeSummary, fault_ns, lambda _: True)
        verdict.true(
            cut and cut.message.end != "time_limit", "the episode was not cut short"
        )
        back_ns = _tell(graph, "none")
        recover_s = graph.await_episode(back_ns)
        verdict.at_most("episodes again after [s]", recover_s, BACK_LIMIT_S)
        return stopped(
            motion,
            fault_ns,
            "env_node",
            verdict,
            detect_ms=detect_ms,
            stop_limit_ms=(limit_ms if held_ms is None else held_ms) + BRAKE_MS,
            recover_s=recover_s,
        )

    return run


def slow_and_late(graph: GraphUnderTest, rng: Random) -> Outcome:
    """8 Hz and 100 ms late: the cycle goes on, or the fault is named."""
    graph.wait("an episode", graph.is_running, 30.0)
    verdict = Verdict()
    fault_ns = _tell(graph, "slow 8")
    time.sleep(SLOW_S / 2)
    _tell(graph, "late 0.1")
    time.sleep(SLOW_S / 2)
    episodes = graph.ear.all_since(EpisodeSummary, fault_ns)
    whole = [m for m in episodes if m.end == "time_limit"]
    cycles = sorted(ms for m in whole for ms in m.cycle_ms)
    p99_ms = cycles[int(0.99 * len(cycles))] if cycles else None
    if whole:
        verdict.at_most(
            "cycle off 40 ms at p99 [ms]", abs(p99_ms - FRAME_MS), CYCLE_TOLERANCE_MS
        )
    misses = sum(m.synchronisation_misses for m in episodes)
    named = [m.end for m in episodes if m.end != "time_limit"]
    held = sum(m.held_observations for m in episodes)
    verdict.true(misses or named, "pairs far apart were neither counted nor named")
    back_ns = _tell(graph, "none")
    recover_s = graph.await_episode(back_ns)
    return Outcome(
        detector="env_node: stamps of joint sample and image",
        recover_s=recover_s,
        failures=tuple(verdict.failures),
        notes={
            "cycle p99 [ms]": p99_ms or 0.0,
            "pairs too far apart": misses,
            "observations held back": held,
        },
    )


def dark_at_reset(graph: GraphUnderTest, rng: Random) -> Outcome:
    """The exposure falls off a cliff: at a reset nothing red is seen."""
    graph.wait("an episode", graph.is_running, 30.0)
    verdict = Verdict()
    graph.wait("a reset", lambda: not graph.is_running(), 30.0)
    fault_ns = _tell(graph, "dark")
    said = graph.wait(
        "the target to be missed",
        lambda: graph.ear.first_since(
            EnvStatus, fault_ns, lambda m: "target is not seen" in m.waiting_for
        ),
        15.0,
    )
    time.sleep(UNPLUGGED_S)
    ran = graph.ear.first_since(
        EnvStatus, said.steady_ns, lambda m: m.phase == EnvStatus.RUNNING
    )
    verdict.true(ran is None, "an episode ran without a target")
    back_ns = _tell(graph, "none")
    recover_s = graph.await_episode(back_ns)
    verdict.at_most("episodes again after [s]", recover_s, BACK_LIMIT_S)
    return Outcome(
        detector="env_node: red pixels at reset",
        detect_ms=(said.steady_ns - fault_ns) / 1e6,
        recover_s=recover_s,
        failures=tuple(verdict.failures),
    )


def _tell(graph: GraphUnderTest, words: str) -> int:
    """Say something to the virtual camera's side door; return when [ns]."""
    publisher = graph.ear.publisher(String, "camera_fault", qos.COMMAND)
    graph.wait("the camera to listen", publisher.get_subscription_count, 10.0)
    now_ns = time.monotonic_ns()
    publisher.publish(String(data=words))
    at_once = Duration(seconds=0)
    graph.wait("the camera to hear", lambda: publisher.wait_for_all_acked(at_once), 10.0)
    return now_ns


CASES = (
    Case(
        fault="F17",
        title="camera unplugged",
        injection="no frame for 5 s",
        limit="rests <= 313 ms (held from 80 on), named <= 240 ms, back <= 6 s",
        run=camera_fault("silent", "image_raw", 240.0, HOLD_LIMIT_MS),
        is_quick=True,
    ),
    Case(
        fault="F18",
        title="camera frozen",
        injection="the same frame again and again, fresh stamps",
        limit="named within 5 frames (240 ms), episode cut",
        run=camera_fault("frozen", "frozen", FROZEN_FRAMES * FRAME_MS + FRAME_MS),
        is_quick=True,
    ),
    Case(
        fault="F18b",
        title="frames of the wrong size",
        injection="half the rows and columns",
        limit="as F17",
        run=camera_fault("small", "image_raw", 240.0, HOLD_LIMIT_MS),
    ),
    Case(
        fault="F18c",
        title="exposure cliff",
        injection="black images from a reset on",
        limit="named, no episode runs, episodes again <= 6 s after",
        run=dark_at_reset,
    ),
    Case(
        fault="F19",
        title="camera slow and late",
        injection="8 Hz, then also 100 ms late",
        limit="cycle 40 +- 4 ms at p99, pairs too far apart counted or named",
        run=slow_and_late,
    ),
)
