"""The actor node on real rclpy, between a fake environment and a fake learner."""

import array
import contextlib
import dataclasses
import itertools
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.parameter import Parameter
from safetensors.torch import save

from sac_learner.core.networks import NetworkConfig, PolicyNetwork, initialise_
from sac_learner.core.parameters import encode_policy, parameters_of
from sac_learner.nodes import actor_convert as convert
from sac_learner.nodes.actor_node import ActorNode
from ur5_rl_env.core.task import START_POSE_RAD
from ur5_rl_interfaces.msg import (
    Action,
    JointVelocityCommand,
    Observation,
    PolicyParameters,
)
from ur5_rl_ros import qos
from ur5_rl_ros.testing import node_environment

pytestmark = pytest.mark.realtime

HEIGHT, WIDTH = 45, 80
SHAPE = NetworkConfig(height_px=HEIGHT, width_px=WIDTH, hidden_size=16)
SIZE = {"height_px": HEIGHT, "width_px": WIDTH}


class Neighbours(Node):
    """Environment, arm and learner in one node."""

    def __init__(self, context):
        super().__init__("neighbours", context=context)
        self.commands, self.actions, self.command_times, self.action_times = (
            [],
            [],
            [],
            [],
        )
        self.reports = []
        self.observations = self.create_publisher(Observation, "observation", qos.COMMAND)
        self.policies = self.create_publisher(
            PolicyParameters, "policy_parameters", qos.POLICY
        )
        listen = self.create_subscription
        listen(JointVelocityCommand, "velocity_command", self._on_command, 100)
        listen(Action, "action", self._on_action, 100)
        listen(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def _on_command(self, msg, info):
        self.commands.append(msg)
        self.command_times.append(info["source_timestamp"])

    def _on_action(self, msg, info):
        self.actions.append(msg)
        self.action_times.append(info["source_timestamp"])

    def _on_diagnostics(self, msg):
        status = msg.status[0]
        values = {pair.key: pair.value for pair in status.values}
        self.reports.append((status.level, status.message, values))

    def observe(self, step, *, age_s=0.0, **changes):
        """Publish an observation and return it."""
        fields = {
            "run_id": 7,
            "episode": 1,
            "step": step,
            "steady_ns": time.monotonic_ns() - round(age_s * 1e9),
            "height": HEIGHT,
            "width": WIDTH,
            "channels": 9,
            "frames": array.array("B", bytes(9 * HEIGHT * WIDTH)),
            "proprioception": np.array([*START_POSE_RAD[:5], *[0.0] * 10], np.float32),
        }
        msg = Observation(**fields | changes)
        self.observations.publish(msg)
        return msg


@pytest.fixture
def neighbours(ros):
    node = Neighbours(ros.context)
    ros.add_node(node)
    yield node
    node.destroy_node()


@pytest.fixture
def start(ros, neighbours, spin_until):
    """Start actor nodes in this process; close them at the end."""
    with contextlib.ExitStack() as stack:

        def start(**settings):
            overrides = [Parameter(k, value=v) for k, v in (SIZE | settings).items()]
            node = ActorNode(context=ros.context, parameter_overrides=overrides)
            stack.callback(node.destroy_node)
            stack.callback(node.close)
            ros.add_node(node)
            topics = ("/velocity_command", "/action", "/diagnostics")
            outputs = [p for p in node.publishers if p.topic_name in topics]
            assert len(outputs) == len(topics)
            inputs = [neighbours.observations]
            if settings["policy"] == "sac":
                inputs.append(neighbours.policies)
            spin_until(lambda: all(p.get_subscription_count() for p in inputs + outputs))
            return node

        yield start


@pytest.fixture
def start_process(ros_domain, neighbours, spin_until):
    """Start actor nodes as processes; end them at the end."""
    started = []

    def start_process(**settings):
        words = [f"{name}:={value}" for name, value in (SIZE | settings).items()]
        process = subprocess.Popen(
            [sys.executable, "-m", "sac_learner.nodes.actor_node", "--ros-args"]
            + [part for word in words for part in ("-p", word)],
            env=node_environment(ros_domain),
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_process
    for process in started:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
        process.stderr.close()


def observe_until(condition, neighbours, spin_until):
    """Publish one observation after another until a condition holds."""
    steps = itertools.count(1)

    def observed_and_holds():
        neighbours.observe(next(steps))
        return condition()

    spin_until(observed_and_holds)


def answered(neighbours, spin_until, step, **changes):
    """Publish an observation and return the action that answers it."""
    seen = neighbours.observe(step, **changes)
    place = (seen.run_id, seen.episode, seen.step)
    spin_until(
        lambda: (
            neighbours.actions
            and place == tuple(getattr(neighbours.actions[-1], name) for name in PLACE)
        )
    )
    return neighbours.actions[-1]


PLACE = ("run_id", "episode", "step")


def test_each_observation_is_answered_by_one_command_and_one_action(
    start, neighbours, spin_until
):
    start(policy="random", max_joint_speed_rad_s=0.5)
    for step in range(5):
        before_ns = time.monotonic_ns()
        action = answered(neighbours, spin_until, step)
        spin_until(lambda: len(neighbours.commands) == len(neighbours.actions))
        command = neighbours.commands[-1]
        assert command.sequence == step + 1
        assert command.session == neighbours.commands[0].session != 0
        assert before_ns <= command.steady_ns <= time.monotonic_ns()
        expected = [*(0.5 * action.action.astype(float)), 0.0]
        np.testing.assert_allclose(command.velocity_rad_s, expected, atol=1e-7)
        assert 0.0 < action.observation_to_command_ms < 120.0
        assert (action.policy_version, action.policy_age_s) == (0, 0.0)
    assert len({tuple(action.action) for action in neighbours.actions}) == 5
    for command_time, action_time in zip(
        neighbours.command_times, neighbours.action_times, strict=True
    ):
        assert command_time < action_time  # the arm comes first


def test_it_listens_to_observations_only_once_its_answers_are_heard(ros, spin_until):
    """env_node starts when somebody listens: then the first answer must not get lost."""
    env = Node("env", context=ros.context)
    observations = env.create_publisher(Observation, "observation", qos.COMMAND)
    node = ActorNode(
        context=ros.context, parameter_overrides=[Parameter("policy", value="zero")]
    )
    for each in (env, node):
        ros.add_node(each)
    spin_until(lambda: env.count_publishers("action") == 1)
    assert env.count_subscribers("observation") == 0
    env.create_subscription(Action, "action", lambda _: None, qos.COMMAND)
    spin_until(observations.get_subscription_count)
    node.close()
    for each in (env, node):
        each.destroy_node()


IMPORTS = """
import sys, time, rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sac_learner.nodes.actor_node import ActorNode
from ur5_rl_interfaces.msg import Action, Observation
from ur5_rl_ros import qos

rclpy.init()
settings = {"policy": sys.argv[1], "height_px": 45, "width_px": 80}
overrides = [Parameter(k, value=v) for k, v in settings.items()]
actor = ActorNode(parameter_overrides=overrides)
env, executor, answers, reports = Node("env"), SingleThreadedExecutor(), [], []
env.create_subscription(Action, "action", answers.append, qos.COMMAND)
env.create_subscription(DiagnosticArray, "/diagnostics", reports.append, 10)
observations = env.create_publisher(Observation, "observation", qos.COMMAND)
executor.add_node(actor)
executor.add_node(env)
seen = Observation(run_id=1, episode=1, height=45, width=80, channels=9)
seen.frames = bytes(9 * 45 * 80)
imported = {}
while not any("p99" in v.key for r in reports for s in r.status for v in s.values):
    seen.step += 1
    seen.steady_ns = time.monotonic_ns()
    observations.publish(seen)
    executor.spin_once(timeout_sec=0.02)
    if answers:
        imported = imported or set(sys.modules)
print(*sorted(set(sys.modules) - imported))
actor.close()
"""


@pytest.mark.parametrize("policy", ["servo", "sac"])
def test_it_imports_nothing_once_it_acts(ros_domain, policy):
    """An import takes some control cycles; from a cold disk it ended the episode."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, policy],
        env=node_environment(ros_domain),
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_two_actors_have_different_sessions(start, start_process, neighbours, spin_until):
    start(policy="zero")
    answered(neighbours, spin_until, 0)
    start_process(policy="zero")
    spin_until(lambda: neighbours.observations.get_subscription_count() == 2)
    observe_until(
        lambda: len({command.session for command in neighbours.commands}) == 2,
        neighbours,
        spin_until,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"age_s": 0.2},
        {"age_s": -5.0},
        {"height": HEIGHT + 1},
        {"channels": 3},
        {"frames": array.array("B", bytes(9 * HEIGHT * WIDTH - 1))},
        {"frames": array.array("B")},
        {"proprioception": np.full(15, np.nan, np.float32)},
        {"proprioception": np.full(15, np.inf, np.float32)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_fault_a_stale_or_malformed_observation_moves_nothing(
    start, neighbours, spin_until, wrong
):
    node = start(policy="random")
    answered(neighbours, spin_until, 0)
    neighbours.observe(1, **wrong)
    spin_until(lambda: node.counts["stale"] + node.counts["malformed"] == 1)
    answered(neighbours, spin_until, 2, episode=2)
    assert [action.step for action in neighbours.actions] == [0, 2]
    spin_until(lambda: len(neighbours.commands) == 2)


def test_fault_an_observation_is_answered_once_and_none_out_of_order(
    start, neighbours, spin_until
):
    node = start(policy="random")
    answered(neighbours, spin_until, 5)
    neighbours.observe(5)
    spin_until(lambda: node.counts["repeated"] == 1)
    neighbours.observe(4)
    spin_until(lambda: node.counts["repeated"] == 2)
    answered(neighbours, spin_until, 0, episode=2)
    answered(neighbours, spin_until, 0, run_id=8)
    assert [command.sequence for command in neighbours.commands] == [1, 2, 3]


def test_fault_one_wrong_episode_number_does_not_silence_the_rest_of_the_run(
    start, neighbours, spin_until
):
    node = start(policy="random")
    answered(neighbours, spin_until, 5)
    answered(neighbours, spin_until, 6, episode=2**32 - 1)  # a bit was flipped
    neighbours.observe(7)
    spin_until(lambda: node.counts["repeated"] == 1)
    answered(neighbours, spin_until, 0, episode=2)  # env_node begins the next one
    answered(neighbours, spin_until, 1, episode=2)


def test_fault_too_few_bytes_are_refused_by_name():
    msg = Observation(channels=9, height=HEIGHT, width=WIDTH)
    with pytest.raises(ValueError, match="must have 32400 bytes, got 0"):
        convert.observation(msg, HEIGHT, WIDTH)


class Slow:
    """A policy that is stopped in the middle of an observation."""

    def act(self, _observation):
        time.sleep(0.15)
        return np.ones(5, np.float32)


class Broken:
    def __init__(self, action):
        self.action = np.array(action, np.float32)

    def act(self, _observation):
        return self.action


def test_fault_an_answer_that_took_too_long_is_not_sent(start, neighbours, spin_until):
    node = start(policy="zero")
    node.policy = Slow()
    neighbours.observe(0)
    spin_until(lambda: node.counts["stale"] == 1)
    node.policy = Broken([0.0] * 5)
    answered(neighbours, spin_until, 1)
    assert [action.step for action in neighbours.actions] == [1]
    assert [command.sequence for command in neighbours.commands] == [1]


@pytest.mark.parametrize(
    "chosen,sent",
    [
        ([np.nan, 1, 1, 1, 1], [0, 0, 0, 0, 0]),
        ([np.inf, 1, 1, 1, 1], [0, 0, 0, 0, 0]),
        ([3, -3, 0.5, 0, 1], [1, -1, 0.5, 0, 1]),
    ],
)
def test_fault_a_wild_action_is_clipped_and_a_non_finite_one_is_zero(
    start, neighbours, spin_until, chosen, sent
):
    node = start(policy="zero")
    node.policy = Broken(chosen)
    action = answered(neighbours, spin_until, 0)
    np.testing.assert_array_equal(action.action, sent)
    spin_until(lambda: neighbours.commands)
    expected = 0.7 * np.array([*sent, 0.0])
    np.testing.assert_allclose(neighbours.commands[0].velocity_rad_s, expected)


# Policies from the learner


def encoded(seed, version, shape=SHAPE, **label):
    torch.manual_seed(seed)
    network = PolicyNetwork(shape)
    initialise_(network)
    return encode_policy(parameters_of(network), shape, version, **label)


def policy_msg(policy):
    data = array.array("B")
    data.frombytes(policy.data)
    return PolicyParameters(
        session=policy.session,
        update_step=policy.update_step,
        version=policy.version,
        architecture=policy.architecture,
        sha256=policy.sha256,
        data=data,
    )


def signed(policy, data):
    """Replace the data, with a checksum that is right for it."""
    return dataclasses.replace(policy, data=data).sealed()


def with_nan(policy, rng):
    parameters = parameters_of(PolicyNetwork(SHAPE))
    name = rng.choice(sorted(parameters))
    flat = parameters[name].view(-1)
    flat[rng.integers(len(flat))] = rng.choice([np.nan, np.inf, -np.inf])
    return signed(policy, save(parameters))


def with_wrong_shape(policy, rng):
    parameters = parameters_of(PolicyNetwork(SHAPE))
    name = rng.choice(sorted(parameters))
    parameters[name] = parameters[name].repeat(2, *[1] * (parameters[name].ndim - 1))
    return signed(policy, save(parameters))


def without_one_parameter(policy, rng):
    parameters = parameters_of(PolicyNetwork(SHAPE))
    del parameters[rng.choice(sorted(parameters))]
    return signed(policy, save(parameters))


def bit_flipped(policy, rng):
    data = bytearray(policy.data)
    data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    return dataclasses.replace(policy, data=bytes(data))


def truncated(policy, rng):
    return signed(policy, policy.data[: rng.integers(len(policy.data))])


def noise(policy, rng):
    return signed(policy, rng.bytes(int(rng.integers(1, 5000))))


def other_image_size(policy, _rng):
    shape = dataclasses.replace(SHAPE, height_px=90, width_px=160)
    return encoded(0, policy.version, shape)


def other_architecture(policy, rng):
    fields = json.loads(policy.architecture)
    name = rng.choice(["hidden_size", "channels", "actions", "proprioception"])
    fields[name] += int(rng.choice([-3, -1, 1, 2]))
    return dataclasses.replace(policy, architecture=json.dumps(fields)).sealed()


def version_zero(policy, _rng):
    return dataclasses.replace(policy, version=0).sealed()


MUTATIONS = (
    with_nan,
    with_wrong_shape,
    without_one_parameter,
    bit_flipped,
    truncated,
    noise,
    other_image_size,
    other_architecture,
    version_zero,
)


@pytest.fixture
def acting(start, neighbours, spin_until):
    """Start a deterministic actor that acts by version 1; return node and its action."""

    def acting(**settings):
        node = start(policy="sac", deterministic=True, **settings)
        neighbours.policies.publish(policy_msg(encoded(seed=1, version=1)))
        step = 0

        def has_arrived():
            nonlocal step
            step += 1
            action = answered(neighbours, spin_until, step)
            return action.policy_version == 1

        spin_until(has_arrived)
        return node, neighbours.actions[-1].action

    return acting


def test_it_acts_at_random_until_a_policy_arrives_and_then_by_it(
    acting, neighbours, spin_until
):
    acting()
    at_random = [a for a in neighbours.actions if a.policy_version == 0]
    assert at_random
    assert all(np.abs(action.action).max() > 0.0 for action in at_random)
    first = answered(neighbours, spin_until, 1, episode=2)
    second = answered(neighbours, spin_until, 2, episode=2)
    np.testing.assert_array_equal(first.action, second.action)
    assert 0.0 < first.policy_age_s < second.policy_age_s < 30.0


def test_a_run_that_goes_on_begins_no_episode_before_its_policy(
    ros, neighbours, spin_until
):
    """env_node begins when somebody listens to observations."""
    settings = SIZE | {"policy": "sac", "waits_for_policy": True}
    overrides = [Parameter(name, value=value) for name, value in settings.items()]
    node = ActorNode(context=ros.context, parameter_overrides=overrides)
    ros.add_node(node)
    spin_until(
        lambda: neighbours.reports and neighbours.policies.get_subscription_count()
    )
    assert neighbours.reports[-1][1] == "waits for the learner's first policy"
    assert neighbours.observations.get_subscription_count() == 0
    neighbours.policies.publish(policy_msg(encoded(seed=1, version=1)))
    spin_until(neighbours.observations.get_subscription_count)
    assert answered(neighbours, spin_until, 1).policy_version == 1
    node.close()
    node.destroy_node()


def test_an_observation_waits_for_the_policy_that_may_answer_it(
    acting, neighbours, spin_until
):
    """Sequential: the policy of the last update acts, whichever message came first."""
    acting()
    neighbours.observe(1, episode=2, policy_version=2)
    neighbours.observe(2, episode=2, policy_version=2)  # it replaces the first
    neighbours.policies.publish(policy_msg(encoded(seed=5, version=2)))
    spin_until(lambda: neighbours.actions[-1].episode == 2, timeout_s=5.0)
    answers = [(a.step, a.policy_version) for a in neighbours.actions if a.episode == 2]
    assert answers == [(2, 2)]


def test_fault_a_policy_that_comes_too_late_answers_no_old_observation(
    acting, neighbours, spin_until
):
    actor, _ = acting()
    neighbours.observe(1, episode=2, policy_version=2)
    spin_until(lambda: actor._held is not None)
    spin_until(lambda: not actor._gate.is_fresh(actor._held, time.monotonic_ns()))
    stale = actor.counts["stale"]
    neighbours.policies.publish(policy_msg(encoded(seed=5, version=2)))
    spin_until(lambda: actor.counts["stale"] == stale + 1)
    assert not [a for a in neighbours.actions if a.episode == 2]
    now = answered(neighbours, spin_until, 2, episode=2, policy_version=2)
    assert now.policy_version == 2


def test_fault_100_mutations_of_a_policy_are_refused_and_the_old_one_acts_on(
    acting, neighbours, spin_until
):
    node, by_version_1 = acting()
    rng, good = np.random.default_rng(5), encoded(seed=2, version=2)
    for count in range(1, 101):
        mutate = MUTATIONS[count % len(MUTATIONS)]
        neighbours.policies.publish(policy_msg(mutate(good, rng)))
        spin_until(lambda count=count: node.policies_refused == count)
        action = answered(neighbours, spin_until, count, episode=2)
        assert action.policy_version == 1, mutate.__name__
        np.testing.assert_array_equal(action.action, by_version_1)
    spin_until(lambda: neighbours.reports and "refused" in neighbours.reports[-1][1])
    neighbours.policies.publish(policy_msg(good))
    step = 0

    def has_arrived():
        nonlocal step
        step += 1
        return answered(neighbours, spin_until, step, episode=3).policy_version == 2

    spin_until(has_arrived)
    assert (neighbours.actions[-1].action != by_version_1).any()
    assert node.policies_refused == 100


def test_fault_a_refused_policy_shows_in_diagnostics_with_its_reason(
    acting, neighbours, spin_until
):
    acting()
    bad = with_nan(encoded(seed=2, version=9), np.random.default_rng(0))
    neighbours.policies.publish(policy_msg(bad))
    spin_until(lambda: neighbours.reports and neighbours.reports[-1][0] != b"\x00")
    _, message, values = neighbours.reports[-1]
    assert "policy 9" in message
    assert "non-finite" in message
    assert values["policies_refused"] == "1"
    assert values["policy_version"] == "1"


@pytest.fixture
def is_still(neighbours, spin_until):
    """Return whether the answer to the next observation is to stand still."""
    steps = itertools.count(10_000)

    def is_still():
        return not answered(neighbours, spin_until, next(steps)).action.any()

    return is_still


def test_fault_a_silent_learner_holds_the_arm_still_until_it_confirms_its_policy(
    acting, neighbours, spin_until, is_still
):
    node, by_version_1 = acting(max_policy_age_s=1.0)
    heard_s = time.monotonic()
    assert not is_still()
    spin_until(is_still)
    assert 0.8 < time.monotonic() - heard_s < 1.5
    assert node.counts["held_still"] > 0
    spin_until(lambda: neighbours.reports and neighbours.reports[-1][0] == b"\x02")
    assert (
        "holds still: nothing good of the learner's policy" in neighbours.reports[-1][1]
    )
    before = neighbours.actions[-1]
    neighbours.policies.publish(policy_msg(encoded(seed=1, version=1)))
    spin_until(lambda: not is_still())
    again = neighbours.actions[-1]
    np.testing.assert_array_equal(again.action, by_version_1)
    assert again.policy_version == 1
    assert again.policy_age_s > before.policy_age_s > 0.8  # it was not loaded anew
    assert node.policies_refused == 0
    spin_until(is_still)  # it is still watched


def test_a_learner_that_confirms_its_policy_keeps_the_arm_moving(
    acting, neighbours, spin_until, is_still
):
    node, _ = acting(max_policy_age_s=1.0)
    until_s = time.monotonic() + 3.0
    while time.monotonic() < until_s:
        neighbours.policies.publish(policy_msg(encoded(seed=1, version=1)))
        assert not is_still()
    assert node.counts["held_still"] == 0


def test_fault_policies_that_are_refused_do_not_count_as_heard(
    acting, neighbours, spin_until, is_still
):
    acting(max_policy_age_s=1.0)
    bad = with_nan(encoded(seed=2, version=2), np.random.default_rng(0))

    def is_still_though_it_hears_bad_ones():
        neighbours.policies.publish(policy_msg(bad))
        return is_still()

    spin_until(is_still_though_it_hears_bad_ones)
    spin_until(
        lambda: (
            "holds still" in neighbours.reports[-1][1]
            and "non-finite" in neighbours.reports[-1][1]
        )
    )


def test_fault_a_policy_that_goes_back_is_refused_and_a_new_learner_goes_on_upwards(
    acting, neighbours, spin_until
):
    node, _ = acting()
    steps = itertools.count(10_000)

    def version():
        return answered(neighbours, spin_until, next(steps)).policy_version

    def say(seed, version, **more):
        neighbours.policies.publish(policy_msg(encoded(seed, version, **more)))

    say(2, version=5, update_step=50)
    spin_until(lambda: version() == 5)
    refused = (
        {"version": 4, "update_step": 60},
        {"version": 5, "update_step": 60},
        {"version": 6, "update_step": 49},
        {"version": 5, "session": 3},
        {"version": 1, "session": 3},
    )
    for count, wrong in enumerate(refused, start=1):
        say(3, **wrong)
        spin_until(lambda count=count: node.policies_refused == count)
        assert version() == 5
    say(3, version=6, session=3, update_step=20)  # resumed from an older checkpoint
    spin_until(lambda: version() == 6)
    say(4, version=7, session=3, update_step=21)
    spin_until(lambda: version() == 7)


# As a process


def test_fault_after_a_stop_and_a_continue_no_old_action_goes_out(
    start_process, neighbours, spin_until
):
    process = start_process(policy="random")
    spin_until(lambda: neighbours.observations.get_subscription_count() == 1)
    observe_until(lambda: len(neighbours.commands) >= 3, neighbours, spin_until)
    answered(neighbours, spin_until, 1, episode=2)
    process.send_signal(signal.SIGSTOP)
    stale = neighbours.observe(2, episode=2)
    num_commands = len(neighbours.commands)
    spin_until(lambda: time.monotonic_ns() - stale.steady_ns > 200_000_000)
    process.send_signal(signal.SIGCONT)
    answered(neighbours, spin_until, 3, episode=2)
    assert [(a.episode, a.step) for a in neighbours.actions[-2:]] == [(2, 1), (2, 3)]
    spin_until(lambda: len(neighbours.commands) > num_commands)
    assert len(neighbours.commands) == num_commands + 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("policy", ["random", "sac"])
def test_the_last_command_is_zero(start_process, neighbours, spin_until, number, policy):
    process = start_process(policy=policy)
    observe_until(lambda: len(neighbours.commands) >= 3, neighbours, spin_until)
    assert any(neighbours.commands[-1].velocity_rad_s)
    process.send_signal(number)
    spin_until(lambda: not any(neighbours.commands[-1].velocity_rad_s), timeout_s=2.0)
    assert process.wait(timeout=2.0) == 0
    sequences = [command.sequence for command in neighbours.commands]
    assert sequences == sorted(set(sequences))
    assert "Traceback" not in process.communicate()[1]


def test_fault_an_unknown_policy_ends_the_process_with_the_choices(start_process):
    process = start_process(policy="sca")
    _, errors = process.communicate(timeout=20.0)
    assert process.returncode == 2
    assert errors.strip().splitlines() == [
        "error: actor_node: policy must be one of sac, random, zero, servo, got 'sca'"
    ]


def test_fault_a_checkpoint_that_is_not_there_ends_the_process(start_process, tmp_path):
    process = start_process(policy="sac", checkpoint=tmp_path / "none")
    _, errors = process.communicate(timeout=20.0)
    assert process.returncode == 2
    assert "none" in errors
    assert "Traceback" not in errors
