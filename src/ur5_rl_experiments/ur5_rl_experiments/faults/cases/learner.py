"""The learner dies, pauses or speaks nonsense; its disk is full."""

import time
from collections.abc import Callable
from random import Random

import numpy as np
import torch
from safetensors.torch import load, save

from sac_learner.nodes.policy_loader import encoded_policy
from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.faults.case import Case, Verdict
from ur5_rl_experiments.faults.graph_under_test import GraphSpec, GraphUnderTest
from ur5_rl_interfaces.msg import (
    Action,
    EpisodeSummary,
    LearnerStatus,
    PolicyParameters,
    TransitionAck,
)
from ur5_rl_ros import qos
from ur5_rl_ros.image_bridge import bytes_of

LEARNS = GraphSpec(
    words=("--policy", "sac"),
    parameters={"learner_node": {"learning_starts": 50, "checkpoint_period_s": 3.0}},
)
RESUME_LIMIT_S = 20.0
CYCLE_LIMIT_MS = 1.0
PAUSE_S = 30.0
CAUGHT_UP_S = 20.0
UPDATES = 20  # that make a learner one that learns
MUTATIONS = 100  # of a run
FALSE_VERSION = 1_000_000
EXAMINED_S = 0.03  # of a policy
NAMED_LIMIT_MS = 1000.0


def learner_dies(graph: GraphUnderTest, rng: Random) -> Outcome:
    """Kill -9 of the learner at a random instant; the next one goes on."""
    graph.await_restarts_left("learner_node")
    before_ms = _episodes(graph, 2)
    acknowledged = graph.ear.newest(TransitionAck)
    status = graph.ear.newest(LearnerStatus)
    time.sleep(rng.uniform(0.0, 3.0))
    verdict = Verdict()
    fault_ns = graph.kill("learner_node")
    heard = graph.wait(
        "the next learner's acknowledgement",
        lambda: graph.ear.first_since(
            TransitionAck, fault_ns, lambda m: m.session != acknowledged.session
        ),
        60.0,
    )
    resume_s = (heard.steady_ns - fault_ns) / 1e9
    verdict.at_most("resumed after [s]", resume_s, RESUME_LIMIT_S)
    verdict.true(
        heard.message.env_steps >= acknowledged.env_steps,
        f"{acknowledged.env_steps} transitions were on disk, "
        f"{heard.message.env_steps} after the kill",
    )
    after_ms = _episodes(graph, 2)
    _check_cycle(verdict, before_ms, after_ms)
    newest = graph.ear.newest(LearnerStatus)
    verdict.true(
        newest.transitions_lost == 0, f"{newest.transitions_lost} time steps lost"
    )
    verdict.true(
        newest.env_steps >= status.env_steps,
        f"env_steps went from {status.env_steps} to {newest.env_steps}",
    )
    return Outcome(
        detector="supervisor; watch_node: heartbeat",
        recover_s=resume_s,
        failures=tuple(verdict.failures),
        notes={"cycle p99 [ms]": _p99(after_ms), "before [ms]": _p99(before_ms)},
    )


def learner_pauses(graph: GraphUnderTest, rng: Random) -> Outcome:
    """SIGSTOP of the learner for half a minute: nothing is lost, nobody waits."""
    before_ms = _episodes(graph, 2)
    verdict = Verdict()
    with graph.paused("learner_node") as fault_ns:
        time.sleep(PAUSE_S)
    back_ns = time.monotonic_ns()
    during = graph.ear.all_since(EpisodeSummary, fault_ns)
    during_ms = [ms for m in during for ms in m.cycle_ms]
    _check_cycle(verdict, before_ms, during_ms)
    verdict.true(
        all(m.end == "time_limit" for m in during),
        f"episodes were cut: {[m.end for m in during]}",
    )
    sent = during[-1].transitions_sent if during else 0
    acknowledged = graph.wait(
        "all time steps of the pause to be on disk",
        lambda: graph.ear.first_since(
            TransitionAck, back_ns, lambda m: m.sequence >= sent
        ),
        60.0,
    )
    caught_up_s = (acknowledged.steady_ns - back_ns) / 1e9
    verdict.at_most("caught up after [s]", caught_up_s, CAUGHT_UP_S)
    time.sleep(1.5)  # a status comes once a second
    lost = graph.ear.newest(LearnerStatus).transitions_lost
    verdict.true(lost == 0, f"{lost} time steps lost")
    return Outcome(
        detector="watch_node: heartbeat (reported, no stop)",
        recover_s=caught_up_s,
        failures=tuple(verdict.failures),
        notes={"cycle p99 [ms]": _p99(during_ms), "before [ms]": _p99(before_ms)},
    )


def poisoned_policy(graph: GraphUnderTest, rng: Random) -> Outcome:
    """A policy with one number that is not one, flawless otherwise."""

    def poison(original: PolicyParameters, index: int) -> PolicyParameters:
        tensors = load(original.data.tobytes())
        name = rng.choice(sorted(tensors))
        flat = tensors[name].view(-1)
        flat[rng.randrange(flat.numel())] = rng.choice([torch.nan, torch.inf])
        return _disguised(original, index, save(tensors))

    return _false_policies(graph, 5, poison)


