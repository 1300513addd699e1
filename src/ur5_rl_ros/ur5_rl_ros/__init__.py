"""ROS glue shared by every node: parameters, QoS, process start and stop, image bridge."""
