"""Fixtures of this package's node tests; lets its tests import what they share."""

import sys
from pathlib import Path

from ur5_rl_ros.testing import ros, ros_domain, spin_until  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent))
