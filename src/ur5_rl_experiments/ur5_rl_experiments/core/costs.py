"""What the components of an agent cost: Yuan 2021, table 5.2, or measured here."""

import math
from dataclasses import dataclass
from types import MappingProxyType

CAMERA_PERIOD_S = 0.04  # the thesis aligns action cycles with it


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Durations of the four components [s]; virtual time advances by them.

    Attributes:
        action_s: Choosing an action.
        sampling_s: Drawing and cropping a mini-batch.
        update_s: One gradient update.
        environment_s: From the instant of an observation until the agent has it.
    """

    action_s: float = 0.0
    sampling_s: float = 0.0
    update_s: float = 0.0
    environment_s: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} must be finite and >= 0, got {value}")

    @property
    def response_s(self) -> float:
        """From an observation to its action where nothing else is in line."""
        return self.environment_s + self.action_s

    def in_line_s(self, updates: int = 1) -> float:
        """Return how long all four in line take: the work of a sequential cycle [s]."""
        return self.response_s + updates * (self.sampling_s + self.update_s)

    def sequential_period_s(self, updates: int = 1) -> float:
        """Return the shortest action period that holds all work: section 5.2."""
        periods = math.ceil(self.in_line_s(updates) / CAMERA_PERIOD_S - 1e-9)
        return CAMERA_PERIOD_S * max(1, periods)


def _ms(action: float, sampling: float, update: float, environment: float) -> Costs:
    return Costs(
        action_s=1e-3 * action,
        sampling_s=1e-3 * sampling,
        update_s=1e-3 * update,
        environment_s=1e-3 * environment,
    )


# Table 5.2: RTX 2080 Ti, Threadripper 2950X.
THESIS_COSTS = MappingProxyType(
    {
        "baseline": _ms(2, 21, 24, 5),
        "high_resolution": _ms(3, 44, 65, 6),
        "large_mini_batch": _ms(2, 86, 68, 5),
    }
)
