"""A fake environment that sends numbered time steps and notes what the learner says."""

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rclpy.node import Node

from ur5_rl_experiments.bench.numbered_steps import message
from ur5_rl_interfaces.msg import (
    LearnerStatus,
    PolicyParameters,
    Transition,
    TransitionAck,
)
from ur5_rl_ros import qos

# DDS holds 2000. What it drops while a busy machine starts a learner for minutes never
# arrives, and says nothing about what the learner keeps.
MAX_UNACKNOWLEDGED = 1800


@dataclass
class Heard:
    """What the learner has said, over all its lives. Written by the callback thread.

    Attributes:
        acknowledged: Highest sequence number that it promised to keep.
        env_steps: Highest count of transitions that it promised to keep.
        version: Highest policy version.
        updates: Of its newest status.
        sessions: Its lives that came to their first acknowledgement.
        session_since_s: When the newest of them did, on the steady clock.
        statuses: Statuses heard.
        backward: What went back, and must not.
    """

    acknowledged: int = 0
    env_steps: int = 0
    version: int = 0
    updates: int = 0
    sessions: int = 0
    session_since_s: float = 0.0
    statuses: int = 0
    backward: list[str] = field(default_factory=list)


class StepFeeder:
    """Publishes in a thread of its own while entered; callbacks come by an executor."""

    def __init__(self, node: Node, run_id: int, rate_hz: float) -> None:
        self.heard = Heard()
        self.sent = 0
        self._run_id = run_id
        self._period_s = 1.0 / rate_hz
        self._session = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, name="feeder")
        listen = node.create_subscription
        self._publisher = node.create_publisher(Transition, "transition", qos.TRANSITION)
        listen(TransitionAck, "transition_ack", self._on_ack, qos.POLICY)
        listen(LearnerStatus, "learner_status", self._on_status, qos.STATUS)
        listen(PolicyParameters, "policy_parameters", self._on_policy, qos.POLICY)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop_sending()

    def stop_sending(self) -> None:
        """Send no more; the topic and what was sent stay."""
        self._stop.set()
        self._thread.join(10.0)

    def _send(self) -> None:
        due_s = time.monotonic()
        while not self._stop.is_set():
            if self.sent - self.heard.acknowledged >= MAX_UNACKNOWLEDGED:
                self._stop.wait(self._period_s)
                continue
            self._publisher.publish(message(self._run_id, self.sent + 1))
            self.sent += 1
            due_s = max(due_s + self._period_s, time.monotonic() - 1.0)
            self._stop.wait(max(0.0, due_s - time.monotonic()))

    # The thread of the callbacks ------------------------------------------------------

    def _on_ack(self, ack: TransitionAck) -> None:
        heard = self.heard
        if ack.run_id == self._run_id or heard.acknowledged:
            self._must_not_fall("sequence", heard.acknowledged, ack.sequence)
        self._must_not_fall("env_steps", heard.env_steps, ack.env_steps)
        heard.acknowledged = max(heard.acknowledged, ack.sequence)
        heard.env_steps = max(heard.env_steps, ack.env_steps)
        if ack.session != self._session:
            self._session = ack.session
            heard.session_since_s = time.monotonic()
            heard.sessions += 1

    def _on_policy(self, policy: PolicyParameters) -> None:
        self._must_not_fall("policy version", self.heard.version + 1, policy.version)
        self.heard.version = max(self.heard.version, policy.version)

    def _on_status(self, status: LearnerStatus) -> None:
        self.heard.updates = status.updates
        self.heard.statuses += 1

    def _must_not_fall(self, name: str, before: int, now: int) -> None:
        if now < before:
            self.heard.backward.append(f"{name} went from {before} to {now}")
