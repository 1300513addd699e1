"""The network between robot and learner is slow, loses what it carries, or is gone."""

import time
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus

from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.faults.case import Case, Verdict, named_after_ms
from ur5_rl_experiments.faults.graph_under_test import GraphSpec, GraphUnderTest
from ur5_rl_experiments.faults.link_emulator import Link, Quality
from ur5_rl_interfaces.msg import (
    Action,
    EnvStatus,
    EpisodeSummary,
    LearnerStatus,
    StopRequest,
    TransitionAck,
)
from ur5_rl_ros import qos

MAX_POLICY_AGE_S = 6.0
FAR_LEARNER = GraphSpec(
    words=("--preset", "cpu"),
    parameters={
        # Policies of 2.6 MB: in datagrams of 64 kB none would get over F25a's link.
        "learner_node": {
            "learning_starts": 50,
            "hidden_size": 768,
            "batch_size": 32,
            "publish_period_s": 2.0,  # F25b needs more than one for a policy
        },
        "actor_node": {"max_policy_age_s": MAX_POLICY_AGE_S},
    },
    is_on_two_machines=True,
)
POOR_S = 40.0  # of a poor link
OUTAGE_S = 10.0
UPDATES = 20  # that make a learner one that learns
LEARNS_S = 120.0
CYCLE_LIMIT_MS = 1.0
CAUGHT_UP_S = 20.0
NAMED_S = 1.5  # diagnostics come once a second


def poor_link(
    quality: Quality, least_share: float
) -> Callable[[GraphUnderTest, Random], Outcome]:
    """Return the injection of a link of this quality, for `POOR_S`.

    Args:
        quality: Of the link.
        least_share: Of the policies that must get through.
    """

    def inject(graph: GraphUnderTest, rng: Random) -> Outcome:
        graph.ear.follow(Action, "action", qos.COMMAND)
        before_ms = _cycles_of_a_good_link(graph)
        verdict = Verdict()
        fault_ns = time.monotonic_ns()
        _link(graph).set(quality)
        time.sleep(POOR_S)
        share = share_of_policies(graph.ear.all_since(Action, fault_ns))
        during_ms = _acting(graph, fault_ns, before_ms, verdict)
        _link(graph).set(Quality())
        caught_up_s = _catching_up(graph, verdict)
        verdict.true(
            share >= least_share,
            f"{share:.0%} of the policies came through, at least {least_share:.0%} must",
        )
        return Outcome(
            detector="nobody: acting and learning go on",
            recover_s=caught_up_s,
            failures=tuple(verdict.failures),
            notes={
                "policies that did not come [%]": 100.0 * (1.0 - share),
                "cycle p99 [ms]": _p99(during_ms),
                "before [ms]": _p99(before_ms),
            },
        )

    return inject


def outage(graph: GraphUnderTest, rng: Random) -> Outcome:
    """Nothing gets through for `OUTAGE_S`; then everything that was held back does."""
    before_ms = _cycles_of_a_good_link(graph)
    verdict = Verdict()
    fault_ns = time.monotonic_ns()
    _link(graph).set(Quality(is_up=False))
    time.sleep(OUTAGE_S)
    named_ms = named_after_ms(graph, fault_ns, "holds still")
    during_ms = _acting(graph, fault_ns, before_ms, verdict)
    _link(graph).set(Quality())
    caught_up_s = _catching_up(graph, verdict)
    limit_ms = 1e3 * (MAX_POLICY_AGE_S + NAMED_S)
    verdict.at_most("policy age named after [ms]", named_ms, limit_ms)
    return Outcome(
        detector="actor_node: policy age; watch_node: heartbeat (reported, no stop)",
        detect_ms=named_ms,
        recover_s=caught_up_s,
        failures=tuple(verdict.failures),
        notes={"cycle p99 [ms]": _p99(during_ms), "before [ms]": _p99(before_ms)},
    )


def _link(graph: GraphUnderTest) -> Link:
    assert graph.link is not None  # noqa: S101  the spec asks for one
    return graph.link


