"""Fixtures of this package's node tests."""

from ur5_rl_ros.testing import ros, ros_domain, spin_until  # noqa: F401
