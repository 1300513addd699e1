"""ROS shell of the virtual camera: looks at the real screen pixels from the true pose.

Two threads: the main thread exposes and publishes on absolute deadlines; one more serves
the diagnostics. Screen and pose come through shared arrays, as light comes to a camera:
neither the display nor the arm knows that they are looked at.
"""

import time
from collections import deque
from typing import NamedTuple

from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import String

from ur5_rl_ros import qos
from ur5_rl_ros.deadline import NANOSECONDS, Pace
from ur5_rl_ros.diagnostics import OK, WARN, Diagnostics
from ur5_rl_ros.image_bridge import cv2_to_imgmsg
from ur5_rl_ros.params import load_config
from ur5_rl_ros.process import Stop, configuration, run
from ur5_rl_ros.throttle import at_most_every
from ur5_sim.core.camera import Camera
from ur5_sim.core.camera_config import CameraConfig
from ur5_sim.core.camera_faults import CameraFault
from ur5_sim.core.one_core import use_one_core
from ur5_sim.core.sensor import Pixels, Sensor
from ur5_sim.nodes.feed import Feed, is_pose, is_screen

FRAME_ID = "camera_optical_frame"
POLL_S = 0.02
MAX_WORDS = 300  # characters of a refusal
# The controller tells the pose every 8 ms; between two of them the joints move on.
MAX_EXTRAPOLATION_S = 0.02


class Exposure(NamedTuple):
    """A frame, BGR (None: it gets lost), when it was seen and when it arrives."""

    frame: Pixels | None
    stamp: Time
    due_ns: int  # CLOCK_MONOTONIC


class CameraNode(Node):
    """Publishes what a camera on the virtual arm sees."""

    def __init__(self, **kwargs) -> None:
        super().__init__(
            "camera_node", automatically_declare_parameters_from_overrides=True, **kwargs
        )
        self._config = config = load_config(self, CameraConfig)
        self._screen = Feed("screen_file", config.screen_file, "display", is_screen)
        self._pose = Feed("pose_file", config.pose_file, "controller", is_pose)
        self._feeds = (self._screen, self._pose)
        self._camera, self._sensor = Camera(config), Sensor(config)
        self._fault = CameraFault(config.seed)
        self._waiting_for = ""
        self._in_transit: deque[Exposure] = deque()
        self._latency_ns = round(config.latency_s * NANOSECONDS)
        self._published = self._dropped = self._skipped = self._refused = 0
        self._reported_ns, self._reported = time.monotonic_ns(), 0
        self._images = self.create_publisher(Image, "image_raw", qos.SENSOR)
        self.create_subscription(String, "camera_fault", self._on_fault, qos.COMMAND)
        self._diagnostics = Diagnostics(self, "virtual camera", self._report)

    def _on_fault(self, msg: String) -> None:
        try:
            self._fault.command(msg.data)
            self.get_logger().info(f"camera fault: {msg.data}")
        except ValueError as error:
            self._refused += 1
            words = str(error)[:MAX_WORDS]
            self.get_logger().warning(words, **at_most_every(1.0))

    def run(self, stop: Stop) -> None:
        """Expose and publish at the camera's rate until `stop` is raised.

        Raises:
            ConfigurationError: screen or pose are something else.
        """
        with configuration():
            self._wait(stop)
        pace = Pace(1.0 / self._config.rate_hz)
        while not stop.requested:
            lateness_ns = pace.sleep()
            self._skipped = pace.skipped
            next_ns = time.monotonic_ns() - lateness_ns + pace.period_ns
            if (exposure := self._expose()) is not None:
                self._in_transit.append(exposure)
            self._deliver_until(next_ns)

    def _wait(self, stop: Stop) -> None:
        """Wait for a screen and a pose from writers that live."""
        while not stop.requested:
            for feed in self._feeds:
                feed.refresh()
            self._log_silence()
            if not self._waiting_for:
                size = f"{self._config.width_px} x {self._config.height_px}"
                self.get_logger().info(f"sees {size} px at {self._config.rate_hz} Hz")
                return
            stop.wait(POLL_S)

    def _refresh(self) -> None:
        """Look at both feeds; one whose file is something else now counts as silent."""
        for feed in self._feeds:
            try:
                feed.refresh()
            except ValueError as error:
                feed.forget()
                words = str(error)[:MAX_WORDS]
                self.get_logger().warning(words, **at_most_every(1.0))
        self._log_silence()

    def _log_silence(self) -> None:
        """Log who has fallen silent or come back."""
        now_ns = time.monotonic_ns()
        silent = [f.what for f in self._feeds if not f.is_fresh(now_ns)]
        waiting_for = " and ".join(silent)
        if waiting_for != self._waiting_for:
            self._waiting_for = waiting_for
            text = f"waiting for {waiting_for}" if silent else "screen and pose are alive"
            self.get_logger().info(text)

    def _expose(self) -> Exposure | None:
        """Take a picture now; there is none of a pose that nobody tells any more."""
        stamp, now_ns = self.get_clock().now().to_msg(), time.monotonic_ns()
        due_ns = now_ns + self._latency_ns + round(self._fault.delay_s * NANOSECONDS)
        self._refresh()
        if not self._pose.is_fresh(time.monotonic_ns()):
            return None
        if self._sensor.is_dropped():
            return Exposure(None, stamp, due_ns)
        q, qd = self._pose.newest
        age_s = min(max(self._pose.age_s(now_ns), 0.0), MAX_EXTRAPOLATION_S)
        clean = self._camera.render(self._screen.newest, (q + qd * age_s).tolist())
        frame = self._fault.applied(self._sensor.expose(clean), now_ns)
        return Exposure(frame, stamp, due_ns)

    def _deliver_until(self, deadline_ns: int) -> None:
        """Publish each frame when its latency is over, up to the next exposure."""
        while self._in_transit and self._in_transit[0].due_ns < deadline_ns:
            left_ns = self._in_transit[0].due_ns - time.monotonic_ns()
            time.sleep(max(left_ns, 0) / NANOSECONDS)
            self._publish(self._in_transit.popleft())

    def _publish(self, exposure: Exposure) -> None:
        if exposure.frame is None:
            self._dropped += 1
            return
        msg = cv2_to_imgmsg(exposure.frame, "bgr8")
        msg.header.stamp, msg.header.frame_id = exposure.stamp, FRAME_ID
        self._images.publish(msg)
        self._published += 1

    def _report(self) -> tuple[bytes, str, dict[str, object]]:
        now_ns, published = time.monotonic_ns(), self._published
        elapsed_s = (now_ns - self._reported_ns) / NANOSECONDS
        hz = (published - self._reported) / elapsed_s
        self._reported_ns, self._reported = now_ns, published
        values = {
            "frames_hz": round(hz, 1),
            "frames_published": published,
            "frames_dropped": self._dropped,
            "deadlines_skipped": self._skipped,
            "screen_age_ms": round(self._screen.age_s(now_ns) * 1e3, 1),
            "pose_age_ms": round(self._pose.age_s(now_ns) * 1e3, 1),
            "messages_refused": self._refused,
            "writers_replaced": self._screen.reopened + self._pose.reopened,
        }
        if self._waiting_for:
            return WARN, f"waiting for {self._waiting_for}", values
        return OK, f"{hz:.1f} frames per second", values

    def close(self) -> None:
        """Let go of the files of screen and pose."""
        for feed in self._feeds:
            feed.close()


def main() -> None:
    use_one_core()
    run(CameraNode)


if __name__ == "__main__":
    main()
