"""What cases of a learner in trouble look at: acting feels nothing, nothing is lost."""

import time
from collections.abc import Sequence

import numpy as np

from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.faults.case import Verdict
from ur5_rl_experiments.faults.graph_under_test import GraphUnderTest
from ur5_rl_interfaces.msg import EpisodeSummary, LearnerStatus, TransitionAck

EPISODES = 3  # that show how the cycles are without the fault
EPISODES_S = 60.0
UPDATES = 20  # that make a learner one that learns
LEARNS_S = 120.0
CYCLE_LIMIT_MS = 1.0
STATUS_S = 1.5  # a status comes once a second


def cycles_without_fault_ms(graph: GraphUnderTest) -> list[float]:
    """Wait for a learner that learns, and for some episodes; return the cycles [ms].

    Those of the graph's earlier injections count as well: the 99th percentile of a few
    hundred cycles alone scatters by more than what must not be exceeded.
    """
    graph.wait("a learner that learns", lambda: graph.updates() >= UPDATES, LEARNS_S)
    start_ns = time.monotonic_ns()

    def whole() -> list[EpisodeSummary]:
        heard = graph.ear.all_since(EpisodeSummary, start_ns)
        return heard if len(heard) > EPISODES else []  # the first began before

    episodes = graph.wait(f"{EPISODES} episodes", whole, EPISODES_S)
    graph.calm_cycles_ms += cycles_ms(episodes)
    return list(graph.calm_cycles_ms)


def cycles_ms(episodes: Sequence[EpisodeSummary]) -> list[float]:
    """Return the action cycles of all these episodes [ms]."""
    return [ms for episode in episodes for ms in episode.cycle_ms]


def check_acting(
    episodes: Sequence[EpisodeSummary], before_ms: Sequence[float], verdict: Verdict
) -> None:
    """Check that no episode was cut, and that their cycles are as `before_ms`."""
    verdict.true(episodes, "no episode ended")
    cut = [m.end for m in episodes if m.end != "time_limit"]
    verdict.true(not cut, f"episodes were cut: {cut}")
    change_ms = _p99(cycles_ms(episodes)) - _p99(before_ms)
    verdict.at_most("cycle p99 longer by [ms]", change_ms, CYCLE_LIMIT_MS)


def caught_up_s(
    graph: GraphUnderTest, back_ns: int, sent: int, timeout_s: float
) -> float:
    """Wait until all that was sent is on disk; return how long after `back_ns` [s]."""
    heard = graph.wait(
        f"{sent} time steps to be on disk",
        lambda: graph.ear.first_since(
            TransitionAck, back_ns, lambda m: m.sequence >= sent
        ),
        timeout_s,
    )
    return float(heard.steady_ns - back_ns) / 1e9


def check_nothing_lost(graph: GraphUnderTest, verdict: Verdict) -> None:
    """Check that the learner, once it has told again, misses no time step."""
    time.sleep(STATUS_S)
    lost = graph.ear.newest(LearnerStatus).transitions_lost
    verdict.true(lost == 0, f"{lost} time steps lost")


def outcome(
    detector: str,
    recover_s: float,
    verdict: Verdict,
    *,
    before_ms: Sequence[float],
    after_ms: Sequence[float],
    detect_ms: float | None = None,
    **notes: float,
) -> Outcome:
    """Return the outcome of such a case; `notes` are told beside the cycles."""
    cycles = {"cycle p99 [ms]": _p99(after_ms), "before [ms]": _p99(before_ms)}
    return Outcome(
        detector=detector,
        detect_ms=detect_ms,
        recover_s=recover_s,
        failures=tuple(verdict.failures),
        notes={**notes, **cycles},
    )


def _p99(values_ms: Sequence[float]) -> float:
    return float(np.percentile(values_ms, 99)) if len(values_ms) else 0.0
