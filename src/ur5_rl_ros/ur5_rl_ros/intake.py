"""An executor that counts what reached its subscriptions and could not be decoded."""

from collections.abc import Callable, Coroutine
from typing import Any

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.subscription import Subscription

Handler = Callable[[], Coroutine[None, None, None]]


class CountingExecutor(SingleThreadedExecutor):
    """Runs callbacks in one thread and counts messages that are none.

    DDS hands over whatever bytes came. Where they are no message of the type, the
    middleware takes nothing and rclpy says nothing: `_take_subscription` alone shows it.

    Attributes:
        undecodable: Messages that could not be decoded, of all topics.
    """

    def __init__(self, *, context: Context | None = None) -> None:
        super().__init__(context=context)
        self.undecodable = 0

    def _take_subscription(self, sub: "Subscription[Any]") -> Handler | None:
        handler = super()._take_subscription(sub)
        if handler is None:
            self.undecodable += 1
        return handler


def undecodable_messages(node: Node) -> int:
    """Return how many messages to `node` could not be decoded, as far as it is known."""
    return int(getattr(node.executor, "undecodable", 0))
