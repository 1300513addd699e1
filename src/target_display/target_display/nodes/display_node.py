"""ROS shell of the target display: a loop that draws, and a service that starts anew.

Two threads: the main thread draws on absolute deadlines; one more answers callbacks and
hands each reset over to the loop, which answers it after the first flip that shows it.
"""

import time
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

import numpy as np
from rclpy.node import Node

from target_display.core.config import DisplayConfig
from target_display.core.drawing import Canvas, Rectangle
from target_display.core.motion import Target, trajectory
from target_display.nodes.screen import open_screen
from ur5_rl_interfaces.msg import TargetState
from ur5_rl_interfaces.srv import ResetTarget
from ur5_rl_ros import qos
from ur5_rl_ros.deadline import NANOSECONDS, Pace
from ur5_rl_ros.diagnostics import OK, WARN, Diagnostics
from ur5_rl_ros.params import load_config
from ur5_rl_ros.process import Stop, run
from ur5_rl_ros.shared_array import SharedArrayWriter

RESET_TIMEOUT_S = 0.5  # the loop draws every 17 ms


class Shown(NamedTuple):
    """A target and the instant of the flip that showed it."""

    target: Target
    steady_ns: int


class Reset(NamedTuple):
    """A wish of the callback thread; the loop fulfils it."""

    episode: int
    first_shown: "Future[Shown]"


class DisplayNode(Node):
    """Shows the target, tells where it is."""

    def __init__(self, **kwargs) -> None:
        super().__init__(
            "display_node", automatically_declare_parameters_from_overrides=True, **kwargs
        )
        self._config = config = load_config(self, DisplayConfig)
        self._screen = open_screen(config)
        width, height = self._screen.size_px
        pixels = np.empty((height, width, 4), np.uint8)
        self._screen.attach(pixels)
        self._canvas = Canvas(pixels, config.dot_colour_bgr, config.background_colour_bgr)
        self._shared = None
        if config.screen_file:
            path = Path(config.screen_file)
            self._shared = SharedArrayWriter(path, pixels.shape, "uint8")
        self._state = TargetState(motion=config.motion, radius_units=config.radius_units)
        self._state.width_px, self._state.height_px = width, height
        self._resets: SimpleQueue[Reset] = SimpleQueue()
        self._pace = Pace(1.0 / config.frame_rate_hz)
        self._flips = self._reported_flips = self._reported_skipped = 0
        self._reported_ns = time.monotonic_ns()
        self._start(0)
        self._states = self.create_publisher(TargetState, "target_state", qos.SENSOR)
        self.create_service(ResetTarget, "reset_target", self._on_reset)
        self._diagnostics = Diagnostics(self, "target display", self._report)
        self.get_logger().info(f"{self._screen.name}, {width} x {height} px")

    # The loop.

    def run(self, stop: Stop) -> None:
        """Draw at the frame rate until `stop` is raised or the window is closed."""
        while not stop.requested:
            self._pace.sleep()
            self._show_frame()
            if self._screen.is_closed():
                self.get_logger().info("the window was closed")
                stop.request()

    def close(self) -> None:
        self._screen.close()

    def _start(self, episode: int) -> None:
        self._trajectory = trajectory(self._config.motion_config(), episode)
        self._state.episode = episode
        self._zero_ns = 0  # the next flip sets it

    def _show_frame(self) -> None:
        reset = self._next_reset()
        if reset is not None:
            self._start(reset.episode)
        elapsed_ns = time.monotonic_ns() - self._zero_ns if self._zero_ns else 0
        target = self._trajectory.at(elapsed_ns / NANOSECONDS)
        changed = self._canvas.draw(
            target.x_units, target.y_units, self._config.radius_units
        )
        self._screen.show(changed)
        flip_ns, stamp = time.monotonic_ns(), self.get_clock().now()
        self._zero_ns = self._zero_ns or flip_ns
        self._share(changed, flip_ns)
        self._state.header.stamp = stamp.to_msg()
        self._publish(target, flip_ns)
        self._flips += 1
        if reset is not None:
            reset.first_shown.set_result(Shown(target, flip_ns))

    def _next_reset(self) -> Reset | None:
        try:
            return self._resets.get_nowait()
        except Empty:
            return None

    def _share(self, changed: Rectangle | None, flip_ns: int) -> None:
        """Copy what has just become visible, so that readers never see it earlier."""
        if self._shared is None:
            return
        shared = self._shared.begin()
        if changed is not None:
            shared[changed.slices] = self._canvas.pixels[changed.slices]
        self._shared.commit(flip_ns)

    def _publish(self, target: Target, flip_ns: int) -> None:
        state = self._state
        state.steady_ns = flip_ns
        state.x_units, state.y_units = target.x_units, target.y_units
        state.velocity_x_units_s = target.velocity_x_units_s
        state.velocity_y_units_s = target.velocity_y_units_s
        self._states.publish(state)

    # Callbacks.

    def _on_reset(
        self, request: ResetTarget.Request, response: ResetTarget.Response
    ) -> ResetTarget.Response:
        if request.episode == 0:
            response.message = "episode counts from 1, got 0"
            return response
        reset = Reset(request.episode, Future())
        self._resets.put(reset)
        try:
            shown = reset.first_shown.result(RESET_TIMEOUT_S)
        except TimeoutError:
            response.message = f"nothing was drawn for {RESET_TIMEOUT_S} s"
            return response
        response.success, response.steady_ns = True, shown.steady_ns
        response.x_units, response.y_units = shown.target.x_units, shown.target.y_units
        return response

    def _report(self) -> tuple[bytes, str, dict[str, object]]:
        now_ns, flips, skipped = time.monotonic_ns(), self._flips, self._pace.skipped
        elapsed_s = (now_ns - self._reported_ns) / NANOSECONDS
        hz = (flips - self._reported_flips) / elapsed_s
        newly_skipped = skipped - self._reported_skipped
        self._reported_ns, self._reported_flips = now_ns, flips
        self._reported_skipped = skipped
        values = {
            "screen": self._screen.name,
            "flips_hz": round(hz, 1),
            "deadlines_skipped": skipped,
            "episode": self._state.episode,
        }
        if hz < 0.8 * self._config.frame_rate_hz:
            return WARN, f"{newly_skipped} of the last flips were skipped", values
        return OK, f"{hz:.1f} flips per second", values


def main() -> None:
    run(DisplayNode)


if __name__ == "__main__":
    main()
