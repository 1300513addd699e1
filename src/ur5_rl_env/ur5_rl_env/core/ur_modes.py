"""The controller's enumerations, for people, and what each of them means for us."""

from enum import IntEnum


class RobotMode(IntEnum):
    """Power and brakes (RTDE field robot_mode)."""

    NO_CONTROLLER = -1
    DISCONNECTED = 0
    CONFIRM_SAFETY = 1
    BOOTING = 2
    POWER_OFF = 3
    POWER_ON = 4
    IDLE = 5
    BACKDRIVE = 6
    RUNNING = 7
    UPDATING_FIRMWARE = 8


class SafetyMode(IntEnum):
    """Safety system (RTDE field safety_mode)."""

    NORMAL = 1
    REDUCED = 2
    PROTECTIVE_STOP = 3
    RECOVERY = 4
    SAFEGUARD_STOP = 5
    SYSTEM_EMERGENCY_STOP = 6
    ROBOT_EMERGENCY_STOP = 7
    VIOLATION = 8
    FAULT = 9
    VALIDATE_JOINT_ID = 10
    UNDEFINED = 11


class RuntimeState(IntEnum):
    """Program on the controller (RTDE field runtime_state)."""

    STOPPING = 0
    STOPPED = 1
    PLAYING = 2
    PAUSING = 3
    PAUSED = 4
    RESUMING = 5


SAFE_MODES = (SafetyMode.NORMAL, SafetyMode.REDUCED)
EMERGENCY_MODES = (SafetyMode.SYSTEM_EMERGENCY_STOP, SafetyMode.ROBOT_EMERGENCY_STOP)


def name_of(enumeration: type[IntEnum], value: int) -> str:
    """Return the name of a value, also of one that is not known here."""
    try:
        return enumeration(value).name
    except ValueError:
        return f"{enumeration.__name__} {value}"
