"""What env_node counts of the learner's acknowledgements, on real rclpy."""

from unittest.mock import Mock

import pytest
import rclpy

from ur5_rl_env.nodes.learner_record import LearnerRecord
from ur5_rl_interfaces.msg import TransitionAck
from ur5_rl_ros import qos

pytestmark = pytest.mark.realtime

RUN = 2**63 + 1
DEPTH = qos.TRANSITION.depth


@pytest.fixture
def acks(ros):
    """Return a record of run `RUN`, and a way for a learner to acknowledge."""
    node = rclpy.create_node("env", context=ros.context)
    ros.add_node(node)
    publisher = node.create_publisher(TransitionAck, "transition_ack", qos.POLICY)
    yield LearnerRecord(node, RUN), publisher
    node.destroy_node()


def test_what_was_not_acknowledged_is_counted(acks, spin_until):
    record, publisher = acks
    record.on_send(7)
    assert record.unacknowledged == 0  # nobody learns: nothing is missing
    publisher.publish(TransitionAck())  # a learner that has nothing
    spin_until(lambda: record.unacknowledged == 7)
    publisher.publish(TransitionAck(run_id=RUN, sequence=5))
    spin_until(lambda: record.unacknowledged == 2)


@pytest.mark.parametrize(
    "ack", [{"run_id": RUN + 1, "sequence": 9}, {"run_id": RUN, "sequence": 3}, {}]
)
def test_fault_an_ack_of_another_run_or_an_old_one_takes_nothing_back(ack):
    record = LearnerRecord(Mock(), RUN)
    record.on_send(7)
    record.on_ack(TransitionAck(run_id=RUN, sequence=5))
    record.on_ack(TransitionAck(**ack))
    assert (record.unacknowledged, record.refused) == (2, 0)


def test_fault_an_ack_of_what_was_never_sent_is_refused():
    record = LearnerRecord(Mock(), RUN)
    record.on_send(7)
    record.on_ack(TransitionAck(run_id=RUN, sequence=5))
    record.on_ack(TransitionAck(run_id=RUN, sequence=2**64 - 1))
    assert (record.unacknowledged, record.refused) == (2, 1)


def test_fault_a_learner_away_for_too_long_is_told(acks, spin_until):
    record, publisher = acks
    record.on_send(DEPTH + 10)
    assert record.out_of_reach == 0
    record.on_send(5)
    publisher.publish(TransitionAck(run_id=RUN, sequence=4))
    spin_until(lambda: record.unacknowledged == 1)
    record.on_send(DEPTH + 4)
    assert record.out_of_reach == 0  # DDS still holds them
    record.on_send(DEPTH + 10)
    assert record.out_of_reach == 6
