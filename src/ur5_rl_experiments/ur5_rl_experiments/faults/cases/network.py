"""The network between robot and learner is slow, loses what it carries, or is gone."""

import time
from collections.abc import Callable, Sequence
from random import Random

from diagnostic_msgs.msg import DiagnosticStatus

from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.faults import learner_away as away
from ur5_rl_experiments.faults.case import Case, Verdict, named_after_ms
from ur5_rl_experiments.faults.graph_under_test import GraphSpec, GraphUnderTest
from ur5_rl_experiments.faults.link_emulator import Link, Quality
from ur5_rl_interfaces.msg import (
    Action,
    EnvStatus,
    EpisodeSummary,
    StopRequest,
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
        },
        "actor_node": {"max_policy_age_s": MAX_POLICY_AGE_S},
    },
    is_on_two_machines=True,
)
POOR_S = 40.0  # of a poor link
OUTAGE_S = 10.0
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
        before_ms = away.cycles_without_fault_ms(graph)
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
        return away.outcome(
            "nobody: acting and learning go on",
            caught_up_s,
            verdict,
            before_ms=before_ms,
            after_ms=during_ms,
            **{"policies that did not come [%]": 100.0 * (1.0 - share)},
        )

    return inject


def outage(graph: GraphUnderTest, rng: Random) -> Outcome:
    """Nothing gets through for `OUTAGE_S`; then everything that was held back does."""
    before_ms = away.cycles_without_fault_ms(graph)
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
    return away.outcome(
        "actor_node: policy age; watch_node: heartbeat (reported, no stop)",
        caught_up_s,
        verdict,
        before_ms=before_ms,
        after_ms=during_ms,
        detect_ms=named_ms,
    )


def _link(graph: GraphUnderTest) -> Link:
    assert graph.link is not None  # noqa: S101  the spec asks for one
    return graph.link


def _acting(
    graph: GraphUnderTest, fault_ns: int, before_ms: list[float], verdict: Verdict
) -> list[float]:
    """Check that acting has not felt the fault; return its cycles since then [ms]."""
    episodes = graph.ear.all_since(EpisodeSummary, fault_ns)
    away.check_acting(episodes, before_ms, verdict)
    stops = [m.reason for m in graph.ear.all_since(StopRequest, fault_ns) if m.reason]
    verdict.true(not stops, f"a stop was asked for: {stops[:1]}")
    return away.cycles_ms(episodes)


def _catching_up(graph: GraphUnderTest, verdict: Verdict) -> float:
    """Wait until the learner has on disk all that was sent; return how long [s].

    Then none of it may be lost, and the arm must move by the learner's policies again.
    """
    back_ns, sent = time.monotonic_ns(), graph.ear.newest(EnvStatus).transitions_sent
    caught_up_s = away.caught_up_s(graph, back_ns, sent, CAUGHT_UP_S)
    graph.wait("an actor that acts", lambda: _is_well("actor_node", graph), CAUGHT_UP_S)
    away.check_nothing_lost(graph, verdict)
    return caught_up_s


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
        limit="cycle p99 +1 ms at most, no episode cut, 9 of 10 policies come, 0 lost",
        run=poor_link(Quality(delay_s=0.05, jitter_s=0.01, loss=0.05), 0.9),
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
