"""Which code ran: for the records that a run leaves."""

import subprocess
from pathlib import Path


def commit_at(path: Path) -> str:
    """Return the git commit of the checkout around `path`, "-dirty" if it was changed.

    "unknown" where there is no checkout, as in an installed package.
    """
    command = ["git", "-C", str(path), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return result.stdout.strip() or "unknown"
