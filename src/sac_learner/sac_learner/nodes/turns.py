"""Tells env_node how far the learner has come, in the sequential architecture."""

from rclpy.node import Node

from sac_learner.core.sampler import Handled
from ur5_rl_interfaces.msg import LearnerTurn
from ur5_rl_ros import qos


class Turns:
    """Publishes each turn once. Owned by the thread that updates."""

    def __init__(self, node: Node) -> None:
        self._clock = node.get_clock()
        self._announced: Handled | None = None
        self._publisher = node.create_publisher(LearnerTurn, "learner_turn", qos.POLICY)

    @property
    def is_heard(self) -> bool:
        """Whether an environment listens: else nothing waits."""
        return bool(self._publisher.get_subscription_count())

    def is_announced(self, handled: Handled) -> bool:
        """Whether env_node was told that the learner has finished with this time step."""
        return handled == self._announced

    def announce(self, handled: Handled, *, updates: int, policy_version: int) -> None:
        """Let env_node go on; the policy must be on its way already."""
        message = LearnerTurn(
            run_id=handled.run_id,
            sequence=handled.sequence,
            updates=updates,
            policy_version=policy_version,
        )
        message.header.stamp = self._clock.now().to_msg()
        self._publisher.publish(message)
        self._announced = handled
