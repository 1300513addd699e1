"""The terminal of a run: whole lines, and nothing in them that a terminal would obey."""


def say(line: str) -> None:
    """Print a line that is there at once, also in a pipe.

    Names and causes in it come from other processes: what is not for the eye is a "?".
    """
    print("".join(c if c.isprintable() else "?" for c in line), flush=True)
