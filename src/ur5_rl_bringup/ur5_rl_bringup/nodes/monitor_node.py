"""The run's face as a node: console line, event files, report, picture, the end.

Callbacks (one background thread) turn messages into samples and queue them; the main
thread owns everything else, so that drawing or writing never holds up a topic.
"""

import queue
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from types import FrameType
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from ur5_rl_bringup.core.monitor import Monitor, Sample
from ur5_rl_bringup.core.monitor_config import MonitorConfig
from ur5_rl_bringup.core.report import check_writable
from ur5_rl_bringup.nodes import monitor_convert as convert
from ur5_rl_bringup.nodes.event_file import EventFile
from ur5_rl_bringup.nodes.terminal import say
from ur5_rl_interfaces.msg import ArmStatus, EnvStatus, EpisodeSummary, LearnerStatus
from ur5_rl_ros import qos
from ur5_rl_ros.diagnostics import OK, WARN, Diagnostics
from ur5_rl_ros.params import load_config
from ur5_rl_ros.process import LastWordError, Stop, run
from ur5_rl_ros.throttle import at_most_every

INBOX_SAMPLES = 2000  # a minute's worth: drawing takes a second
POLL_S = 0.1
PICTURE_TIMEOUT_S = 15.0


class MonitorNode(Node):
    """Feeds `Monitor`. Callbacks only queue; `run` is the main thread's."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            "monitor_node", automatically_declare_parameters_from_overrides=True, **kwargs
        )
        self._config = load_config(self, MonitorConfig)
        for path in self._config.report_paths:
            check_writable(path)  # now, and not after hours
        self._events = EventFile(self._config.events_dir, say)
        self._inbox: queue.Queue[Sample] = queue.Queue(INBOX_SAMPLES)
        self._dropped = self._refused = 0
        self._film_due_s = 0.0
        self._picture_wanted = False  # set by a service or a signal: no lock in it
        self._picture_tried = threading.Condition()
        self._pictures = 0  # tried, whatever came of it
        self._picture_problem = ""  # of the newest try
        self._listen()
        self._monitor: Monitor | None = None
        self._diagnostics = Diagnostics(self, "run", self._report)

    def _listen(self) -> None:
        for message_type, topic, to_sample in (
            (EpisodeSummary, "episode_summary", convert.episode),
            (EnvStatus, "env_status", convert.env),
            (ArmStatus, "arm_status", convert.arm),
            (LearnerStatus, "learner_status", convert.learner),
        ):
            callback = self._queueing(to_sample)
            self.create_subscription(message_type, topic, callback, qos.STATUS)
        self.create_subscription(Image, "image_raw", self._on_image, qos.SENSOR)
        self.create_service(Trigger, "save_picture", self._on_save_picture)

    # In the thread of callbacks.

    def _queueing(self, to_sample: Callable[[Any], Sample]) -> Callable[[Any], None]:
        def on_message(msg: Any) -> None:
            try:
                self._inbox.put_nowait(to_sample(msg))
            except ValueError as error:
                self._refused += 1
                self.get_logger().warning(str(error), **at_most_every(1.0))
            except queue.Full:
                self._dropped += 1

        return on_message

    def _on_image(self, msg: Image) -> None:
        now_s = time.monotonic()
        if now_s < self._film_due_s:
            return
        self._film_due_s = now_s + self._config.film_period_s
        config = self._config
        self._queueing(lambda m: convert.frame(m, config.height_px, config.width_px))(msg)

    def _on_save_picture(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        with self._picture_tried:
            before = self._pictures
            self._picture_wanted = True
            is_tried = self._picture_tried.wait_for(
                lambda: self._pictures > before, PICTURE_TIMEOUT_S
            )
            problem = self._picture_problem if is_tried else "not drawn in time"
        path = self._config.picture_path.absolute()
        response.success = not problem
        response.message = f"{path}: {problem}" if problem else str(path)
        return response

    def _report(self) -> tuple[bytes, str, dict[str, object]]:
        record = self._monitor.record if self._monitor else None
        values: dict[str, object] = {
            "episodes": record.num_episodes if record else 0,
            "env_steps": record.env_steps if record else 0,
            "samples_dropped": self._dropped,
            "messages_refused": self._refused,
            "curve_points_lost": self._events.points_lost,
        }
        return (WARN if self._dropped else OK), "counting the run", values

    # In the main thread.

    def run(self, stop: Stop) -> None:
        """Count and tell until the run is over or the process is asked to stop.

        Raises:
            LastWordError: report or picture could not be written.
        """
        signal.signal(signal.SIGUSR1, self._on_user_signal)
        with closing(self._events) as events:
            monitor = Monitor(self._config, say, events.add_scalar, time.monotonic())
            self._monitor = monitor
            while not stop.requested and monitor.ended_by is None:
                self._take(monitor, wait_s=POLL_S)
                monitor.tick(time.monotonic())
                events.tick(time.monotonic())
                self._draw_if_wanted(monitor)
            self._take(monitor, wait_s=0.0)
        try:
            monitor.finish(time.monotonic(), monitor.ended_by or "asked to stop")
        except OSError as error:
            raise LastWordError(str(error)) from error  # the places were good before

    def _on_user_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._picture_wanted = True

    def _take(self, monitor: Monitor, wait_s: float) -> None:
        """Wait at most `wait_s` [s] for a sample, then take all that are there."""
        try:
            monitor.receive(self._inbox.get(timeout=wait_s), time.monotonic())
            while True:
                monitor.receive(self._inbox.get_nowait(), time.monotonic())
        except queue.Empty:
            pass

    def _draw_if_wanted(self, monitor: Monitor) -> None:
        if not self._picture_wanted:
            return
        self._picture_wanted = False
        problem = ""
        try:
            monitor.save_picture()
        except OSError as error:
            problem = str(error)
            self.get_logger().warning(f"picture not saved: {problem}")
        with self._picture_tried:
            self._pictures += 1
            self._picture_problem = problem
            self._picture_tried.notify_all()


def main() -> None:
    run(MonitorNode)


if __name__ == "__main__":
    main()
