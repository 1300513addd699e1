"""Bytes that are no message: rclpy says nothing of them, the executor counts them."""

import pytest
import rclpy
from std_msgs.msg import String

from ur5_rl_ros.intake import CountingExecutor, undecodable_messages

pytestmark = pytest.mark.realtime

GARBAGE = b"\x00\x01\x00\x00\xff\xff\xff\xffno string is as long as this one says"


def test_fault_bytes_that_are_no_message_are_counted_and_good_ones_still_come(ros_domain):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=ros_domain)
    executor = CountingExecutor(context=context)
    node = rclpy.create_node("listener", context=context)
    executor.add_node(node)
    heard = []
    node.create_subscription(String, "words", heard.append, 10)
    publisher = node.create_publisher(String, "words", 10)
    try:
        _spin_until(executor, publisher.get_subscription_count)
        publisher.publish(GARBAGE)
        _spin_until(executor, lambda: undecodable_messages(node))
        publisher.publish(String(data="good"))
        _spin_until(executor, lambda: heard)
        assert [msg.data for msg in heard] == ["good"]
        assert undecodable_messages(node) == 1
    finally:
        executor.shutdown()
        rclpy.try_shutdown(context=context)


def _spin_until(executor, condition, rounds=200):
    for _ in range(rounds):
        if condition():
            return
        executor.spin_once(timeout_sec=0.05)
    raise AssertionError("condition never held")
