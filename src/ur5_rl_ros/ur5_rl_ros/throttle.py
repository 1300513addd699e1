"""Log lines that repeat: one in so many seconds of the steady clock."""

from typing import TypedDict

from rclpy.clock import Clock, ClockType

# One for all: rclpy refuses a log call that comes with another clock than before.
STEADY = Clock(clock_type=ClockType.STEADY_TIME)


class Throttle(TypedDict):
    """Arguments of a log call."""

    throttle_duration_sec: float
    throttle_time_source_type: Clock


def at_most_every(period_s: float) -> Throttle:
    """Return what keeps a log call silent for `period_s` [s] after each of its lines.

    rclpy measures that in system time by itself: set back by an hour, it hides the line
    for an hour.
    """
    return Throttle(throttle_duration_sec=period_s, throttle_time_source_type=STEADY)
