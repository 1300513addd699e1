"""What a fault of the matrix is: how to inject it, and what must come of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.core.motion_record import MotionRecord
from ur5_rl_experiments.faults.graph_under_test import GraphSpec, GraphUnderTest

KILL_RUNS = 50  # of a case that kills who moves the arm

InGraph = Callable[[GraphUnderTest, Random], Outcome]
Alone = Callable[[Path, Random], Outcome]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the matrix.

    Attributes:
        fault: Its number, "F1".
        title, injection, limit: For people.
        run: Injects it once, in a graph that runs by `spec`; without a spec: by itself.
        spec: How the graph is started; None where the case starts what it needs.
        runs: How often it is injected for the matrix.
        is_quick: Whether it belongs to the fast subset.
        needs: Programs without which it cannot be injected.
    """

    fault: str
    title: str
    injection: str
    limit: str
    run: InGraph | Alone
    spec: GraphSpec | None = field(default_factory=GraphSpec)
    runs: int = 10
    is_quick: bool = False
    needs: Sequence[str] = ()


@dataclass
class Verdict:
    """Collects what was not as it must be."""

    failures: list[str] = field(default_factory=list)

    def at_most(self, what: str, value: float | None, limit: float) -> None:
        """Note a failure unless `value` is there and within `limit`."""
        if value is None:
            self.failures.append(f"{what}: never, limit {limit:g}")
        elif value > limit:
            self.failures.append(f"{what} {value:.3g}, limit {limit:g}")

    def true(self, is_so: object, text: str) -> None:
        """Note a failure unless `is_so`."""
        if not is_so:
            self.failures.append(text)


def stopped(
    motion: MotionRecord,
    fault_ns: int,
    detector: str,
    verdict: Verdict,
    *,
    brake_limit_ms: float | None = None,
    stop_limit_ms: float,
    **more: Any,
) -> Outcome:
    """Return the outcome of a fault that must bring the arm to rest.

    Args:
        motion: From the fault to beyond the rest.
        fault_ns: When it happened, steady clock [ns].
        detector: Who noticed.
        verdict: What was looked at before; gets what is wrong with the motion.
        brake_limit_ms: Latest beginning of the braking [ms]; None = not looked at.
        stop_limit_ms: Latest rest [ms].
        more: Further fields of the outcome.
    """
    braking_ns, rest_ns = motion.braking_ns(), motion.rest_ns()
    brake_ms = _after_ms(braking_ns, fault_ns)
    stop_ms = _after_ms(rest_ns, fault_ns)
    if brake_limit_ms is not None:
        verdict.at_most("brakes after [ms]", brake_ms, brake_limit_ms)
    verdict.at_most("rests after [ms]", stop_ms, stop_limit_ms)
    way = motion.until_rest()
    return Outcome(
        detector=detector,
        brake_ms=brake_ms,
        stop_ms=stop_ms,
        travel_rad=way.travel_rad(),
        travel_m=way.travel_m(),
        failures=tuple(verdict.failures),
        **more,
    )


def killed(
    graph: GraphUnderTest, node: str, detector: str, **limits_ms: float
) -> Outcome:
    """Kill -9 a node while the arm moves; `limits_ms` are those of `stopped`."""
    fault_ns = graph.kill(node)
    motion = graph.await_rest(fault_ns)
    recover_s = graph.await_episode(fault_ns)
    return stopped(
        motion, fault_ns, detector, Verdict(), **limits_ms, recover_s=recover_s
    )


def _after_ms(instant_ns: int | None, fault_ns: int) -> float | None:
    return None if instant_ns is None else max(0.0, (instant_ns - fault_ns) / 1e6)


def named_after_ms(graph: GraphUnderTest, fault_ns: int, words: str) -> float | None:
    """Return when a node named the fault in /diagnostics [ms]; None: not yet."""

    def names_it(status: DiagnosticStatus) -> bool:
        return status.level != DiagnosticStatus.OK and words in status.message

    heard = graph.ear.first_since(DiagnosticStatus, fault_ns, names_it)
    return None if heard is None else (heard.steady_ns - fault_ns) / 1e6
