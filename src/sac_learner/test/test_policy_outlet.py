"""What actors are told, when the way to one of them is slow, cut or gone."""

import signal
import subprocess
import sys

import pytest
import rclpy

from sac_learner.nodes.policy_outlet import ARRIVAL_S, CONFIRM_PERIOD_S, PolicyOutlet
from ur5_rl_interfaces.msg import PolicyParameters
from ur5_rl_ros import qos
from ur5_rl_ros.testing import node_environment

pytestmark = pytest.mark.realtime

TOPIC = "policy_parameters"
LISTENER = """
import rclpy
from ur5_rl_interfaces.msg import PolicyParameters
from ur5_rl_ros import qos
rclpy.init()
node = rclpy.create_node("far_actor")
node.create_subscription(PolicyParameters, "policy_parameters", print, qos.POLICY)
rclpy.spin(node)
"""


@pytest.fixture
def node(ros):
    node = rclpy.create_node("learner_node", context=ros.context)
    ros.add_node(node)
    yield node
    node.destroy_node()


@pytest.fixture
def heard(node):
    messages = []
    node.create_subscription(PolicyParameters, TOPIC, messages.append, qos.POLICY)
    return messages


@pytest.fixture
def far_actor(ros_domain):
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER],
        env=node_environment(ros_domain),
        stdout=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


def test_the_way_is_free_where_nobody_listens_and_once_a_policy_has_come(
    node, heard, spin_until
):
    outlet = PolicyOutlet(node)
    assert outlet.is_free(0.0)
    spin_until(lambda: node.count_subscribers(TOPIC) == 1)
    outlet.publish(PolicyParameters(version=3), now_s=1.0)
    spin_until(lambda: heard)
    spin_until(lambda: outlet.is_free(1.0))
    assert (outlet.version, heard[0].version) == (3, 3)


def test_the_newest_policy_is_confirmed_once_a_period(node, heard, spin_until):
    outlet = PolicyOutlet(node)
    outlet.confirm(now_s=100.0)  # there is none yet
    outlet.publish(PolicyParameters(version=3), now_s=100.0)
    spin_until(lambda: len(heard) == 1)
    spin_until(lambda: outlet.is_free(100.0))
    outlet.confirm(now_s=100.0 + 0.9 * CONFIRM_PERIOD_S)
    outlet.confirm(now_s=100.0 + CONFIRM_PERIOD_S)
    spin_until(lambda: len(heard) == 2)
    outlet.confirm(now_s=100.0 + 1.9 * CONFIRM_PERIOD_S)
    outlet.publish(PolicyParameters(version=4), now_s=100.0 + 1.9 * CONFIRM_PERIOD_S)
    spin_until(lambda: len(heard) == 3)
    assert [policy.version for policy in heard] == [3, 3, 4]


def test_fault_a_policy_under_way_is_not_pushed_out_and_a_dead_actor_holds_up_none(
    node, far_actor, spin_until
):
    outlet = PolicyOutlet(node)
    spin_until(lambda: node.count_subscribers(TOPIC) == 1, 30.0)
    outlet.publish(PolicyParameters(version=1), now_s=0.0)
    spin_until(lambda: outlet.is_free(0.0))  # it is matched, and has it

    far_actor.send_signal(signal.SIGSTOP)
    outlet.publish(PolicyParameters(version=2), now_s=1.0)
    assert not outlet.is_free(1.0 + 0.99 * ARRIVAL_S)
    assert outlet.is_free(1.0 + ARRIVAL_S)

    far_actor.send_signal(signal.SIGCONT)
    spin_until(lambda: outlet.is_free(1.0))
