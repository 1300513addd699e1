"""All that a node under test has around it: it is fed, listened to and asked to react."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import Trigger

from ur5_rl_experiments.fuzz.seeds import POLICY_VERSION, Seeds
from ur5_rl_experiments.fuzz.targets import NodeUnderTest
from ur5_rl_interfaces import msg as ours
from ur5_rl_interfaces.srv import ResetTarget
from ur5_rl_ros import qos

REACTION_S = 30.0
ADMITTED_S = 1.0  # for a policy to be examined
ENABLE_PERIOD_S = 0.2
SILENCE_S = 0.2  # of a commander before it is followed; longer than it has to be
PERIOD_S = 0.04  # of commands and observations
POLL_S = 0.02
ARMED = (ours.ArmStatus.ARMED, ours.ArmStatus.MOVING, ours.ArmStatus.STALE)
FEED = {  # what an environment lives on: topic, type, profile, period [s]
    "joint_states": (JointState, qos.SENSOR, 0.02),
    "arm_status": (ours.ArmStatus, qos.STATUS, 0.04),
    "target_state": (ours.TargetState, qos.SENSOR, 0.04),
    "image_raw": (Image, qos.SENSOR, 0.04),
}


class Neighbours(Node):
    """Publishes what it is told to, counts what it hears. Callbacks: one thread.

    Attributes:
        seeds: Valid messages.
        silenced: Topics that the feed leaves alone.
        heard: Counts of what shows that the node under test works.
        diagnostics: Newest values of the node under test, and how often they came.
        arm: Newest status of the arm.
        arm_states: How often the arm was in which state.
    """

    def __init__(self, context: Context, under_test: NodeUnderTest) -> None:
        super().__init__("fuzzer", context=context)
        self.seeds = Seeds()  # of the thread that storms
        self._own = Seeds()  # of the callbacks
        self.silenced: set[str] = set()
        self.heard: Counter[Any] = Counter()
        self.diagnostics: tuple[int, dict[str, str]] = (0, {})
        self.arm = ours.ArmStatus()
        self.arm_states: Counter[int] = Counter()
        self._name = under_test.name
        self._turns = bool(under_test.parameters.get("waits_for_learner"))
        self._topics: dict[str, Any] = {}
        for target in under_test.targets:
            self._publisher(target.topic, target.message_type, target.profile)
        listen = self.create_subscription
        listen(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        listen(ours.Action, "action", self._on_action, qos.COMMAND)
        listen(ours.TransitionAck, "transition_ack", self._on_ack, qos.POLICY)
        status = "arm_status" if self._name == "arm_node" else "aside/arm_status"
        listen(ours.ArmStatus, status, self._on_arm, qos.STATUS)
        self._enable = self.create_client(Trigger, "enable_arm")
        self.create_timer(ENABLE_PERIOD_S, self._keep_armed)
        command = ours.JointVelocityCommand
        self._publisher("velocity_command", command, qos.COMMAND)
        if self._name == "actor_node":
            self._publisher("observation", ours.Observation, qos.COMMAND)
            self._publisher("policy_parameters", ours.PolicyParameters, qos.POLICY)
            self.create_timer(PERIOD_S, lambda: self._feed("observation"))
        elif self._name != "arm_node":
            self.create_timer(PERIOD_S, lambda: self._feed("velocity_command"))
        if self._name == "env_node":
            self._surround()

    def publish(self, topic: str, payload: Any) -> None:
        """Send a message, or the bytes of one."""
        self._topics[topic].publish(payload)

    def wait_until(
        self,
        condition: Callable[[], object],
        act: Callable[[], object] = lambda: None,
        timeout_s: float = REACTION_S,
    ) -> bool:
        """Call `act` again and again until `condition` holds; return whether it did."""
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                return False
            act()
            time.sleep(POLL_S)
        return True

    def fresh_values(self) -> dict[str, str]:
        """Wait for diagnostics that were made after now; return their values."""
        seen = self.diagnostics[0]
        self.wait_until(lambda: self.diagnostics[0] >= seen + 2)
        return self.diagnostics[1]

    def reacts(self, topic: str) -> bool:
        """Send what is valid and return whether the node works by it."""
        reaction = getattr(self, f"_{self._name}_reacts")
        return bool(reaction(topic))

    # What shows that a node works.

    def _arm_node_reacts(self, topic: str) -> bool:
        if topic == "stop_request":  # what was asked for is over half a second later
            self.publish(topic, self.seeds.make(topic))
        self.wait_until(lambda: self.arm.state in ARMED)
        time.sleep(SILENCE_S)
        self.seeds.new_run()
        accepted = self.arm.commands_accepted
        return self.wait_until(
            lambda: self.arm.commands_accepted >= accepted + 5,
            lambda: self.publish("velocity_command", self.seeds.make("velocity_command")),
        )

    def _env_node_reacts(self, _topic: str) -> bool:
        answered = self.heard["answered steps"]
        return self.wait_until(
            lambda: self.heard["answered steps"] >= answered + 5,
            lambda: self._turns and self._feed("learner_turn"),  # also before a step
        )

    def _actor_node_reacts(self, _topic: str) -> bool:
        """Whether it answers by the newest policy, which asks for rest.

        The policy comes before the first observation: without one it acts at random.
        """
        self.silenced = {"observation"}
        self.seeds.new_run()
        policy = self.seeds.make("policy_parameters")
        self.publish("policy_parameters", policy)
        time.sleep(ADMITTED_S)
        self.silenced = set()
        return self.wait_until(lambda: self.heard["action", policy.version])

    def _learner_node_reacts(self, topic: str) -> bool:
        self.seeds.new_run()
        for _ in range(5):
            self.publish(topic, self.seeds.make(topic))
            time.sleep(POLL_S)
        stored = ("ack", self.seeds.known.run_id, 5)
        return self.wait_until(lambda: self.heard[stored])

    def _monitor_node_reacts(self, _topic: str) -> bool:
        episodes = int(self.fresh_values()["episodes"])
        return self.wait_until(
            lambda: int(self.diagnostics[1]["episodes"]) > episodes,
            lambda: self.publish("episode_summary", self.seeds.make("episode_summary")),
        )

    def _camera_node_reacts(self, _topic: str) -> bool:
        """Whether it still reports; it waits for a screen and a robot's pose."""
        return "frames_hz" in self.fresh_values()

    def _watch_node_reacts(self, topic: str) -> bool:
        self.seeds.new_run()
        return self.wait_until(
            lambda: self.diagnostics[1].get("fuzzer") == "alive",
            lambda: self.publish(topic, self.seeds.make(topic)),
        )

    def _dry_run_node_reacts(self, topic: str) -> bool:
        used = int(self.fresh_values()["messages_used"])
        return self.wait_until(
            lambda: int(self.diagnostics[1]["messages_used"]) >= used + 5,
            lambda: self.publish(topic, self.seeds.make(topic)),
        )

    # The world of an environment.

    def _surround(self) -> None:
        for topic, (message_type, profile, period_s) in FEED.items():
            self._publisher(topic, message_type, profile)
            self.create_timer(period_s, lambda topic=topic: self._feed(topic))
        self._publisher("action", ours.Action, qos.COMMAND)
        listen = self.create_subscription
        listen(ours.Observation, "observation", self._on_observation, qos.COMMAND)
        listen(ours.Transition, "transition", self._on_transition, qos.TRANSITION)
        self.create_service(ResetTarget, "reset_target", _agree)

    def _feed(self, topic: str) -> None:
        if topic not in self.silenced:
            self.publish(topic, self._own.make(topic))

    def _keep_armed(self) -> None:
        is_off = self.arm.state == ours.ArmStatus.IDLE
        if is_off and self._enable.service_is_ready():
            self._enable.call_async(Trigger.Request())

    def _on_observation(self, msg: ours.Observation) -> None:
        self.seeds.observed = self._own.observed = msg
        self._feed("action")

    def _on_transition(self, msg: ours.Transition) -> None:
        for known in (self.seeds.known, self._own.known):
            known.run_id, known.sequence = msg.run_id, msg.sequence
        self.heard["answered steps"] += msg.policy_version == POLICY_VERSION
        if self._turns:
            self._feed("learner_turn")

    # What it hears.

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            if status.name.endswith(f"/{self._name}"):
                values = {pair.key: pair.value for pair in status.values}
                self.diagnostics = self.diagnostics[0] + 1, values

    def _on_action(self, msg: ours.Action) -> None:
        self.heard["action", msg.policy_version] += 1

    def _on_ack(self, msg: ours.TransitionAck) -> None:
        self.heard["ack", msg.run_id, msg.sequence] += 1

    def _on_arm(self, msg: ours.ArmStatus) -> None:
        self.arm = msg
        self.arm_states[msg.state] += 1

    def _publisher(self, topic: str, message_type: Any, profile: QoSProfile) -> None:
        if topic not in self._topics:
            self._topics[topic] = self.create_publisher(message_type, topic, profile)


def _agree(_request: Any, response: Any) -> Any:
    response.success = True
    return response
