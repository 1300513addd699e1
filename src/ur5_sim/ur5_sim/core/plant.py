"""The virtual arm: six joints that follow what the controller asks, cycle by cycle.

Free of clocks: time is the number of control cycles stepped. A cycle costs about 7 us.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from ur5_sim.core.motion import (
    STILL,
    Joints,
    Motion,
    MoveMotion,
    ServoMotion,
    SpeedMotion,
)

AnyMotion = TypeVar("AnyMotion", bound=Motion)

CB3_CYCLE_S = 0.008
E_SERIES_CYCLE_S = 0.002
LAG_S = 0.008  # of the joint servos: first order, actual behind target
JOINT_LIMIT_RAD = 6.33  # safety limit; mechanical +-2 pi lies just inside
SPEED_LIMIT_RAD_S = 3.34  # safety limit; 191 deg/s
BRAKE_RAD_S2 = 10.0  # of program and protective stops; UR publishes only >= 6.7
SLIDER_RATE_S = 2.0  # the speed slider takes effect gradually: full range in 0.5 s


class Plant:
    """Target and actual state of the joints. Owned by whoever steps it.

    A command takes effect in the next `step`, or `latency_cycles` steps later. A target
    beyond a safety limit is not followed: it brings the arm to rest and is named in
    `violation`; commands are then ignored until `clear_violation`.

    Attributes:
        q: Actual positions [rad], 6 joints, pan first.
        qd: Actual speeds [rad/s], 6 joints.
        target_q, target_qd: What the servos are asked to do.
        cycle: Control cycles stepped so far.
        violation: What went beyond which limit, or nothing.
    """

    def __init__(
        self,
        q: Sequence[float],
        *,
        cycle_s: float = CB3_CYCLE_S,
        latency_cycles: int = 1,
        lag_s: float = LAG_S,
        joint_limit_rad: float = JOINT_LIMIT_RAD,
        speed_limit_rad_s: float = SPEED_LIMIT_RAD_S,
    ) -> None:
        if len(q) != 6 or not all(abs(p) <= joint_limit_rad for p in q):
            raise ValueError(
                f"q must be 6 angles within +-{joint_limit_rad} rad, got {tuple(q)}"
            )
        if not (cycle_s > 0.0 and lag_s >= 0.0 and latency_cycles >= 0):
            raise ValueError(
                "cycle_s must be positive, lag_s and latency_cycles not negative, got "
                f"{cycle_s}, {lag_s}, {latency_cycles}"
            )
        self.cycle_s = cycle_s
        self.joint_limit_rad = joint_limit_rad
        self.speed_limit_rad_s = speed_limit_rad_s
        self.q = self.target_q = tuple(float(p) for p in q)
        self.qd = self.target_qd = self._target_qd_before = STILL
        self.cycle = 0
        self.violation = ""
        self.speed_fraction = 1.0  # asked for by the slider
        self.speed_scaling = 1.0  # in effect
        self._gain = 1.0 - math.exp(-cycle_s / lag_s) if lag_s > 0.0 else 1.0
        self._motion: Motion = SpeedMotion(STILL, BRAKE_RAD_S2)
        self._command: Motion | None = None
        self._delayed: deque[Motion | None] = deque([None] * latency_cycles)

    # Commands -------------------------------------------------------------------------

    def speedj(self, qd: Sequence[float], acceleration_rad_s2: float) -> SpeedMotion:
        """Ramp to the joint speeds `qd` [rad/s] and keep them until told otherwise."""
        return self.start(SpeedMotion(qd, acceleration_rad_s2))

    def stopj(self, deceleration_rad_s2: float = BRAKE_RAD_S2) -> SpeedMotion:
        """Ramp to rest."""
        return self.start(SpeedMotion(STILL, deceleration_rad_s2))

    def movej(
        self,
        q: Sequence[float],
        speed_rad_s: float = 1.05,
        acceleration_rad_s2: float = 1.4,
    ) -> MoveMotion:
        """Move to the joint positions `q` [rad] and rest there."""
        return self.start(MoveMotion(q, speed_rad_s, acceleration_rad_s2))

    def servoj(self, q: Sequence[float], lookahead_s: float = 0.1) -> ServoMotion:
        """Follow the joint positions `q` [rad], smoothed over `lookahead_s`."""
        return self.start(ServoMotion(q, lookahead_s))

    def start(self, motion: AnyMotion) -> AnyMotion:
        """Command any motion; the last one given before a step counts."""
        if not self.violation:
            self._command = motion
        return motion

    def resume(self, motion: Motion) -> None:
        """Take a motion up again that `brake` has interrupted."""
        motion.restart()
        self.start(motion)

    def brake(self) -> None:
        """Bring the arm to rest now, whatever was commanded before."""
        self._command = None
        self._delayed = deque([None] * len(self._delayed))
        self._motion = SpeedMotion(STILL, BRAKE_RAD_S2)

    def clear_violation(self) -> None:
        """Accept commands again after a safety limit was passed."""
        self.violation = ""

    # State ----------------------------------------------------------------------------

    @property
    def target_qdd(self) -> Joints:
        """Change of `target_qd` in the last cycle [rad/s2]."""
        per_cycle = 1.0 / self.cycle_s
        speeds = zip(self._target_qd_before, self.target_qd, strict=True)
        return tuple((b - a) * per_cycle for a, b in speeds)

    @property
    def motion(self) -> Motion:
        """The motion in effect."""
        return self._motion

    @property
    def is_still(self) -> bool:
        """Whether target and actual speed are zero (actual: below 1e-3 rad/s)."""
        return not any(self.target_qd) and all(abs(s) < 1e-3 for s in self.qd)

    def cycles(self, duration_s: float) -> int:
        """Return the number of control cycles that is nearest to `duration_s`.

        Raises:
            ValueError: it is not finite.
        """
        cycles = duration_s / self.cycle_s
        if not math.isfinite(cycles):
            raise ValueError(f"duration must be finite, got {duration_s} s")
        return round(cycles)

    def step(self) -> None:
        """Advance all joints by one control cycle."""
        self.cycle += 1
        self._take_command()
        self._move_slider()
        q, qd = self._next_target()
        if not self.violation and (violation := self._violation(q, qd)):
            self.violation = violation
            self.brake()
            q, qd = self._next_target()
        self._target_qd_before = self.target_qd
        self.target_q, self.target_qd = q, qd
        gain = self._gain
        self.q = tuple([a + gain * (t - a) for a, t in zip(self.q, q, strict=True)])
        self.qd = tuple([a + gain * (t - a) for a, t in zip(self.qd, qd, strict=True)])

    def _next_target(self) -> tuple[Joints, Joints]:
        return self._motion.advance(
            self.target_q, self.target_qd, self.cycle_s, self.speed_scaling
        )

    def _take_command(self) -> None:
        self._delayed.append(self._command)
        self._command = None
        arrived = self._delayed.popleft()
        if arrived is not None:
            self._motion = arrived

    def _move_slider(self) -> None:
        if self.speed_scaling != self.speed_fraction:
            most = SLIDER_RATE_S * self.cycle_s
            change = self.speed_fraction - self.speed_scaling
            self.speed_scaling += max(-most, min(most, change))

    def _violation(self, q: Joints, qd: Joints) -> str:
        """Say which limit a target passes, if it does; what is no number passes one."""
        for values, limit, what in (
            (qd, self.speed_limit_rad_s, "speed [rad/s]"),
            (q, self.joint_limit_rad, "position [rad]"),
        ):
            for value in values:
                if not -limit <= value <= limit:
                    return f"joint {what} {abs(value):.3f} beyond {limit:.3f}"
        return ""
