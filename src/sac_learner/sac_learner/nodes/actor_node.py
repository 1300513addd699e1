"""ROS shell of the actor: an observation in, a velocity command and an action out.

The main thread answers the callbacks and owns the policy. With `sac`, one more thread
examines policies before they may act (`policy_loader.py`).
"""

import gc
import secrets
import time
from collections import deque

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node

from sac_learner.core.actor_config import ActorConfig
from sac_learner.core.observation import Observation
from sac_learner.core.observation_gate import NANOSECONDS, ObservationGate
from sac_learner.core.policies import Action, make_policy
from sac_learner.nodes import actor_convert as convert
from ur5_rl_interfaces.msg import Action as ActionMsg
from ur5_rl_interfaces.msg import JointVelocityCommand, PolicyParameters
from ur5_rl_interfaces.msg import Observation as ObservationMsg
from ur5_rl_ros import qos
from ur5_rl_ros.diagnostics import ERROR, OK, WARN, Diagnostics, Report
from ur5_rl_ros.params import load_config
from ur5_rl_ros.process import run
from ur5_rl_ros.throttle import at_most_every

STILL = np.zeros(5, np.float32)
COUNTED = ("answered", "held_still", "stale", "repeated", "malformed")  # observations
ONE_SECOND = 25  # observations
LAST_WORD_S = 0.2  # for the final zero command to be acknowledged


