"""Everything about the watch that an experimenter may change."""

import math
from dataclasses import dataclass

LIMIT_CYCLES = 3.0  # a loop that comes round once an action cycle may miss two of them


@dataclass(frozen=True, kw_only=True)
class WatchConfig:
    """Who is watched, and what a silence means.

    Attributes:
        nodes: Names of the nodes that should be there; others are watched once heard.
        stopping_nodes: The arm is asked to stop while one of these is silent; the silence
            of all others is only told.
        stop_limit_s: Silence of a stopping node that counts; never less than
            three action cycles.
        report_limit_s: Silence of any other node that counts: an update of the learner or
            the drawing of a picture may take seconds.
        action_period_s: Time between two actions.
        settle_s: A node is watched once it has beaten for this long without a gap: what
            starts may take its time.
        tick_period_s: Time between two looks.
        request_period_s: Time between two requests while one stands.
        clock_jump_s: The wall clock has jumped if it moves this much against the steady
            one between two looks.
        clock_jump_shown_s: A jump is told for this long.
    """

    nodes: tuple[str, ...] = ()
    stopping_nodes: tuple[str, ...] = (
        "arm_node",
        "camera_node",
        "display_node",
        "env_node",
        "actor_node",
    )
    stop_limit_s: float = 0.2
    report_limit_s: float = 5.0
    action_period_s: float = 0.04
    settle_s: float = 1.0
    tick_period_s: float = 0.02
    request_period_s: float = 0.1
    clock_jump_s: float = 0.05
    clock_jump_shown_s: float = 60.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, float) and not 0.0 < value < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value}")
        shortest_s = 2.0 * self.tick_period_s
        for name in ("stop_limit_s", "report_limit_s"):
            if getattr(self, name) < shortest_s:
                raise ValueError(
                    f"{name} must be at least two tick periods ({shortest_s:g} s), "
                    f"got {getattr(self, name)}"
                )

    def may_stop(self, node: str) -> bool:
        """Whether the silence of `node` is a reason for the arm to stop."""
        return node in self.stopping_nodes

    def limit_s(self, node: str) -> float:
        """Return the silence of `node` that counts [s]."""
        if not self.may_stop(node):
            return self.report_limit_s
        return max(self.stop_limit_s, LIMIT_CYCLES * self.action_period_s)
