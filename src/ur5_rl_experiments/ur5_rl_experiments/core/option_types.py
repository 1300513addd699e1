"""Types of options that count or measure something: argparse names the option itself."""

import math
from argparse import ArgumentTypeError


def positive_int(text: str) -> int:
    """Return a number of at least 1.

    Raises:
        ArgumentTypeError: it is less, or no integer.
    """
    try:
        value = int(text)
    except ValueError:
        raise ArgumentTypeError(f"must be an integer, got '{text}'") from None
    if value < 1:
        raise ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def positive_float(text: str) -> float:
    """Return a finite number above 0.

    Raises:
        ArgumentTypeError: it is not, or no number.
    """
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a number, got '{text}'") from None
    if not 0.0 < value < math.inf:
        raise ArgumentTypeError(f"must be positive, got {value}")
    return value
