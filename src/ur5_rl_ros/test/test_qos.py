"""What each profile promises, held to between two real nodes."""

import numpy as np
import pytest
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from std_msgs.msg import UInt8MultiArray, UInt32

from ur5_rl_ros import qos
from ur5_rl_ros.image_bridge import bytes_of

pytestmark = pytest.mark.realtime

PROFILES = {
    name: value for name, value in vars(qos).items() if isinstance(value, QoSProfile)
}


@pytest.fixture
def node(ros):
    made = Node("both_ends", context=ros.context)
    ros.add_node(made)
    yield made
    made.destroy_node()


def listen(node, profile, kind=UInt32):
    heard = []
    node.create_subscription(kind, "topic", lambda msg: heard.append(msg.data), profile)
    return heard


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("listener", ["the other node", "a tool"])
def test_both_ends_of_a_topic_match_and_hear_each_other(node, spin_until, name, listener):
    """Tools such as rqt subscribe by best effort, for the present alone."""
    is_tool = listener == "a tool"
    publisher = node.create_publisher(UInt32, "topic", PROFILES[name])
    heard = listen(node, qos_profile_sensor_data if is_tool else PROFILES[name])
    spin_until(publisher.get_subscription_count)
    number = 0

    def is_heard():
        nonlocal number
        number += 1
        publisher.publish(UInt32(data=number))
        return heard

    spin_until(is_heard)


@pytest.mark.parametrize("name", ["COMMAND", "POLICY"])
def test_a_slow_listener_gets_the_newest_and_no_backlog(node, spin_until, name):
    heard = listen(node, PROFILES[name])
    publisher = node.create_publisher(UInt32, "topic", PROFILES[name])
    spin_until(publisher.get_subscription_count)
    for number in range(1, 101):
        publisher.publish(UInt32(data=number))
    spin_until(lambda: heard and heard[-1] == 100)
    assert len(heard) < 10


def test_no_transition_is_lost_in_a_burst(node, spin_until):
    heard = listen(node, qos.TRANSITION)
    publisher = node.create_publisher(UInt32, "topic", qos.TRANSITION)
    spin_until(publisher.get_subscription_count)
    for number in range(1000):
        publisher.publish(UInt32(data=number))
    spin_until(lambda: len(heard) == 1000)
    assert heard == list(range(1000))


@pytest.mark.parametrize("name,expected", [("POLICY", [9]), ("STATUS", list(range(10)))])
def test_a_late_joiner_gets_what_it_needs(node, spin_until, name, expected):
    publisher = node.create_publisher(UInt32, "topic", PROFILES[name])
    for number in range(10):
        publisher.publish(UInt32(data=number))
    heard = listen(node, PROFILES[name])
    spin_until(lambda: len(heard) == len(expected))
    assert heard == expected


def test_a_late_joiner_is_given_no_old_command(node, spin_until):
    publisher = node.create_publisher(UInt32, "topic", qos.COMMAND)
    publisher.publish(UInt32(data=1))
    heard = listen(node, qos.COMMAND)
    spin_until(publisher.get_subscription_count)
    publisher.publish(UInt32(data=2))
    spin_until(lambda: heard)
    assert heard == [2]


def test_a_policy_of_five_megabytes_arrives_whole(node, spin_until):
    values = np.random.default_rng(0).integers(0, 256, 5_000_000, np.uint8)
    heard = listen(node, qos.POLICY, UInt8MultiArray)
    node.create_publisher(UInt8MultiArray, "topic", qos.POLICY).publish(
        UInt8MultiArray(data=bytes_of(values))
    )
    spin_until(lambda: heard)
    np.testing.assert_array_equal(np.frombuffer(heard[0], np.uint8), values)
