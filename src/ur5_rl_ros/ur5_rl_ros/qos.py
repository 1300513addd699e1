"""The workspace's only QoS profiles: one per kind of data, each with its reason."""

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

# Newest sample wins; a lost one is replaced 8 or 40 ms later. rqt and rviz read it too.
SENSOR = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
# Newest command or observation wins, but it must arrive.
COMMAND = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
# Every time step is training data: none is lost. The last 2000 (80 s of acting, more than
# a restart takes) reach a learner that starts late or starts again; it knows by their
# sequence numbers which it has on disk, and `transition_ack` says so.
TRANSITION = QoSProfile(
    depth=2000,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# A late joiner still needs the current policy.
POLICY = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# Slow scalars and episode summaries: a late joiner gets the last one, none is lost.
STATUS = QoSProfile(
    depth=50,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# All nodes beat on one topic: room for what they say while a listener is held up. A lost
# beat is replaced 50 ms later.
HEARTBEAT = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