def _cycles_of_a_good_link(graph: GraphUnderTest) -> list[float]:
    """Wait for a learner that learns and two episodes; return their cycles [ms]."""
    graph.wait("a learner that learns", lambda: graph.updates() >= UPDATES, LEARNS_S)
    start_ns = time.monotonic_ns()

    def two_whole() -> list[EpisodeSummary]:
        heard = graph.ear.all_since(EpisodeSummary, start_ns)
        return heard if len(heard) > 2 else []  # the first began before

    return _cycles_ms(graph.wait("two episodes", two_whole, 60.0))


def _acting(
    graph: GraphUnderTest, fault_ns: int, before_ms: list[float], verdict: Verdict
) -> list[float]:
    """Check that acting has not felt the fault; return its cycles since then [ms]."""
    episodes = graph.ear.all_since(EpisodeSummary, fault_ns)
    verdict.true(episodes, "no episode ended")
    cut = [m.end for m in episodes if m.end != "time_limit"]
    verdict.true(not cut, f"episodes were cut: {cut}")
    stops = [m.reason for m in graph.ear.all_since(StopRequest, fault_ns) if m.reason]
    verdict.true(not stops, f"a stop was asked for: {stops[:1]}")
    during_ms = _cycles_ms(episodes)
    change_ms = _p99(during_ms) - _p99(before_ms)
    verdict.at_most("cycle p99 longer by [ms]", change_ms, CYCLE_LIMIT_MS)
    return during_ms


def _catching_up(graph: GraphUnderTest, verdict: Verdict) -> float:
    """Wait until the learner has on disk all that was sent; return how long [s].

    Then none of it may be lost, and the arm must move by the learner's policies again.
    """
    back_ns = time.monotonic_ns()
    sent = graph.ear.newest(EnvStatus).transitions_sent
    heard = graph.wait(
        "all time steps to be on disk",
        lambda: graph.ear.first_since(
            TransitionAck, back_ns, lambda m: m.sequence >= sent
        ),
        CAUGHT_UP_S,
    )
    graph.wait("an actor that acts", lambda: _is_well("actor_node", graph), CAUGHT_UP_S)
    time.sleep(1.5)  # a status comes once a second
    lost = graph.ear.newest(LearnerStatus).transitions_lost
    verdict.true(lost == 0, f"{lost} time steps lost")
    return float(heard.steady_ns - back_ns) / 1e9


def _is_well(node: str, graph: GraphUnderTest) -> bool:
    health = graph.ear.health(node)
    return health is not None and health.level == DiagnosticStatus.OK


def share_of_policies(actions: Sequence[Action]) -> float:
    """Return the share of the published policies that acted, within episodes.

    The learner counts its policies: what is missing between two that acted in one episode
    did not come, or came with its successor on its heels.
    """
    versions: dict[tuple[int, int], set[int]] = {}
    for msg in actions:
        versions.setdefault((msg.run_id, msg.episode), set()).add(msg.policy_version)
    published = sum(max(acted) - min(acted) for acted in versions.values())
    came = sum(len(acted) - 1 for acted in versions.values())
    return came / published if published else 0.0


def _cycles_ms(episodes: Sequence[EpisodeSummary]) -> list[float]:
    return [ms for episode in episodes for ms in episode.cycle_ms]


def _p99(values_ms: list[float]) -> float:
    return float(np.percentile(values_ms, 99)) if values_ms else 0.0


CASES = (
    Case(
        fault="F25a",
        title="learner far away",
        injection="its network delays by 20 ms and loses 1 % for 40 s",
        limit="cycle p99 +1 ms at most, no episode cut, 9 of 10 policies come, 0 lost",
        run=poor_link(Quality(delay_s=0.02, loss=0.01), 0.9),
        spec=FAR_LEARNER,
        needs=("ip",),
    ),
    Case(
        fault="F25b",
        title="learner behind a poor network",
        injection="it delays by 50 to 60 ms and loses 5 % for 40 s",
        limit="cycle p99 +1 ms at most, no episode cut, 5 of 10 policies come, 0 lost",
        run=poor_link(Quality(delay_s=0.05, jitter_s=0.01, loss=0.05), 0.5),
        spec=FAR_LEARNER,
        needs=("ip",),
    ),
    Case(
        fault="F25c",
        title="network to the learner gone",
        injection="nothing gets through for 10 s, policies may be 6 s old",
        limit="cycle p99 +1 ms at most, no episode cut, named <= 7.5 s, 0 lost",
        run=outage,
        spec=FAR_LEARNER,
        needs=("ip",),
    ),
)
