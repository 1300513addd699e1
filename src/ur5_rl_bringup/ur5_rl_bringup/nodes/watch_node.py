"""ROS shell of the watch: hears every heartbeat, asks the arm to stop for lack of one.

One thread answers the callbacks. It can only ask for a stop: no motion comes of it. Once
it has spoken, the arm goes to its start pose only while it speaks: on that way nobody
sends commands whose silence would stop the arm.
"""

import secrets
import time
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from ur5_rl_bringup.core.wall_clock import WallClock
from ur5_rl_bringup.core.watch import NANOSECONDS, Beat, Verdict, Watch
from ur5_rl_bringup.core.watch_config import WatchConfig
from ur5_rl_env.core.stop_request import MAX_REASON
from ur5_rl_interfaces.msg import Heartbeat, StopRequest
from ur5_rl_ros import qos
from ur5_rl_ros.diagnostics import ERROR, OK, WARN, Diagnostics, Report
from ur5_rl_ros.params import load_config
from ur5_rl_ros.process import run

TORN_NS = 10_000_000  # two clocks that were read further apart say nothing of a jump


class WatchNode(Node):
    """Tells who is silent, and asks the arm to stop where that matters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            "watch_node", automatically_declare_parameters_from_overrides=True, **kwargs
        )
        config = load_config(self, WatchConfig)
        self._watch = Watch(config, time.monotonic_ns())
        self._wall_clock = WallClock(
            round(config.clock_jump_s * NANOSECONDS),
            round(config.clock_jump_shown_s * NANOSECONDS),
        )
        self._verdict = Verdict()
        self._reason = ""  # stays as it was first said, for those who tell a change
        self._request_period_ns = round(config.request_period_s * NANOSECONDS)
        self._request_due_ns = 0
        self._requests = self.create_publisher(StopRequest, "stop_request", qos.COMMAND)
        self._session = secrets.randbits(63)
        self._diagnostics = Diagnostics(self, "heartbeats", self._report)
        self.create_subscription(Heartbeat, "heartbeat", self._on_beat, qos.HEARTBEAT)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(config.tick_period_s, self._tick, clock=steady)

    def _on_beat(self, msg: Heartbeat) -> None:
        beat = Beat(
            node=msg.node.rsplit("/", 1)[-1],
            session=msg.session,
            steady_ns=msg.steady_ns,
            loop_steady_ns=msg.loop_steady_ns,
        )
        self._watch.on_beat(beat, time.monotonic_ns())

    def _tick(self) -> None:
        now_ns = time.monotonic_ns()
        before, self._verdict = self._verdict, self._watch.look(now_ns)
        is_news = self._verdict.kinds != before.kinds
        if is_news:
            self._reason = self._verdict.stop_reason[:MAX_REASON]
        if is_news or now_ns >= self._request_due_ns:
            self._request(now_ns)
        if self._has_jumped(now_ns) or is_news:
            self._diagnostics.publish()
        if is_news:
            self._log_change(before)

    def _request(self, now_ns: int) -> None:
        """Ask for a stop, or say that nothing speaks against motion."""
        self._request_due_ns = now_ns + self._request_period_ns
        msg = StopRequest(session=self._session, steady_ns=now_ns, reason=self._reason)
        msg.header.stamp = self.get_clock().now().to_msg()
        self._requests.publish(msg)

    def _has_jumped(self, now_ns: int) -> bool:
        offset_ns = wall_offset_ns()
        if offset_ns is None or not self._wall_clock.look(offset_ns, now_ns):
            return False
        self.get_logger().warning(self._wall_clock.text(now_ns))
        return True

    def _log_change(self, before: Verdict) -> None:
        for fault in self._verdict.faults:
            if (fault.node, fault.silence) not in before.kinds:
                self.get_logger().warning(fault.text)
        silent = {fault.node for fault in self._verdict.faults}
        for fault in before.faults:
            if fault.node not in silent:
                self.get_logger().info(f"{fault.node} is alive again")

    def _report(self) -> Report:
        verdict, jump = self._verdict, self._wall_clock.text(time.monotonic_ns())
        text = "; ".join(part for part in (verdict.text, jump) if part)
        values: dict[str, object] = {
            **self._watch.states(),
            "wall_clock_jumps": self._wall_clock.jumps,
            "beats_refused": self._watch.refused,
        }
        if verdict.stop_reason:
            return ERROR, text, values
        return (WARN, text, values) if text else (OK, "all are alive", values)


def wall_offset_ns() -> int | None:
    """Return system time less steady time [ns]; None if a pause came in between."""
    before_ns = time.monotonic_ns()
    wall_ns = time.time_ns()
    after_ns = time.monotonic_ns()
    if after_ns - before_ns > TORN_NS:
        return None
    return wall_ns - (before_ns + after_ns) // 2


def main() -> None:
    """Run the node."""
    run(WatchNode)


if __name__ == "__main__":
    main()
