"""Fixtures of this package's node tests."""

import os
from pathlib import Path

from ur5_rl_ros.testing import ros, ros_domain, spin_until  # noqa: F401

# Found within half a second instead of three; must be set before the first participant.
PROFILE = Path(__file__).parents[3] / "config" / "fastdds.xml"
if PROFILE.is_file():
    os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(PROFILE))
