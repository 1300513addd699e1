"""What the arm node tells of itself: `arm_status`, a line in the log, diagnostics."""

from collections import deque

from rclpy.node import Node

from ur5_rl_env.core.arm import Arm
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.arm_state import FAULT_STATES, ArmState, RobotSample
from ur5_rl_env.core.decision import Decision
from ur5_rl_env.core.rate import Rate
from ur5_rl_env.core.velocity_command import NANOSECONDS
from ur5_rl_env.nodes import arm_convert as convert
from ur5_rl_env.nodes.arm_services import ENDS
from ur5_rl_interfaces.msg import ArmStatus
from ur5_rl_ros import qos
from ur5_rl_ros.diagnostics import ERROR, OK, WARN, Diagnostics, Report

STATUS_PERIOD_NS = NANOSECONDS // 25


class ArmReport:
    """Publishes at each change of state and 25 times a second. Owned by the loop."""

    def __init__(self, node: Node, arm: Arm, config: ArmConfig) -> None:
        self._arm = arm
        self._log = node.get_logger()
        self._shown = (arm.state, "")
        self._due_ns = 0
        self._rate = Rate()
        self._lateness_ms: deque[float] = deque(maxlen=round(config.control_rate_hz))
        self._status = ArmStatus()
        self._statuses = node.create_publisher(ArmStatus, "arm_status", qos.STATUS)
        self._diagnostics = Diagnostics(node, config.robot_ip, self._report)

    def on_cycle(self, lateness_ns: int) -> None:
        """Note how late the loop woke up [ns]."""
        self._lateness_ms.append(lateness_ns / 1e6)

    def on_sample(self, sample: RobotSample, stamp_ns: int, now_ns: int) -> None:
        """Note what the robot said, for system time `stamp_ns` [ns]."""
        self._rate.count(now_ns)
        convert.fill_robot(self._status, sample, stamp_ns)

    def show(self, now_ns: int, decision: Decision, *, at_once: bool = False) -> None:
        """Publish, if there is news or it is time."""
        is_news = (self._arm.state, self._arm.cause) != self._shown
        if at_once or is_news or now_ns >= self._due_ns:
            self._publish(now_ns, decision)

    def _publish(self, now_ns: int, decision: Decision) -> None:
        status, arm = self._status, self._arm
        convert.fill_status(status, arm, decision, now_ns)
        status.joint_states_hz = self._rate.hz(now_ns)
        lateness_ms = sorted(self._lateness_ms)
        if lateness_ms:
            status.cycle_lateness_ms_p99 = lateness_ms[int(0.99 * len(lateness_ms))]
        self._statuses.publish(status)
        if (arm.state, arm.cause) != self._shown:
            self._log_change(arm)
        self._shown = (arm.state, arm.cause)
        self._due_ns = now_ns + STATUS_PERIOD_NS

    def _log_change(self, arm: Arm) -> None:
        text = f"{arm.state.name}: {arm.cause}"
        if arm.state in FAULT_STATES and arm.cause != ENDS:
            self._log.warning(text)
        else:
            self._log.debug(text)

    def _report(self) -> Report:
        arm, status = self._arm, self._status
        level = OK
        if arm.state in FAULT_STATES:
            level = ERROR
        elif arm.state in (ArmState.CONNECTING, ArmState.STALE):
            level = WARN
        values: dict[str, object] = {
            "joint_states_hz": round(status.joint_states_hz, 1),
            "cycle_lateness_ms_p99": round(status.cycle_lateness_ms_p99, 3),
            "commands_accepted": arm.inbox.accepted,
            "commands_refused": arm.inbox.refused,
            "pauses": arm.pauses,
            "stop_requests_refused": arm.stop_requests.refused,
            "robot_mode": status.robot_mode,
            "safety_mode": status.safety_mode,
        }
        return level, f"{arm.state.name}: {arm.cause}", values
