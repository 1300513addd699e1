"""Where the processes of one simulation share screen and pose."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

MEMORY = "/dev/shm"


def shared_folder() -> Path:
    """Return a new folder, in memory where there is such a place; it ends with us."""
    base = MEMORY if os.path.isdir(MEMORY) else None
    folder = Path(tempfile.mkdtemp(prefix="ur5rl-", dir=base))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
