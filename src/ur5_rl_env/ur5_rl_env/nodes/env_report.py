"""What the environment tells of itself: `env_status` and one line of diagnostics."""

import time

from rclpy.node import Node

from ur5_rl_env.core.episode import Episode
from ur5_rl_env.core.reward import mask_pixels
from ur5_rl_env.core.sensors import NANOSECONDS
from ur5_rl_env.nodes import env_convert as convert
from ur5_rl_env.nodes.env_inputs import EnvInputs
from ur5_rl_env.nodes.learner_record import LearnerRecord
from ur5_rl_interfaces.msg import EnvStatus
from ur5_rl_ros import qos
from ur5_rl_ros.diagnostics import OK, WARN, Diagnostics, Report

STATUS_PERIOD_NS = NANOSECONDS // 2


class EnvReport:
    """Written by the loop thread; the callback thread reads it for the diagnostics.

    Attributes:
        episode: The one that runs, if one does.
    """

    def __init__(self, node: Node, inputs: EnvInputs, record: LearnerRecord) -> None:
        self.episode: Episode | None = None
        self._clock = node.get_clock()
        self._inputs, self._record = inputs, record
        self._status = EnvStatus(waiting_for="the first messages")
        self._due_ns = 0
        self._statuses = node.create_publisher(EnvStatus, "env_status", qos.STATUS)
        self._diagnostics = Diagnostics(node, "environment", self._report)

    def show(self, phase: int, waiting_for: str) -> None:
        """Publish the status at a change and twice a second, else do nothing."""
        now_ns, status = time.monotonic_ns(), self._status
        is_same = (status.phase, status.waiting_for) == (phase, waiting_for)
        if is_same and now_ns < self._due_ns:
            return
        self._due_ns = now_ns + STATUS_PERIOD_NS
        status.phase, status.waiting_for = phase, waiting_for
        self._fill(status, now_ns)
        self._statuses.publish(status)

    def _fill(self, status: EnvStatus, now_ns: int) -> None:
        inputs, episode = self._inputs, self.episode
        status.header.stamp = self._clock.now().to_msg()
        status.transitions_sent = self._record.sent
        ages_ms = inputs.sensors.ages_ms(now_ns)
        status.image_age_ms, status.joint_state_age_ms = ages_ms
        status.images_hz = inputs.image_rate.hz(now_ns)
        status.joint_states_hz = inputs.joint_state_rate.hz(now_ns)
        if episode is not None:
            status.episode, status.step = episode.number, max(0, episode.step)
            status.return_so_far = episode.record.return_sum
            convert.fill_newest(status, episode.record)
        frame = inputs.sensors.newest_frame
        status.mask_px = float(mask_pixels(frame.image)) if frame is not None else 0.0

    def _report(self) -> Report:
        status, record = self._status, self._record
        waiting = status.waiting_for
        values = {
            "episode": status.episode,
            "transitions_sent": record.sent,
            "transitions_unacknowledged": record.unacknowledged,
            "images_hz": round(status.images_hz, 1),
            "joint_states_hz": round(status.joint_states_hz, 1),
            "messages_refused": self._inputs.refused + record.refused,
            "last_refusal": self._inputs.last_refusal,
        }
        if lost := record.out_of_reach:
            return WARN, f"{lost} time steps are out of the learner's reach", values
        level = WARN if status.phase == EnvStatus.WAITING else OK
        return level, f"waiting for: {waiting}" if waiting else "episode runs", values
