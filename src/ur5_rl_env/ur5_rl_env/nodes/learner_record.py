"""What env_node knows of the learner's record on disk. Nothing waits for it."""

from rclpy.node import Node

from ur5_rl_interfaces.msg import TransitionAck
from ur5_rl_ros import qos


class LearnerRecord:
    """How far the learner's record of this run's time steps reaches on disk.

    DDS holds the newest `qos.TRANSITION.depth` time steps, acknowledged or not, and sends
    them to a learner that comes back, in a thread of its own: nothing here sends again or
    grows. What is older than that and was never acknowledged is out of the learner's
    reach, and is counted. Written by the callback thread, read by every other; but for
    `sent`, which the loop thread writes.

    Attributes:
        sent: Newest time step that was sent.
        refused: Acknowledgements of time steps that were never sent.
    """

    def __init__(self, node: Node, run_id: int) -> None:
        self.refused = 0
        self._run_id = run_id
        self.sent = 0
        self._has_learner = False
        self._sequence = 0
        node.create_subscription(TransitionAck, "transition_ack", self.on_ack, qos.POLICY)

    def on_send(self, sequence: int) -> None:
        """Know that time step `sequence` is about to be sent."""
        self.sent = sequence

    def on_ack(self, msg: TransitionAck) -> None:
        self._has_learner = True
        if msg.run_id != self._run_id:
            return
        if msg.sequence > self.sent:
            self.refused += 1
            return
        self._sequence = max(self._sequence, msg.sequence)

    @property
    def unacknowledged(self) -> int:
        """Time steps that were sent and are not on disk; 0 without a learner."""
        return self.sent - self._sequence if self._has_learner else 0

    @property
    def out_of_reach(self) -> int:
        """How many of these DDS no longer holds."""
        return max(0, self.unacknowledged - qos.TRANSITION.depth)
