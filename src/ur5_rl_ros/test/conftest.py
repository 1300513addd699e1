"""Fixtures of this package's tests."""

from ur5_rl_ros.testing import ros, ros_domain, spin_until  # noqa: F401
