"""The face of a dry run: a line a second, each fault, a verdict as exit code.

Stands where the monitor stands in other runs: its end is the end of the run. Callbacks
(one background thread) queue messages; the main thread owns everything else.
"""

import queue
import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import JointState

from ur5_rl_bringup.core.dry_run import Arm, DryRun, Env
from ur5_rl_bringup.core.dry_run_config import DryRunConfig
from ur5_rl_bringup.nodes.terminal import say
from ur5_rl_env.nodes.arm_convert import stop_request
from ur5_rl_env.nodes.env_convert import joint_sample
from ur5_rl_interfaces.msg import ArmStatus, EnvStatus, StopRequest
from ur5_rl_ros import qos
from ur5_rl_ros.deadline import NANOSECONDS
from ur5_rl_ros.diagnostics import OK, WARN, Diagnostics, Report
from ur5_rl_ros.params import load_config
from ur5_rl_ros.process import Stop, run
from ur5_rl_ros.throttle import at_most_every

LINE_PERIOD_S = 1.0
POLL_S = 0.05
EXIT_FAILED = 1
MAX_WORDS = 300  # characters of what others say


class DryRunNode(Node):
    """Feeds `DryRun` and prints what it says."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            "dry_run_node", automatically_declare_parameters_from_overrides=True, **kwargs
        )
        self._dry_run = DryRun(load_config(self, DryRunConfig), time.monotonic())
        # Topic, message, when it came [s].
        self._inbox: queue.SimpleQueue[tuple[str, Any, float]] = queue.SimpleQueue()
        self._used = 0  # messages
        self._last_refusal = ""
        self._diagnostics = Diagnostics(self, "dry run", self._report)
        for message_type, topic, profile in (
            (ArmStatus, "arm_status", qos.STATUS),
            (EnvStatus, "env_status", qos.STATUS),
            (StopRequest, "stop_request", qos.COMMAND),
            (JointState, "joint_states", qos.SENSOR),
        ):
            callback = self._queueing(topic)
            self.create_subscription(message_type, topic, callback, profile)

    # In the thread of callbacks.

    def _queueing(self, topic: str) -> Callable[[Any], None]:
        return lambda msg: self._inbox.put((topic, msg, time.monotonic()))

    def _report(self) -> Report:
        troubles = self._dry_run.troubles
        values: dict[str, object] = {
            "faults": len(troubles),
            "messages_used": self._used,
            "messages_refused": self._dry_run.refused,
            "last_refusal": self._last_refusal,
        }
        return (WARN if troubles else OK), "dry run", values

    # In the main thread.

    def run(self, stop: Stop) -> None:
        """Tell until the time is over or the process is asked to stop.

        Raises:
            SystemExit: something was not as it should be.
        """
        dry_run, due_s = self._dry_run, time.monotonic()
        while not stop.wait(POLL_S) and not dry_run.is_over(time.monotonic()):
            self._take()
            now_s = time.monotonic()
            for line in dry_run.news(now_s):
                say(line)
            if now_s >= due_s:
                due_s += LINE_PERIOD_S
                say(dry_run.line(now_s))
        for line in dry_run.summary(time.monotonic()):
            say(line)
        if not dry_run.has_passed:
            raise SystemExit(EXIT_FAILED)

    def _take(self) -> None:
        """Take all that was heard since the last time; refuse what makes no sense."""
        for _ in range(self._inbox.qsize()):
            topic, msg, now_s = self._inbox.get_nowait()
            try:
                self._hear(topic, msg, now_s)
                self._used += 1
            except ValueError as error:
                self._refuse(topic, " ".join(str(error).split())[:MAX_WORDS])

    def _hear(self, topic: str, msg: Any, now_s: float) -> None:
        dry_run = self._dry_run
        match topic:
            case "arm_status":
                dry_run.on_arm(arm_of(msg), now_s)
            case "env_status":
                dry_run.on_env(env_of(msg), now_s)
            case "stop_request":
                dry_run.on_stop_request(stop_request(msg), now_s)
            case "joint_states":
                sample = joint_sample(msg, round(now_s * NANOSECONDS))
                dry_run.on_joints(sample.q.tolist())

    def _refuse(self, topic: str, why: str) -> None:
        self._dry_run.on_refusal(topic, why)
        self._last_refusal = words = f"{topic}: {why}"
        self.get_logger().warning(f"refused: {words}", **at_most_every(10.0))


def arm_of(msg: ArmStatus) -> Arm:
    return Arm(
        state=msg.state,
        cause=msg.cause[:MAX_WORDS],
        safety_mode=msg.safety_mode,
        joint_states_hz=msg.joint_states_hz,
        limited=tuple(map(bool, msg.limited)),
        velocity_target_rad_s=tuple(msg.velocity_target_rad_s.tolist()),
    )


def env_of(msg: EnvStatus) -> Env:
    return Env(
        phase=msg.phase,
        waiting_for=msg.waiting_for[:MAX_WORDS],
        images_hz=msg.images_hz,
        mask_px=msg.mask_px,
    )


def main() -> None:
    """Run the node."""
    run(DryRunNode)


if __name__ == "__main__":
    main()