def mutated_policies(graph: GraphUnderTest, rng: Random) -> Outcome:
    """Truncated, bit-flipped, wrongly shaped and mislabelled policies."""

    def mutate(original: PolicyParameters, index: int) -> PolicyParameters:
        data = bytearray(original.data.tobytes())
        kind = index % 5
        if kind == 0:
            del data[rng.randrange(len(data)) :]
        elif kind == 1:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == 2:
            tensors = load(bytes(data))
            name = rng.choice(sorted(tensors))
            tensors[name] = torch.cat([tensors[name], tensors[name]])
            data = bytearray(save(tensors))
        if kind in (2, 3):
            cut = rng.randrange(20) if kind == 3 else None
            return _disguised(original, index, bytes(data), cut)
        msg = _disguised(original, index, bytes(data))
        msg.sha256 = original.sha256 if kind < 2 else "0" * 64
        return msg

    return _false_policies(graph, MUTATIONS, mutate)


def _disguised(
    original: PolicyParameters, index: int, data: bytes, cut: int | None = None
) -> PolicyParameters:
    """Return a message that claims to be newer than all the learner's; sealed."""
    msg = PolicyParameters(
        session=original.session,
        version=FALSE_VERSION + index,
        update_step=original.update_step + index,
        env_steps=original.env_steps,
        architecture=original.architecture[:cut],
        data=bytes_of(np.frombuffer(data, np.uint8)),
    )
    msg.sha256 = encoded_policy(msg).sealed().sha256
    return msg


def _false_policies(
    graph: GraphUnderTest,
    count: int,
    make: Callable[[PolicyParameters, int], PolicyParameters],
) -> Outcome:
    """Send policies that must not act; those of the learner go on acting."""
    verdict = Verdict()
    original = _policy_of_the_learner(graph)
    graph.ear.follow(Action, "action", qos.COMMAND)
    false = [make(original, index) for index in range(count)]
    publisher = graph.ear.publisher(PolicyParameters, "policy_parameters", qos.POLICY)
    graph.wait("the actor to listen", publisher.get_subscription_count, 10.0)
    before = int(graph.ear.value("actor_node", "policies_refused") or 0)
    fault_ns = time.monotonic_ns()
    for msg in false:
        publisher.publish(msg)
        time.sleep(EXAMINED_S)
    refused = graph.wait(
        "the refusals in /diagnostics",
        lambda: int(graph.ear.value("actor_node", "policies_refused") or 0) - before,
        5.0,
    )
    end_ns = time.monotonic_ns()
    seen_ms = (end_ns - fault_ns) / 1e6
    graph.wait("an episode", graph.is_running, 30.0)
    graph.wait(
        "ten more actions",
        lambda: len(graph.ear.all_since(Action, end_ns)) >= 10,
        30.0,
    )
    actions = graph.ear.all_since(Action, fault_ns)
    wrong = [m.policy_version for m in actions if m.policy_version >= FALSE_VERSION]
    verdict.true(not wrong, f"false policies acted: {sorted(set(wrong))[:5]}")
    finite = all(np.isfinite(m.action).all() for m in actions)
    verdict.true(finite, "an action was not finite")
    if count < 10:
        verdict.at_most(
            "named after [ms]", seen_ms - 1e3 * EXAMINED_S * count, NAMED_LIMIT_MS + 100.0
        )
    return Outcome(
        detector="actor_node: examination",
        detect_ms=seen_ms if count < 10 else None,
        failures=tuple(verdict.failures),
        notes={"sent": count, "refused by then": refused},
    )


def _policy_of_the_learner(graph: GraphUnderTest) -> PolicyParameters:
    """Return a policy that the learner publishes from now on."""
    start_ns = time.monotonic_ns()
    graph.ear.follow(PolicyParameters, "policy_parameters", qos.POLICY, kept=8)
    heard = graph.wait(
        "a policy",
        lambda: graph.ear.first_since(
            PolicyParameters, start_ns, lambda msg: msg.version < FALSE_VERSION
        ),
        60.0,
    )
    return heard.message


def _episodes(graph: GraphUnderTest, count: int) -> list[float]:
    """Wait for a learner that learns and `count` episodes; return their cycles [ms]."""
    graph.wait(
        "a learner that learns",
        lambda: graph.updates() >= UPDATES,
        120.0,
    )
    start_ns = time.monotonic_ns()

    def whole() -> list[EpisodeSummary]:
        heard = graph.ear.all_since(EpisodeSummary, start_ns)
        return heard if len(heard) > count else []  # the first began before

    summaries = graph.wait(f"{count} episodes", whole, 60.0)
    return [ms for summary in summaries for ms in summary.cycle_ms]


def _p99(values_ms: list[float]) -> float:
    return float(np.percentile(values_ms, 99)) if values_ms else 0.0


def _check_cycle(verdict: Verdict, before_ms: list[float], after_ms: list[float]) -> None:
    change_ms = _p99(after_ms) - _p99(before_ms)
    verdict.at_most("cycle p99 longer by [ms]", change_ms, CYCLE_LIMIT_MS)


CASES = (
    Case(
        fault="F9",
        title="learner dies",
        injection="SIGKILL at a random instant",
        limit="cycle p99 +1 ms at most, resumed <= 20 s, 0 lost",
        run=learner_dies,
        spec=LEARNS,
    ),
    Case(
        fault="F10",
        title="learner away",
        injection="SIGSTOP for 30 s",
        limit="cycle p99 +1 ms at most, 0 time steps lost",
        run=learner_pauses,
        spec=LEARNS,
    ),
    Case(
        fault="F11",
        title="policy with NaN",
        injection="one number of a flawless policy replaced, 5 a run",
        limit="none acts, named <= 1.1 s, the old one acts on",
        run=poisoned_policy,
        spec=LEARNS,
    ),
    Case(
        fault="F12",
        title="broken policies",
        injection="100 a run: truncated, bit-flipped, wrong shape, label, checksum",
        limit="none acts, no crash",
        run=mutated_policies,
        spec=LEARNS,
    ),
)
