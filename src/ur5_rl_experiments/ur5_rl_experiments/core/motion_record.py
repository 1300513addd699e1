"""What an arm did after a fault: when it braked, when it rested, how far it went.

All of it is read from the virtual robot's own joint positions and speeds: what the graph
believes of the arm plays no part.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ur5_rl_env.core.kinematics import position_of_tool0

AT_REST_RAD_S = 0.01
RESTS_FOR_NS = 40_000_000  # a sign change of a slow joint is no rest
# Half of the stop ramp (4 rad/s^2): what the robot never does while it follows a command
# (1.4 rad/s^2) and always does while it brakes.
BRAKES_RAD_S2 = 2.0


@dataclass(frozen=True)
class MotionRecord:
    """True motion over time.

    Attributes:
        steady_ns: Instants, ascending [ns], shape (n,).
        q: Joint positions [rad], shape (n, 6).
        qd: Joint speeds [rad/s], shape (n, 6).
    """

    steady_ns: NDArray[np.int64]
    q: NDArray[np.float64]
    qd: NDArray[np.float64]

    @property
    def speed(self) -> NDArray[np.float64]:
        """Speed of the fastest joint [rad/s], shape (n,)."""
        fastest: NDArray[np.float64] = np.abs(self.qd).max(axis=1)
        return fastest

    def rest_ns(self) -> int | None:
        """Return the instant from which on all joints rest for a while; None: never."""
        resting = self.speed < AT_REST_RAD_S
        began_ns: int | None = None
        for stamp_ns, is_resting in zip(self.steady_ns.tolist(), resting, strict=True):
            if not is_resting:
                began_ns = None
            elif began_ns is None:
                began_ns = stamp_ns
            elif stamp_ns - began_ns >= RESTS_FOR_NS:
                return began_ns
        return None

    def braking_ns(self) -> int | None:
        """Return when the braking began that led to the rest; None: it never rested.

        Looks back from the rest to the newest sample from which on the leading joint lost
        speed as it only does while braking.
        """
        rest_ns = self.rest_ns()
        if rest_ns is None:
            return None
        index = int(np.searchsorted(self.steady_ns, rest_ns))
        speed = self.speed
        while index > 0 and self._brakes_between(index - 1, index, speed):
            index -= 1
        return int(self.steady_ns[index])

    def _brakes_between(
        self, before: int, after: int, speed: NDArray[np.float64]
    ) -> bool:
        elapsed_s = (self.steady_ns[after] - self.steady_ns[before]) / 1e9
        lost = speed[before] - speed[after]
        is_last = speed[after] < AT_REST_RAD_S  # the ramp ends inside a cycle
        return bool(lost > 0.0 if is_last else lost >= BRAKES_RAD_S2 * elapsed_s)

    def travel_rad(self) -> float:
        """Return how far the joint that went farthest is from where it began [rad]."""
        return float(np.abs(self.q - self.q[0]).max()) if len(self.q) else 0.0

    def travel_m(self) -> float:
        """Return the length of the way of `tool0` [m]."""
        points = np.array([position_of_tool0(q) for q in self.q.tolist()])
        if len(points) < 2:
            return 0.0
        return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())

    def stays_as_it_ends(self) -> "MotionRecord":
        """Return the record of a robot that has ended, and goes on as it was last.

        At rest it stays there; in motion it never comes to rest.
        """
        later_ns = self.steady_ns[-1:] + RESTS_FOR_NS
        return MotionRecord(
            np.concatenate([self.steady_ns, later_ns]),
            np.concatenate([self.q, self.q[-1:]]),
            np.concatenate([self.qd, self.qd[-1:]]),
        )

    def until_rest(self) -> "MotionRecord":
        """Return the part up to the rest; all of it where there is none."""
        rest_ns = self.rest_ns()
        if rest_ns is None:
            return self
        last = int(np.searchsorted(self.steady_ns, rest_ns, "right"))
        return MotionRecord(self.steady_ns[:last], self.q[:last], self.qd[:last])
