"""The learner dies, pauses or speaks nonsense; its disk is full."""

import time
from collections.abc import Callable
from random import Random

import numpy as np
import torch
from safetensors.torch import load, save

from sac_learner.nodes.policy_loader import encoded_policy
from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.faults import learner_away as away
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
PAUSE_S = 30.0
CAUGHT_UP_S = 20.0
MUTATIONS = 100  # of a run
FALSE_VERSION = 1_000_000
EXAMINED_S = 0.03  # of a policy
NAMED_LIMIT_MS = 1100.0  # diagnostics come once a second


def learner_dies(graph: GraphUnderTest, rng: Random) -> Outcome:
    """Kill -9 of the learner at a random instant; the next one goes on."""
    graph.await_restarts_left("learner_node")
    before_ms = away.cycles_without_fault_ms(graph)
    known = graph.ear.newest(TransitionAck), graph.ear.newest(LearnerStatus)
    time.sleep(rng.uniform(0.0, 3.0))
    verdict = Verdict()
    fault_ns = graph.kill("learner_node")
    resume_s = _resumed_after_s(graph, fault_ns, known, verdict)
    verdict.at_most("resumed after [s]", resume_s, RESUME_LIMIT_S)
    away.cycles_without_fault_ms(graph)
    episodes = graph.ear.all_since(EpisodeSummary, fault_ns)
    away.check_acting(episodes, before_ms, verdict)
    away.check_nothing_lost(graph, verdict)
    env_steps = graph.ear.newest(LearnerStatus).env_steps
    verdict.true(
        env_steps >= known[1].env_steps,
        f"env_steps went from {known[1].env_steps} to {env_steps}",
    )
    return away.outcome(
        "supervisor; watch_node: heartbeat",
        resume_s,
        verdict,
        before_ms=before_ms,
        after_ms=away.cycles_ms(episodes),
    )


def _resumed_after_s(
    graph: GraphUnderTest,
    fault_ns: int,
    known: tuple[TransitionAck, LearnerStatus],
    verdict: Verdict,
) -> float:
    """Wait for the next learner; check that it has what the last one had on disk."""
    heard = graph.wait(
        "the next learner's acknowledgement",
        lambda: graph.ear.first_since(
            TransitionAck, fault_ns, lambda m: m.session != known[0].session
        ),
        60.0,
    )
    had, has = known[0].env_steps, heard.message.env_steps
    verdict.true(has >= had, f"{had} transitions were on disk, {has} after the kill")
    return float(heard.steady_ns - fault_ns) / 1e9


def learner_pauses(graph: GraphUnderTest, rng: Random) -> Outcome:
    """SIGSTOP of the learner for half a minute: nothing is lost, nobody waits."""
    before_ms = away.cycles_without_fault_ms(graph)
    verdict = Verdict()
    with graph.paused("learner_node") as fault_ns:
        time.sleep(PAUSE_S)
    back_ns = time.monotonic_ns()
    during = graph.ear.all_since(EpisodeSummary, fault_ns)
    away.check_acting(during, before_ms, verdict)
    sent = during[-1].transitions_sent if during else 0
    caught_up_s = away.caught_up_s(graph, back_ns, sent, 60.0)
    verdict.at_most("caught up after [s]", caught_up_s, CAUGHT_UP_S)
    away.check_nothing_lost(graph, verdict)
    return away.outcome(
        "watch_node: heartbeat (reported, no stop)",
        caught_up_s,
        verdict,
        before_ms=before_ms,
        after_ms=away.cycles_ms(during),
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
    original = _policy_of_the_learner(graph)
    graph.ear.follow(Action, "action", qos.COMMAND)
    false = [make(original, index) for index in range(count)]
    publisher = graph.ear.publisher(PolicyParameters, "policy_parameters", qos.POLICY)
    graph.wait("the actor to listen", publisher.get_subscription_count, 10.0)
    before, fault_ns = _refused(graph), time.monotonic_ns()
    for msg in false:
        publisher.publish(msg)
        time.sleep(EXAMINED_S)
    sent_ns = time.monotonic_ns()
    refused = graph.wait("the refusals", lambda: _refused(graph) - before, 5.0)
    named_ms = (time.monotonic_ns() - sent_ns) / 1e6
    verdict = Verdict()
    verdict.at_most("named after the last [ms]", named_ms, NAMED_LIMIT_MS)
    _check_actions(graph, fault_ns, verdict)
    return Outcome(
        detector="actor_node: examination",
        detect_ms=named_ms,
        failures=tuple(verdict.failures),
        notes={"sent": count, "refused by then": refused},
    )


def _check_actions(graph: GraphUnderTest, fault_ns: int, verdict: Verdict) -> None:
    """Wait for ten more actions; check that every one is by the learner's policies."""
    now_ns = time.monotonic_ns()
    graph.wait("an episode", graph.is_running, 30.0)
    graph.wait(
        "ten more actions",
        lambda: len(graph.ear.all_since(Action, now_ns)) >= 10,
        30.0,
    )
    actions = graph.ear.all_since(Action, fault_ns)
    wrong = {m.policy_version for m in actions if m.policy_version >= FALSE_VERSION}
    verdict.true(not wrong, f"false policies acted: {sorted(wrong)[:5]}")
    finite = all(np.isfinite(m.action).all() for m in actions)
    verdict.true(finite, "an action was not finite")


def _refused(graph: GraphUnderTest) -> int:
    """Return the policies that the actor says it has refused."""
    return int(graph.ear.value("actor_node", "policies_refused") or 0)


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
