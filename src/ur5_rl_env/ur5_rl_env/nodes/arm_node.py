"""ROS shell of the arm: robot link, topics, services, the loop in the robot's rhythm.

Two threads: the main thread runs the loop (sample, decide, send, publish), woken by the
clock just after the robot's next sample is due; one more answers the callbacks, which
only replace values that the loop takes up. A waiting service gives way to the others.
"""

import os
import sys
import time
from dataclasses import replace

from rclpy.node import Node
from sensor_msgs.msg import JointState

from ur5_rl_env.core.arm import Arm
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.arm_state import ArmState, RobotSample
from ur5_rl_env.core.clock_map import ClockMap
from ur5_rl_env.core.decision import NOTHING
from ur5_rl_env.core.homing import is_at_rest
from ur5_rl_env.core.ramp import STILL
from ur5_rl_env.core.velocity_command import NANOSECONDS
from ur5_rl_env.nodes import arm_convert as convert
from ur5_rl_env.nodes import last_resort
from ur5_rl_env.nodes.arm_link import ArmLink, connected_link
from ur5_rl_env.nodes.arm_recovery import ArmRecovery
from ur5_rl_env.nodes.arm_report import ArmReport
from ur5_rl_env.nodes.arm_services import ENDS, ArmServices
from ur5_rl_env.nodes.stop_file import StopFile
from ur5_rl_interfaces.msg import JointVelocityCommand, StopRequest
from ur5_rl_ros import qos
from ur5_rl_ros.params import load_config
from ur5_rl_ros.process import LinkLostError, Stop, run
from ur5_rl_ros.throttle import at_most_every

WAKE_MARGIN_NS = 300_000  # after the sample is due
POLL_S = 0.0004  # while it is late
BRAKE_TIMEOUT_NS = NANOSECONDS // 2


