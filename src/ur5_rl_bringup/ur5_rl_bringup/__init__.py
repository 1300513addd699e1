"""Asynchronous reinforcement learning from pixels on a UR5, in real time."""