class ActorNode(Node):
    """Answers each fresh observation once, at once."""

    def __init__(self, **kwargs) -> None:
        super().__init__(
            "actor_node", automatically_declare_parameters_from_overrides=True, **kwargs
        )
        self._config = config = load_config(self, ActorConfig)
        self.policy = make_policy(config)
        self._policy_since_ns = 0
        self._gate = ObservationGate(config.max_observation_age_s)
        self._session, self._sequence = secrets.randbits(63), 0
        self.counts = dict.fromkeys(COUNTED, 0)
        self._latencies_ms: deque[float] = deque(maxlen=10 * ONE_SECOND)
        self._commands = self.create_publisher(
            JointVelocityCommand, "velocity_command", qos.COMMAND
        )
        self._actions = self.create_publisher(ActionMsg, "action", qos.COMMAND)
        self._loader = None
        self._held: Observation | None = None  # until the policy that may answer is here
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._start = self.create_timer(0.02, self._listen_once_heard, clock=steady)
        self._diagnostics = Diagnostics(self, config.policy, self._report)
        if config.policy == "sac" and not config.checkpoint:
            self._listen_to_learner()
        gc.collect()
        gc.freeze()  # what is here stays: no full collection in a control cycle

    def _listen_to_learner(self) -> None:
        from sac_learner.nodes.policy_loader import PolicyLoader  # noqa: PLC0415  torch

        admitted = self.create_guard_condition(self._on_admitted)
        self._loader = PolicyLoader(self._config, on_admitted=admitted.trigger)
        self.create_subscription(
            PolicyParameters, "policy_parameters", self._loader.offer, qos.POLICY
        )

    def _listen_once_heard(self) -> None:
        """Listen to env_node, which waits for that, once it can hear the answers."""
        if self._actions.get_subscription_count() and not self._waits_for_policy:
            self._start.cancel()
            self.create_subscription(
                ObservationMsg, "observation", self._on_observation, qos.COMMAND
            )

    def _on_observation(self, msg: ObservationMsg) -> None:
        config = self._config
        try:
            seen = convert.observation(msg, config.height_px, config.width_px)
        except ValueError as error:
            self.counts["malformed"] += 1
            self.get_logger().warning(f"refused: {error}", **at_most_every(1.0))
            return
        if not self._gate.is_fresh(seen, time.monotonic_ns()):
            self.counts["stale"] += 1
        elif not self._gate.is_new(seen):
            self.counts["repeated"] += 1
        else:
            self._act_on(seen)

    def _act_on(self, seen: Observation) -> None:
        """Answer, or hold the observation until the policy that it asks for is here."""
        self._take_new_policy(seen)
        is_early = self._policy_version < seen.policy_version
        self._held = seen if is_early and self._loader is not None else None
        if self._held is None:
            self._answer(seen, self._choose(seen))

    def _on_admitted(self) -> None:
        if self._held is not None:
            self._act_on(self._held)

    def _choose(self, seen: Observation) -> Action:
        if self._learner_is_silent():
            self.counts["held_still"] += 1
            self.get_logger().error(self._silence(), **at_most_every(10.0))
            return STILL
        action = self.policy.act(seen)
        return np.clip(action, -1.0, 1.0) if np.isfinite(action).all() else STILL

    def _answer(self, seen: Observation, action: Action) -> None:
        """Publish the command, then the action, unless too much time went by."""
        if not self._gate.is_fresh(seen, time.monotonic_ns()):
            self.counts["stale"] += 1  # the process was stopped in the middle
            return
        self._send(action)
        latency_ms = (time.monotonic_ns() - seen.steady_ns) / 1e6
        self._latencies_ms.append(latency_ms)
        self.counts["answered"] += 1
        msg = convert.action_msg(seen, action)
        msg.header.stamp = self.get_clock().now().to_msg()
        msg.policy_version = self._policy_version
        msg.policy_age_s = self._policy_age_s()
        msg.observation_to_command_ms = latency_ms
        self._actions.publish(msg)

    def _send(self, action: Action) -> None:
        self._sequence += 1
        msg = convert.command_msg(action, self._config.max_joint_speed_rad_s)
        msg.session, msg.sequence = self._session, self._sequence
        msg.header.stamp = self.get_clock().now().to_msg()
        msg.steady_ns = time.monotonic_ns()
        self._commands.publish(msg)

    def _take_new_policy(self, seen: Observation) -> None:
        admitted = self._loader.take(seen) if self._loader is not None else None
        if admitted is None:
            return
        self.policy.use(admitted.network, admitted.version)
        self._policy_since_ns = time.monotonic_ns()
        self.get_logger().info(
            f"acts by policy {admitted.version}", **at_most_every(10.0)
        )

    @property
    def _policy_version(self) -> int:
        return getattr(self.policy, "version", 0)

    def _policy_age_s(self) -> float:
        since_ns = self._policy_since_ns
        return (time.monotonic_ns() - since_ns) / NANOSECONDS if since_ns else 0.0

    @property
    def _waits_for_policy(self) -> bool:
        is_wanted = self._config.waits_for_policy and self._loader is not None
        return is_wanted and not self._loader.heard_ns

    def _learner_is_silent(self) -> bool:
        """Whether the policy in use was neither followed nor confirmed for too long."""
        limit_s = self._config.max_policy_age_s
        if self._loader is None or not self._policy_since_ns or limit_s == 0.0:
            return False
        return time.monotonic_ns() - self._loader.heard_ns > limit_s * NANOSECONDS

    def _silence(self) -> str:
        limit_s = self._config.max_policy_age_s
        return (
            f"holds still: nothing good of the learner's policy for more than {limit_s} s"
        )

    def _report(self) -> Report:
        values: dict[str, object] = {
            "policy": self._config.policy,
            "policy_version": self._policy_version,
            "policy_age_s": round(self._policy_age_s(), 1),
        }
        values |= {f"observations_{name}": n for name, n in self.counts.items()}
        if self._latencies_ms:
            # Not np.percentile: its first call imports numpy.ma, for 50 ms and more.
            p99 = sorted(self._latencies_ms)[int(0.99 * len(self._latencies_ms))]
            values["observation_to_command_ms_p99"] = round(p99, 2)
        refusal = self._refusal()
        if self._loader is not None:
            values |= {"policies_refused": self.policies_refused, "refusal": refusal}
        if self._learner_is_silent():
            cause = f"; refused {refusal}" if refusal else ""
            return ERROR, self._silence() + cause, values
        if refusal:
            return WARN, f"refused {refusal}", values
        if self._waits_for_policy:
            return WARN, "waits for the learner's first policy", values
        return OK, f"acts by {self._config.policy}", values

    @property
    def policies_refused(self) -> int:
        """Policies that failed their examination."""
        return self._loader.refused if self._loader is not None else 0

    def _refusal(self) -> str:
        """Return what is wrong with the newest policy, and log it."""
        refusal = self._loader.refusal if self._loader is not None else ""
        if refusal:
            self.get_logger().error(f"refused {refusal}", **at_most_every(10.0))
        return refusal

    def close(self) -> None:
        """Ask the arm to stand still: the last word of this process."""
        try:
            self._send(STILL)
            self._commands.wait_for_all_acked(Duration(seconds=LAST_WORD_S))
        finally:
            if self._loader is not None:
                self._loader.close()


def main() -> None:
    run(ActorNode)


if __name__ == "__main__":
    main()
