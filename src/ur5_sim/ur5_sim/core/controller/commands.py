"""Numbers of the commands that ur_rtde sends to its control script."""

from enum import IntEnum


class Command(IntEnum):
    """Commands that are simulated."""

    NONE = 0
    MOVEJ = 1
    FORCE_MODE_STOP = 7
    ZERO_FT_SENSOR = 8
    SPEEDJ = 9
    SERVOJ = 11
    SPEED_STOP = 15
    SERVO_STOP = 16
    SET_PAYLOAD = 17
    FORCE_MODE_DAMPING = 20
    FORCE_MODE_GAIN = 21
    GET_STEPTIME = 26
    TARGET_WAYPOINT = 28
    SET_TCP = 29
    PROTECTIVE_STOP = 31
    STOPL = 33
    STOPJ = 34
    SET_WATCHDOG = 35
    JOINTS_WITHIN_LIMITS = 37
    POSE_TRANS = 39
    TCP_OFFSET = 40
    FORWARD_KINEMATICS = 43
    FORWARD_KINEMATICS_OF = 44
    MOVE_PATH = 45
    IS_STEADY = 47
    SET_GRAVITY = 59
    STOP_SCRIPT = 255


# Executed in each cycle for as long as the register holds them; never acknowledged.
REAL_TIME = frozenset({6, 9, 10, 11, 24, 25, 26, 27, 38, 58, 66, 67, 68, 69, 70, 71})
# Nothing in the simulation depends on them: acknowledged only.
WITHOUT_EFFECT = frozenset(
    {
        Command.FORCE_MODE_STOP,
        Command.ZERO_FT_SENSOR,
        Command.FORCE_MODE_DAMPING,
        Command.FORCE_MODE_GAIN,
        Command.TARGET_WAYPOINT,
        Command.SET_GRAVITY,
    }
)
