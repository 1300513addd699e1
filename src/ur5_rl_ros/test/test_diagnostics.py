"""Diagnostics as rqt_robot_monitor expects them, once a second."""

import socket
import time

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from ur5_rl_ros.diagnostics import WARN, Diagnostics

pytestmark = pytest.mark.realtime


def test_a_node_tells_how_it_is_once_a_second(ros, spin_until):
    node = Node("arm_node", context=ros.context, namespace="/left")
    ros.add_node(node)
    heard, times_s, asked = [], [], []

    def on_message(msg):
        heard.append(msg)
        times_s.append(time.monotonic())

    def report():
        asked.append(None)
        return WARN, f"asked {len(asked)}", {"speed_rad_s": 0.5, "limited": False}

    node.create_subscription(DiagnosticArray, "/diagnostics", on_message, 10)
    Diagnostics(node, "UR5", report)
    spin_until(lambda: len(heard) == 3)
    assert 0.5 < times_s[2] - times_s[1] < 1.5
    (status,) = heard[-1].status
    assert (status.level, status.message) == (WARN, "asked 3")
    assert (status.name, status.hardware_id) == ("/left/arm_node", "UR5")
    values = {pair.key: pair.value for pair in status.values}
    assert values.pop("messages_undecodable") == "0"
    assert values == {"speed_rad_s": "0.5", "limited": "False"}
    assert heard[-1].header.stamp.sec > 1_600_000_000
    node.destroy_node()


def test_what_cannot_wait_is_told_at_once(ros, spin_until):
    node = Node("arm_node", context=ros.context)
    ros.add_node(node)
    heard = []
    node.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 10)
    diagnostics = Diagnostics(node, "UR5", lambda: (WARN, "late", {}))
    spin_until(lambda: heard)
    told, said_s = len(heard), time.monotonic()
    diagnostics.publish()
    spin_until(lambda: len(heard) > told)
    assert time.monotonic() - said_s < 0.5
    node.destroy_node()


def test_two_tests_never_share_a_domain(ros_domain):
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with claim, pytest.raises(OSError):
        claim.bind(f"\0ur5rl-test-domain-{ros_domain}")
