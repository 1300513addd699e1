"""ROS glue shared by every node: parameters, QoS, start and stop, image bridge."""
