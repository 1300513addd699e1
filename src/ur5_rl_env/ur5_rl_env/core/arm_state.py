"""What the robot says of itself, and what that means for the arm."""

from dataclasses import dataclass
from enum import IntEnum

from ur5_rl_env.core.ramp import Joints
from ur5_rl_env.core.ur_modes import (
    EMERGENCY_MODES,
    SAFE_MODES,
    RobotMode,
    RuntimeState,
    SafetyMode,
    name_of,
)

CALL_RECOVER = "call recover_arm"
RECOVERED = "arm has recovered: the next reset moves it"
CALL_ENABLE = "call enable_arm"
SWITCH_ON = "switch it on (dashboard: power on, brake release)"


class ArmState(IntEnum):
    """As in ArmStatus.msg."""

    DISCONNECTED = 0
    CONNECTING = 1
    IDLE = 2
    ARMED = 3
    MOVING = 4
    MOVING_TO_START = 5
    STALE = 6
    PROTECTIVE_STOP = 7
    EMERGENCY_STOP = 8
    FAULT = 9


ARMED_STATES = (
    ArmState.ARMED,
    ArmState.MOVING,
    ArmState.MOVING_TO_START,
    ArmState.STALE,
)
FAULT_STATES = (ArmState.PROTECTIVE_STOP, ArmState.EMERGENCY_STOP, ArmState.FAULT)


@dataclass(frozen=True)
class RobotSample:
    """What the robot said in one of its cycles. Replaced whole."""

    robot_s: float  # the robot's own clock [s]
    taken_ns: int  # when the robot was so, steady clock
    q: Joints  # [rad], 6 joints
    qd: Joints  # [rad/s], 6 joints
    robot_mode: int
    safety_mode: int
    runtime_state: int

    @property
    def can_move(self) -> bool:
        """Whether the robot would move if a program ran on it."""
        is_on = self.robot_mode == RobotMode.RUNNING
        return is_on and self.safety_mode in SAFE_MODES


def fault_of(sample: RobotSample) -> tuple[ArmState, str] | None:
    """Return why the robot does not move, whatever it is sent; None if it would."""
    safety = name_of(SafetyMode, sample.safety_mode)
    if sample.safety_mode == SafetyMode.PROTECTIVE_STOP:
        cause = f"protective stop: look why, then {CALL_RECOVER}"
        return ArmState.PROTECTIVE_STOP, cause
    if sample.safety_mode in EMERGENCY_MODES:
        cause = f"{safety}: release the button, {SWITCH_ON}, then {CALL_RECOVER}"
        return ArmState.EMERGENCY_STOP, cause
    if sample.safety_mode not in SAFE_MODES:
        cause = f"{safety}: clear it at the teach pendant, then {CALL_RECOVER}"
        return ArmState.FAULT, cause
    if sample.robot_mode != RobotMode.RUNNING:
        mode = name_of(RobotMode, sample.robot_mode)
        return ArmState.FAULT, f"robot is {mode}: {SWITCH_ON}, then {CALL_RECOVER}"
    if sample.runtime_state != RuntimeState.PLAYING:
        state = name_of(RuntimeState, sample.runtime_state)
        return ArmState.FAULT, f"control program is {state}: {CALL_RECOVER}"
    return None
