"""Values as JSON knows them."""

import math
from typing import Any


def finite(value: Any) -> Any:
    """Replace numbers that JSON does not know, infinite ones and NaN, by null."""
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
