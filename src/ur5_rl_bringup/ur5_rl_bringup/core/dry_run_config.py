"""Everything about the telling of a dry run that an experimenter may change."""

import math
from dataclasses import dataclass

from ur5_rl_env.core import task


@dataclass(frozen=True, kw_only=True)
class DryRunConfig:
    """How long it lasts, and what it is measured against.

    Attributes:
        max_minutes: The run ends this long after the start [min]; 0 = no limit.
        silence_s: A node that should tell of itself and does not for this long is silent.
        box_lower_m, box_upper_m: Box of `tool0` in `base_link`, 3 values; as the arm's.
    """

    max_minutes: float = 1.0
    silence_s: float = 2.0
    box_lower_m: tuple[float, ...] = task.BOX_LOWER_M
    box_upper_m: tuple[float, ...] = task.BOX_UPPER_M

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_minutes < math.inf:
            raise ValueError(
                f"max_minutes must be finite, at least 0, got {self.max_minutes}"
            )
        if not 0.0 < self.silence_s < math.inf:
            raise ValueError(
                f"silence_s must be positive and finite, got {self.silence_s}"
            )
        for name in ("box_lower_m", "box_upper_m"):
            values = getattr(self, name)
            if len(values) != 3 or not all(map(math.isfinite, values)):
                raise ValueError(f"{name} must be 3 finite numbers, got {values}")
