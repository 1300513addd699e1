"""Power and safety of the virtual robot, as one state machine in robot time."""

from ur5_sim.core.controller.modes import RobotMode, SafetyMode


class PowerAndSafety:
    """Which power state the arm is in, and whether it may move.

    Time is the robot's own, in seconds since it started, and is always handed in.
    """

    def __init__(
        self, *, power_on: bool, unlock_delay_s: float, power_step_s: float
    ) -> None:
        self.robot_mode = RobotMode.RUNNING if power_on else RobotMode.POWER_OFF
        self.safety_mode = SafetyMode.NORMAL
        self.reason = ""  # for the latest stop
        self._unlock_delay_s = unlock_delay_s
        self._power_step_s = power_step_s
        self._stopped_at_s = 0.0
        self._next_step_at_s = 0.0
        self._release_brakes = False

    @property
    def may_move(self) -> bool:
        """Whether programs may run."""
        is_running = self.robot_mode is RobotMode.RUNNING
        return is_running and self.safety_mode is SafetyMode.NORMAL

    # Power ----------------------------------------------------------------------------

    def power_on(self, now_s: float) -> bool:
        """Switch the supply on; the arm is IDLE after one power step."""
        if self.safety_mode is SafetyMode.ROBOT_EMERGENCY_STOP:
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
        return self._stop(SafetyMode.PROTECTIVE_STOP, now_s, reason)

    def unlock(self, now_s: float) -> bool:
        """Leave the protective stop; False if it is too early, or nothing to unlock."""
        is_stopped = self.safety_mode is SafetyMode.PROTECTIVE_STOP
        if not is_stopped or now_s - self._stopped_at_s < self._unlock_delay_s:
            return False
        self.safety_mode = SafetyMode.NORMAL
        return True

    def safeguard_stop(self, now_s: float) -> bool:
        """Stop because someone came too near; return whether this is a new stop."""
        return self._stop(SafetyMode.SAFEGUARD_STOP, now_s, "safeguard")

    def release_safeguard(self) -> None:
        """Go back to normal: nobody is near any more."""
        if self.safety_mode is SafetyMode.SAFEGUARD_STOP:
            self.safety_mode = SafetyMode.NORMAL

    def emergency_stop(self, now_s: float) -> bool:
        """Press the button: a controlled stop, then the power goes (category 1)."""
        return self._stop(SafetyMode.ROBOT_EMERGENCY_STOP, now_s, "emergency stop button")

    def release_emergency_stop(self) -> None:
        """Pull the button out; power has to be switched on again by hand."""
        if self.safety_mode is SafetyMode.ROBOT_EMERGENCY_STOP:
            self.safety_mode = SafetyMode.NORMAL
            self.power_off()

    def restart_safety(self) -> None:
        """Start the safety system anew: ends in POWER_OFF; a pressed button stays so."""
        if self.safety_mode is not SafetyMode.ROBOT_EMERGENCY_STOP:
            self.safety_mode = SafetyMode.NORMAL
        self.power_off()

    def step(self, now_s: float, is_still: bool) -> None:
        """Advance what takes time: power coming up, brakes opening, stops ending."""
        if self.safety_mode is SafetyMode.ROBOT_EMERGENCY_STOP and is_still:
            self.power_off()
        if now_s < self._next_step_at_s:
            return
        if self.robot_mode is RobotMode.POWER_ON:
            self.robot_mode = RobotMode.IDLE
            self._next_step_at_s = now_s + self._power_step_s
        elif self.robot_mode is RobotMode.IDLE and self._release_brakes:
            self.robot_mode = RobotMode.RUNNING
            self._release_brakes = False

    def _stop(self, mode: SafetyMode, now_s: float, reason: str) -> bool:
        """Enter a stop unless one that is as strong is in force."""
        if self.safety_mode.value >= mode.value:
            return False
        self.safety_mode = mode
        self.reason = reason
        self._stopped_at_s = now_s
        return True
