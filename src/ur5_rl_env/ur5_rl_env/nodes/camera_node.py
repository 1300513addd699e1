"""ROS shell of a real camera: waits for its images, publishes those that are alive.

Two threads: the main thread blocks in the camera, one more answers the diagnostics timer.
"""

import time
from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import Image

from ur5_rl_env.core.camera_config import CameraConfig
from ur5_rl_env.core.frame_health import FrozenDetector, fitted, is_same_shape
from ur5_rl_env.core.rate import Rate
from ur5_rl_env.nodes.capture import Capture, open_capture
from ur5_rl_ros import qos
from ur5_rl_ros.diagnostics import ERROR, OK, WARN, Diagnostics, Report
from ur5_rl_ros.image_bridge import cv2_to_imgmsg
from ur5_rl_ros.params import load_config
from ur5_rl_ros.process import ConfigurationError, LinkLostError, Stop, run

FIRST_REOPEN_S = 0.25
LAST_REOPEN_S = 2.0
SLOW = 0.8  # of the rate that was asked for


class CameraNode(Node):
    """Publishes images of one camera, stamped with their capture."""

    def __init__(
        self, open_capture: Callable[[CameraConfig], Capture] = open_capture, **kwargs
    ) -> None:
        super().__init__(
            "camera_node", automatically_declare_parameters_from_overrides=True, **kwargs
        )
        self._config = config = load_config(self, CameraConfig)
        self._open = open_capture
        self._capture: Capture | None = open_capture(config)
        self._detector = FrozenDetector(config.frozen_frames)
        self._rate = Rate()
        self._newest_ns = 0  # steady clock
        self._published = 0
        self._reopened = 0
        self._dropped_before = 0  # by captures that are closed
        self._trouble = "no image has arrived yet"
        self._size = (0, 0)
        self._images = self.create_publisher(Image, "image_raw", qos.SENSOR)
        self._diagnostics = Diagnostics(self, config.device, self._report)

    def run(self, stop: Stop) -> None:
        """Publish images until `stop` is raised.

        Raises:
            ConfigurationError: the camera has not given a single image.
            LinkLostError: it went away and did not come back in time.
        """
        while not stop.requested:
            try:
                self._serve_one()
            except OSError as error:
                if not self._published:
                    raise ConfigurationError(str(error)) from error
                self._reopen(error, stop)

    def _serve_one(self) -> None:
        if self._capture is None:
            raise ConnectionError(f"camera {self._config.device} is closed")
        image, arrival_ns = self._capture.read()
        self._rate.count(arrival_ns)
        self._newest_ns = arrival_ns
        if image.shape[:2] != self._size:
            self._note_size(image)
        if self._detector.is_frozen(image):
            self._say("camera is frozen: it repeats one image")
            return  # silence is what the environment knows how to handle
        self._say("")
        self._publish(image, arrival_ns)

    def _publish(self, image, arrival_ns: int) -> None:
        config = self._config
        msg = cv2_to_imgmsg(fitted(image, config.height_px, config.width_px), "bgr8")
        age_ns = time.monotonic_ns() - arrival_ns + round(config.latency_s * 1e9)
        stamp = msg.header.stamp
        stamp.sec, stamp.nanosec = divmod(time.time_ns() - age_ns, 1_000_000_000)
        msg.header.frame_id = "camera"
        self._images.publish(msg)
        self._published += 1

    def _note_size(self, image) -> None:
        config = self._config
        self._size = rows, columns = image.shape[:2]
        asked = (config.capture_height_px, config.capture_width_px)
        if not is_same_shape(image, config.height_px, config.width_px):
            self.get_logger().warning(
                f"camera gives {columns} x {rows} px, not {asked[1]} x {asked[0]}: "
                f"its edges are cut off to fit {config.width_px} x {config.height_px}"
            )

    def _reopen(self, error: OSError, stop: Stop) -> None:
        """Try to open the camera again, ever more rarely."""
        self._say(str(error))
        self._close_capture()
        pause_s = FIRST_REOPEN_S
        while self._capture is None and not stop.wait(pause_s):
            gone_s = (time.monotonic_ns() - self._newest_ns) / 1e9
            if gone_s > self._config.reopen_timeout_s:
                raise LinkLostError(f"{error}; gone for {gone_s:.1f} s")
            try:
                self._capture = self._open(self._config)
                self._reopened += 1
            except OSError as still:
                error = still
                self._say(str(still))
                pause_s = min(2.0 * pause_s, LAST_REOPEN_S)

    def _say(self, trouble: str) -> None:
        """Log what is wrong, and when it is right again, once each."""
        if trouble != self._trouble:
            if trouble:
                self.get_logger().error(trouble)
            elif self._published:
                self.get_logger().info("camera gives images again")
        self._trouble = trouble

    def _close_capture(self) -> None:
        if self._capture is not None:
            self._dropped_before += self._capture.dropped
            self._capture.close()
        self._capture = None

    def close(self) -> None:
        """Let go of the camera."""
        self._close_capture()

    def _report(self) -> Report:
        hz, capture = self._rate.hz(time.monotonic_ns()), self._capture
        dropped = self._dropped_before + (capture.dropped if capture is not None else 0)
        values = {
            "images_hz": round(hz, 1),
            "images_published": self._published,
            "old_images_dropped": dropped,
            "camera_height_px": self._size[0],
            "camera_width_px": self._size[1],
            "times_reopened": self._reopened,
        }
        if self._trouble:
            return ERROR, self._trouble, values
        if hz < SLOW * self._config.capture_hz:
            return WARN, f"{hz:.1f} images/s, asked {self._config.capture_hz}", values
        return OK, f"{hz:.1f} images/s", values


def main() -> None:
    """Run the node."""
    run(CameraNode)


if __name__ == "__main__":
    main()
