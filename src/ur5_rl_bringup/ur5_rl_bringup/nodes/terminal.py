"""The terminal of a run: whole lines, and nothing in them that a terminal would obey."""

import os
import sys


def say(line: str) -> None:
    """Tell a line in which names and causes come from other processes.

    What is not for the eye is a "?".
    """
    tell("".join(c if c.isprintable() else "?" for c in line))


def tell(line: str) -> None:
    """Print a line that is there at once, also in a pipe.

    A terminal that was closed is no reason to leave an arm alone, or a report unwritten.
    """
    try:
        print(line, flush=True)
    except OSError:  # what is left in the buffer must not fail at the exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
