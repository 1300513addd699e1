"""The face of a dry run: a line a second, each fault, a verdict as exit code.

Stands where the monitor stands in other runs: its end is the end of the run. Callbacks
(one background thread) queue what they hear; the main thread owns everything else.
"""

import queue
import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import JointState

from ur5_rl_bringup.core.dry_run import Arm, DryRun, Env
from ur5_rl_bringup.core.dry_run_config import DryRunConfig
from ur5_rl_interfaces.msg import ArmStatus, EnvStatus, StopRequest
from ur5_rl_ros import qos
from ur5_rl_ros.diagnostics import OK, WARN, Diagnostics, Report
from ur5_rl_ros.params import load_config
from ur5_rl_ros.process import Stop, run

LINE_PERIOD_S = 1.0
POLL_S = 0.05
EXIT_FAILED = 1


def say(line: str) -> None:
    """Print a line that is there at once, also in a pipe."""
    print(line, flush=True)


class DryRunNode(Node):
    """Feeds `DryRun` and prints what it says."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            "dry_run_node", automatically_declare_parameters_from_overrides=True, **kwargs
        )
        self._dry_run = DryRun(load_config(self, DryRunConfig), time.monotonic())
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._joints: JointState | None = None  # replaced by the callback thread
        self._diagnostics = Diagnostics(self, "dry run", self._report)
        listen = self.create_subscription
        listen(ArmStatus, "arm_status", self._on_arm, qos.STATUS)
        listen(EnvStatus, "env_status", self._on_env, qos.STATUS)
        listen(StopRequest, "stop_request", self._on_stop_request, qos.COMMAND)
        listen(JointState, "joint_states", self._on_joints, qos.SENSOR)

    # In the thread of callbacks.

    def _on_arm(self, msg: ArmStatus) -> None:
        arm, now_s = arm_of(msg), time.monotonic()
        self._inbox.put(lambda: self._dry_run.on_arm(arm, now_s))

    def _on_env(self, msg: EnvStatus) -> None:
        env, now_s = env_of(msg), time.monotonic()
        self._inbox.put(lambda: self._dry_run.on_env(env, now_s))

    def _on_stop_request(self, msg: StopRequest) -> None:
        self._inbox.put(lambda: self._dry_run.on_stop_request(msg.reason))

    def _on_joints(self, msg: JointState) -> None:
        self._joints = msg

    def _report(self) -> Report:
        troubles = self._dry_run.troubles
        return (WARN if troubles else OK), "dry run", {"faults": len(troubles)}

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
        """Take all that was heard since the last time."""
        if self._joints is not None:
            self._dry_run.on_joints(self._joints.position)
        try:
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            pass


def arm_of(msg: ArmStatus) -> Arm:
    return Arm(
        state=msg.state,
        cause=msg.cause,
        safety_mode=msg.safety_mode,
        joint_states_hz=msg.joint_states_hz,
        limited=tuple(map(bool, msg.limited)),
        velocity_target_rad_s=tuple(msg.velocity_target_rad_s.tolist()),
    )


def env_of(msg: EnvStatus) -> Env:
    return Env(
        phase=msg.phase,
        waiting_for=msg.waiting_for,
        images_hz=msg.images_hz,
        mask_px=msg.mask_px,
    )


def main() -> None:
    """Run the node."""
    run(DryRunNode)


if __name__ == "__main__":
    main()
