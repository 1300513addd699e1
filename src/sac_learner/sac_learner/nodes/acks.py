"""Tells senders of time steps how far the learner's record of them reaches on disk."""

from rclpy.node import Node

from sac_learner.core.replay_log import Durable
from ur5_rl_interfaces.msg import TransitionAck
from ur5_rl_ros import qos


class Acks:
    """Publishes each progress once, the first one at once. Owned by the main thread."""

    def __init__(self, node: Node, session: int) -> None:
        self._clock = node.get_clock()
        self._session = session
        self._announced: Durable | None = None
        self._publisher = node.create_publisher(
            TransitionAck, "transition_ack", qos.POLICY
        )

    def announce(self, durable: Durable) -> None:
        """Publish how far the record reaches, unless it has been said."""
        if durable == self._announced:
            return
        message = TransitionAck(
            session=self._session,
            run_id=durable.run_id,
            sequence=durable.sequence,
            env_steps=durable.env_steps,
        )
        message.header.stamp = self._clock.now().to_msg()
        self._publisher.publish(message)
        self._announced = durable
