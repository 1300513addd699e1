"""States that a UR controller reports, with the numbers of its interfaces."""

from enum import IntEnum


class RobotMode(IntEnum):
    """Power: from switched off to ready to move."""

    POWER_OFF = 3
    POWER_ON = 4  # the supply comes up
    IDLE = 5  # powered, brakes on
    RUNNING = 7


class SafetyMode(IntEnum):
    """Why the arm may move or not."""

    NORMAL = 1
    PROTECTIVE_STOP = 3
    SAFEGUARD_STOP = 5
    ROBOT_EMERGENCY_STOP = 7


class RuntimeState(IntEnum):
    """What the program does; clients take PLAYING for "my script runs"."""

    STOPPED = 1
    PLAYING = 2
    PAUSING = 3
    PAUSED = 4


class JointMode(IntEnum):
    """State of each joint's drive."""

    POWER_OFF = 239
    RUNNING = 253
    IDLE = 255


# Bits: 0 normal, 2 protective, 4 safeguard, 6 robot e-stop, 7 e-stop, 10 stopped.
SAFETY_STATUS_BITS = {
    SafetyMode.NORMAL: 0x001,
    SafetyMode.PROTECTIVE_STOP: 0x404,
    SafetyMode.SAFEGUARD_STOP: 0x410,
    SafetyMode.ROBOT_EMERGENCY_STOP: 0x4C0,
}
POWER_ON_BIT = 0x1
PROGRAM_RUNNING_BIT = 0x2
POWER_BUTTON_BIT = 0x8
