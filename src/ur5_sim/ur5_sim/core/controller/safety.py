"""Power and safety of the virtual robot, as one state machine in robot time."""

from ur5_sim.core.controller.modes import RobotMode, SafetyMode


class PowerAndSafety:
    """Which power state the arm is in, and whether it may move.

    Time is the robot's own, in seconds since it started, and is always handed in. Several
    stops may be in force at once: each is released by itself, the strongest is reported.

    Attributes:
        stops: Those in force, each with its reason.
    """

    def __init__(
        self, *, power_on: bool, unlock_delay_s: float, power_step_s: float
    ) -> None:
        self.robot_mode = RobotMode.RUNNING if power_on else RobotMode.POWER_OFF
        self.stops: dict[SafetyMode, str] = {}
        self._unlock_delay_s = unlock_delay_s
        self._power_step_s = power_step_s
        self._unlocks_at_s = 0.0
        self._next_step_at_s = 0.0
        self._release_brakes = False

    @property
    def safety_mode(self) -> SafetyMode:
        """The strongest stop in force, or NORMAL."""
        return max(self.stops, default=SafetyMode.NORMAL)

    @property
    def reason(self) -> str:
        """Why the strongest stop is in force; nothing without one."""
        return self.stops.get(self.safety_mode, "")

    @property
    def may_move(self) -> bool:
        """Whether programs may run."""
        return self.robot_mode is RobotMode.RUNNING and not self.stops

    # Power ----------------------------------------------------------------------------

    def power_on(self, now_s: float) -> bool:
        """Switch the supply on; the arm is IDLE after one power step."""
        if SafetyMode.ROBOT_EMERGENCY_STOP in self.stops:
            return False
        if self.robot_mode is RobotMode.POWER_OFF:
            self.robot_mode = RobotMode.POWER_ON
            self._next_step_at_s = now_s + self._power_step_s
            self._release_brakes = False
        return True

    def brake_release(self, now_s: float) -> bool:
        """Open the brakes, switching on first where needed."""
        if not self.power_on(now_s):
            return False
        if self.robot_mode is not RobotMode.RUNNING and not self._release_brakes:
            if self.robot_mode is RobotMode.IDLE:
                self._next_step_at_s = now_s + self._power_step_s
            self._release_brakes = True
        return True

    def power_off(self) -> None:
        """Take the power away at once: the brakes close."""
        self.robot_mode = RobotMode.POWER_OFF
        self._release_brakes = False

    # Safety ---------------------------------------------------------------------------

    def protective_stop(self, now_s: float, reason: str) -> bool:
        """Stop and stay stopped until unlocked; return whether this is a new stop."""
        if SafetyMode.PROTECTIVE_STOP not in self.stops:
            self._unlocks_at_s = now_s + self._unlock_delay_s
        return self._stop(SafetyMode.PROTECTIVE_STOP, reason)

    def unlock(self, now_s: float) -> bool:
        """Leave the protective stop; False if it is too early, or nothing to unlock."""
        is_too_early = now_s < self._unlocks_at_s
        return not is_too_early and self._release(SafetyMode.PROTECTIVE_STOP)

    def safeguard_stop(self) -> bool:
        """Stop because someone came too near; return whether this is a new stop."""
        return self._stop(SafetyMode.SAFEGUARD_STOP, "safeguard")

    def release_safeguard(self) -> None:
        """Close the safeguard: nobody is near any more."""
        self._release(SafetyMode.SAFEGUARD_STOP)

    def emergency_stop(self) -> bool:
        """Press the button: a controlled stop, then the power goes (category 1).

        With the power goes a protective stop; what real robots do then is not known here.
        """
        is_new = self._stop(SafetyMode.ROBOT_EMERGENCY_STOP, "emergency stop button")
        self._release(SafetyMode.PROTECTIVE_STOP)
        return is_new

    def release_emergency_stop(self) -> None:
        """Pull the button out; power has to be switched on again by hand."""
        if self._release(SafetyMode.ROBOT_EMERGENCY_STOP):
            self.power_off()

    def restart_safety(self) -> None:
        """Start the safety system anew, which ends in POWER_OFF.

        A pressed button and an open safeguard stay so.
        """
        self._release(SafetyMode.PROTECTIVE_STOP)
        self.power_off()

    def step(self, now_s: float, is_still: bool) -> None:
        """Advance what takes time: power coming up, brakes opening, stops ending."""
        if SafetyMode.ROBOT_EMERGENCY_STOP in self.stops and is_still:
            self.power_off()
        if now_s < self._next_step_at_s:
            return
        if self.robot_mode is RobotMode.POWER_ON:
            self.robot_mode = RobotMode.IDLE
            self._next_step_at_s = now_s + self._power_step_s
        elif self.robot_mode is RobotMode.IDLE and self._release_brakes:
            self.robot_mode = RobotMode.RUNNING
            self._release_brakes = False

    def _stop(self, mode: SafetyMode, reason: str) -> bool:
        """Enter a stop; return whether it is now the one that is reported."""
        is_strongest = mode > self.safety_mode
        self.stops.setdefault(mode, reason)
        return is_strongest

    def _release(self, mode: SafetyMode) -> bool:
        """Leave a stop; return whether it was in force."""
        return self.stops.pop(mode, None) is not None
