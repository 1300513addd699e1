"""What the graph says of itself, with the instant at which it was heard."""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile

from ur5_rl_bringup.graph import environment
from ur5_rl_interfaces.msg import (
    ArmStatus,
    EnvStatus,
    EpisodeSummary,
    LearnerStatus,
    StopRequest,
    Transition,
    TransitionAck,
)
from ur5_rl_ros import qos
from ur5_rl_ros.process import spinning_in_background

KEPT = 4000  # messages of a kind
SWITCH_S = 0.0005  # by default what is heard may wait 5 ms for the thread that looks on


class Heard(NamedTuple):
    """A message and when it came."""

    steady_ns: int
    message: Any


class Ear:
    """Keeps what was heard, newest last. Written by the callback thread."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._heard: dict[type, deque[Heard]] = {}
        self._newest: dict[type, Heard] = {}
        self._health: dict[str, Heard] = {}
        self._publishers: dict[str, Publisher] = {}
        self.sequences: set[tuple[int, int]] = set()  # time steps: run, number
        for kind, topic, profile in (
            (ArmStatus, "arm_status", qos.STATUS),
            (EnvStatus, "env_status", qos.STATUS),
            (EpisodeSummary, "episode_summary", qos.STATUS),
            (LearnerStatus, "learner_status", qos.STATUS),
            (StopRequest, "stop_request", qos.COMMAND),
            (TransitionAck, "transition_ack", qos.POLICY),
        ):
            self.follow(kind, topic, profile)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_health, 50)

    def follow(
        self, kind: type, topic: str, profile: QoSProfile, kept: int = KEPT
    ) -> None:
        """Keep the newest `kept` messages of a topic from now on; once is enough."""
        if kind not in self._heard:
            self._heard[kind] = deque(maxlen=kept)
            self.node.create_subscription(kind, topic, self._keep, profile)

    def publisher(self, kind: type, topic: str, profile: QoSProfile) -> Publisher:
        """Return the one publisher of a topic, which lives as long as the node.

        One that goes while the callback thread waits on it would take that thread along.
        """
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(kind, topic, profile)
        return self._publishers[topic]

    def count_time_steps(self) -> None:
        """Note the number of each time step from now on."""
        self.node.create_subscription(
            Transition,
            "transition",
            lambda msg: self.sequences.add((msg.run_id, msg.sequence)),
            qos.TRANSITION,
        )

    def _keep(self, msg: Any) -> None:
        heard = Heard(time.monotonic_ns(), msg)
        self._heard.setdefault(type(msg), deque(maxlen=KEPT)).append(heard)
        self._newest[type(msg)] = heard

    def _on_health(self, msg: DiagnosticArray) -> None:
        now_ns = time.monotonic_ns()
        for status in msg.status:
            self._keep(status)
            self._health[status.name.rpartition("/")[2]] = Heard(now_ns, status)

    def newest(self, kind: type) -> Any:
        """Return the newest message of a kind; None before the first."""
        heard = self._newest.get(kind)
        return heard.message if heard else None

    def first_since(
        self, kind: type, start_ns: int, condition: Callable[[Any], object]
    ) -> Heard | None:
        """Return the first message since `start_ns` for which `condition` holds."""
        for heard in list(self._heard.get(kind, ())):
            if heard.steady_ns >= start_ns and condition(heard.message):
                return heard
        return None

    def phase_at(self, instant_ns: int) -> int | None:
        """Return the environment's phase that was newest then; None before the first."""
        heard = list(self._heard.get(EnvStatus, ()))
        before = [h.message.phase for h in heard if h.steady_ns <= instant_ns]
        return before[-1] if before else None

    def all_since(self, kind: type, start_ns: int) -> list[Any]:
        """Return all messages of a kind since `start_ns`."""
        heard = list(self._heard.get(kind, ()))
        return [h.message for h in heard if h.steady_ns >= start_ns]

    def health(self, node_name: str) -> DiagnosticStatus | None:
        """Return a node's newest entry in /diagnostics."""
        heard = self._health.get(node_name)
        return heard.message if heard else None

    def value(self, node_name: str, key: str) -> str:
        """Return a value of a node's newest entry in /diagnostics; "" if not there."""
        status = self.health(node_name)
        pairs = status.values if status is not None else ()
        return next((pair.value for pair in pairs if pair.key == key), "")


@contextmanager
def listening(root: Path, domain: int) -> Iterator[Ear]:
    """Listen on a DDS domain for as long as the block lasts."""
    for name, value in environment(root).items():
        os.environ.setdefault(name, value)
    sys.setswitchinterval(SWITCH_S)
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    try:
        node = rclpy.create_node("fault_harness", context=context)
        ear = Ear(node)
        with spinning_in_background(node):
            yield ear
        node.destroy_node()
    finally:
        rclpy.try_shutdown(context=context)
