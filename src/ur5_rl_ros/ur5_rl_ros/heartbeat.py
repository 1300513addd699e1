"""Signs of life of a process, so that a Python that hangs is seen by the others."""

import secrets
import time
from collections.abc import Callable

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from ur5_rl_interfaces.msg import Heartbeat as HeartbeatMsg
from ur5_rl_ros import qos

PERIOD_S = 0.05  # four of them fit into the shortest limit of the watch


class Heartbeat:
    """Publishes `heartbeat` from the thread that answers the callbacks of `node`.

    Args:
        node: Whose callbacks are proved to run.
        last_round_ns: Says for an instant (CLOCK_MONOTONIC, [ns]) when the main loop last
            came round before it; the same instant where there is no loop.
    """

    def __init__(self, node: Node, last_round_ns: Callable[[int], int]) -> None:
        self._clock = node.get_clock()
        self._last_round_ns = last_round_ns
        name, session = node.get_fully_qualified_name(), secrets.randbits(63)
        self._msg = HeartbeatMsg(node=name, session=session)
        self._publisher = node.create_publisher(HeartbeatMsg, "heartbeat", qos.HEARTBEAT)
        self._timer = node.create_timer(
            PERIOD_S,
            self._beat,
            # Of its own: a service that waits, and lets others run, is in good health.
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def _beat(self) -> None:
        msg, now_ns = self._msg, time.monotonic_ns()
        msg.header.stamp = self._clock.now().to_msg()
        msg.sequence += 1
        msg.steady_ns, msg.loop_steady_ns = now_ns, self._last_round_ns(now_ns)
        self._publisher.publish(msg)
