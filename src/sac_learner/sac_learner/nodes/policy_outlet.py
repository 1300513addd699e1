"""Tells actors of the newest policy, at a pace that the way to them allows."""

from rclpy.duration import Duration
from rclpy.node import Node

from ur5_rl_interfaces.msg import PolicyParameters
from ur5_rl_ros import qos

CONFIRM_PERIOD_S = 5.0  # actors rest when they have heard of no policy for a minute
ARRIVAL_S = 10.0  # a policy that takes longer is given up: its actor may have died


class PolicyOutlet:
    """Publishes policies. Owned by the thread that updates.

    All times are on the steady clock [s].
    """

    def __init__(self, node: Node) -> None:
        self._clock = node.get_clock()
        self._policy = PolicyParameters()  # published last; version 0: none yet
        self._told_s = float("-inf")
        self._publisher = node.create_publisher(
            PolicyParameters, "policy_parameters", qos.POLICY
        )

    @property
    def version(self) -> int:
        """Of the policy that was published last, 0 if none was."""
        return int(self._policy.version)

    def is_free(self, now_s: float) -> bool:
        """Whether the policy published last is with all actors, or given up.

        The queue holds one: the next would take its place half way. Of policies that come
        faster than a slow network carries one, none would arrive.
        """
        is_late = now_s - self._told_s >= ARRIVAL_S
        return is_late or self._publisher.wait_for_all_acked(Duration())

    def publish(self, policy: PolicyParameters, now_s: float) -> None:
        """Tell actors of a policy, in the place of one that may be on its way."""
        self._policy = policy
        self._tell(now_s)

    def confirm(self, now_s: float) -> None:
        """Say now and then that the newest policy holds, also where nothing is learnt."""
        is_due = now_s - self._told_s >= CONFIRM_PERIOD_S
        if is_due and self.version and self.is_free(now_s):
            self._tell(now_s)

    def _tell(self, now_s: float) -> None:
        self._policy.header.stamp = self._clock.now().to_msg()
        self._publisher.publish(self._policy)
        self._told_s = now_s
