"""Fixtures of this package's node tests."""

from hypothesis import settings

from ur5_rl_ros.testing import ros, ros_domain, spin_until  # noqa: F401

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