class ArmNode(Node):
    """Moves the arm as commanded, within its limits, and tells how it is."""

    def __init__(self, **kwargs) -> None:
        super().__init__(
            "arm_node", automatically_declare_parameters_from_overrides=True, **kwargs
        )
        self._config = config = load_config(self, ArmConfig)
        self._take_priority()
        self._arm = Arm(config)
        self._clock_map = ClockMap(may_pause=config.robot_clock_pauses)
        self._period_ns = round(config.control_period_s * NANOSECONDS)
        self._link: ArmLink | None = None
        self._is_running, self._is_lost = True, False
        self._sample: RobotSample | None = None
        self._decision = NOTHING
        self._silent_cycles = 0
        self._joint_state = convert.new_joint_state()
        self._recovery = ArmRecovery(self._arm, config, lambda: self._sample)
        self._make_topics()
        self._report = ArmReport(self, self._arm, config)

    def _make_topics(self) -> None:
        self._joint_states = self.create_publisher(JointState, "joint_states", qos.SENSOR)
        self.create_subscription(
            JointVelocityCommand, "velocity_command", self._on_command, qos.COMMAND
        )
        self.create_subscription(
            StopRequest, "stop_request", self._on_stop_request, qos.COMMAND
        )
        self._arm_services = ArmServices(
            self,
            self._arm,
            self._recovery,
            StopFile(self._config.stop_file),
            newest_sample=lambda: self._sample,
            is_running=lambda: self._is_running,
        )

    # Callbacks.

    def _on_command(self, msg: JointVelocityCommand) -> None:
        reason = self._arm.offer(convert.command(msg), time.monotonic_ns())
        if reason and reason != ENDS:
            self.get_logger().warning(f"command refused: {reason}", **at_most_every(1.0))

    def _on_stop_request(self, msg: StopRequest) -> None:
        request = convert.stop_request(msg)
        if reason := self._arm.request_stop(request, time.monotonic_ns()):
            self.get_logger().warning(
                f"stop_request refused: {reason}", **at_most_every(1.0)
            )

    # The loop.

    def run(self, stop: Stop) -> None:
        """Connect, then serve the robot until `stop` is raised."""
        try:
            self._arm.cause = f"connects to the robot at {self._config.robot_ip}"
            self._show(at_once=True)
            config = self._config
            if self._arm.stop_cause:  # a person's; then a person switches the arm on
                config = replace(config, power_on=False)
            self._link = connected_link(config, stop, self._on_waiting)
            if self._link is None:
                return
            while not stop.requested:
                self._cycle(self._link)
            self._brake(self._link)
        except LinkLostError as error:
            self._is_lost = True
            self._arm.state, self._arm.cause = ArmState.DISCONNECTED, str(error)
            self._show(at_once=True)
            raise
        finally:
            self._is_running = False

    def _cycle(self, link: ArmLink) -> None:
        """Serve one cycle of the robot."""
        last_resort.end_process_in(last_resort.CYCLE_S)
        sample = self._next_sample(link)
        now_ns = time.monotonic_ns()
        if self._sample is not None:
            self._decide(link, self._sample, now_ns)
        if sample is not None:
            self._publish_sample(sample, now_ns)
        self._show()
        if self._recovery.serve(link):
            self._sample = None  # it speaks of the time before

    def _next_sample(self, link: ArmLink) -> RobotSample | None:
        """Wait until the robot's next sample, or one period longer than it is due."""
        due_ns = time.monotonic_ns()
        if self._sample is not None:
            next_s = self._sample.robot_s + self._config.control_period_s
            due_ns = max(due_ns, self._clock_map.host_ns(next_s) + WAKE_MARGIN_NS)
            # Also a robot that is late hears from here: its watchdog is waiting.
            due_ns = min(due_ns, time.monotonic_ns() + 2 * self._period_ns)
        _sleep_until(due_ns)
        self._report.on_cycle(time.monotonic_ns() - due_ns)
        while (sample := link.read()) is None:
            if time.monotonic_ns() > due_ns + self._period_ns:
                self._note_silence(link)
                return None
            time.sleep(POLL_S)
        self._silent_cycles = 0
        taken_ns = self._clock_map.on_sample(sample.robot_s, sample.taken_ns)
        self._sample = replace(sample, taken_ns=taken_ns)
        return self._sample

    def _note_silence(self, link: ArmLink) -> None:
        """Count in cycles, so that a pause of this process is not the robot's silence."""
        self._silent_cycles += 1
        silence_s = self._silent_cycles * self._config.control_period_s
        if silence_s > self._config.link_timeout_s:
            raise link.lost(f"no sample for {silence_s:.3f} s")

    def _decide(self, link: ArmLink, sample: RobotSample, now_ns: int) -> None:
        was_sent, was_emergency = self._decision.is_sent, self._arm.is_emergency
        self._decision = decision = self._arm.tick(now_ns, sample)
        if self._arm.is_emergency and not was_emergency:
            self._arm_services.note_emergency()
        self._recovery.note(sample, now_ns)
        if decision.is_sent:
            link.send(decision.velocity)
        elif was_sent:
            link.send(STILL)  # clears the register: nothing to replay after a stop

    def _publish_sample(self, sample: RobotSample, now_ns: int) -> None:
        stamp_ns = self._clock_map.host_ns(sample.robot_s) + _system_offset_ns()
        convert.fill_joint_state(self._joint_state, sample, stamp_ns)
        self._joint_states.publish(self._joint_state)
        self._report.on_sample(sample, stamp_ns, now_ns)

    def _brake(self, link: ArmLink) -> None:
        """Bring the arm to rest before this process ends."""
        self._arm.stop(ENDS)
        deadline_ns = time.monotonic_ns() + BRAKE_TIMEOUT_NS
        while time.monotonic_ns() < deadline_ns:
            self._cycle(link)
            sample = self._sample
            if not self._decision.is_sent or (sample and is_at_rest(sample.qd)):
                return

    def close(self) -> None:
        """End the robot's program; where the link is lost, leave it alone."""
        last_resort.end_process_in(last_resort.END_S)
        if self._link is not None and not self._is_lost:
            self._link.stop_control()

    def _take_priority(self) -> None:
        """Ask for real-time scheduling; the threads that are made from here inherit it.

        The callbacks need it too: who waits for Python's lock waits for its holder.
        """
        priority = self._config.realtime_priority
        if priority:
            try:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
            except OSError as error:
                self.get_logger().info(f"no real-time priority: {error.strerror}")

    def _on_waiting(self, reason: str) -> None:
        self._arm.cause = f"waits: {reason}"
        self._show(at_once=True)
        self.get_logger().info(f"waiting: {reason}", **at_most_every(1.0))

    def _show(self, *, at_once: bool = False) -> None:
        self._report.show(time.monotonic_ns(), self._decision, at_once=at_once)


def _sleep_until(due_ns: int) -> None:
    ahead_ns = due_ns - time.monotonic_ns()
    if ahead_ns > 0:
        time.sleep(ahead_ns / NANOSECONDS)


def _system_offset_ns() -> int:
    """Return what turns the steady clock into system time [ns]."""
    return time.time_ns() - time.monotonic_ns()


def main() -> None:
    """Run the node; leave without ur_rtde's destructors, which may hang or crash."""
    try:
        run(ArmNode)
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(end.code or 0))


if __name__ == "__main__":
    main()
