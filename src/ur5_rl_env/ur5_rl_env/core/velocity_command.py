"""Velocity commands: what is refused, and the newest that is not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ur5_rl_env.core.commanders import Commanders
from ur5_rl_env.core.ramp import Joints
from ur5_rl_env.core.task import NUM_JOINTS

NANOSECONDS = 1_000_000_000
ABSURD = 2.0  # times the largest joint speed: not a command but a mistake


@dataclass(frozen=True)
class VelocityCommand:
    """What the arm is asked to do until the next command. Replaced whole."""

    session: int  # random number of the sender
    sequence: int  # counts up in a session
    steady_ns: int  # when it was sent, steady clock
    velocity: Joints  # [rad/s], 6 joints

    def age_s(self, now_ns: int) -> float:
        """Return the time since it was sent [s]."""
        return (now_ns - self.steady_ns) / NANOSECONDS


class CommandInbox:
    """Keeps the newest acceptable command.

    Written by the callback thread, read by the loop thread: `newest` is replaced by one
    assignment of an immutable value.

    Attributes:
        newest: The newest accepted command; None before the first, or once discarded.
        accepted, refused: Counts since start.
        commanders: Who sends.
    """

    def __init__(
        self, *, max_age_s: float, session_timeout_s: float, max_speed_rad_s: float
    ) -> None:
        self.newest: VelocityCommand | None = None
        self.accepted = 0
        self.refused = 0
        self.commanders = Commanders(round(session_timeout_s * NANOSECONDS))
        self._max_age_s = max_age_s
        self._session_timeout_s = session_timeout_s
        self._max_speed_rad_s = max_speed_rad_s
        self._last: VelocityCommand | None = None

    def offer(self, command: VelocityCommand, now_ns: int, closed: str = "") -> str:
        """Accept the command or refuse it; return why it is refused, or "".

        Args:
            command: As it arrived.
            now_ns: Steady clock [ns].
            closed: Why no command is accepted at present, or "".
        """
        reason = self._reason(command, now_ns, closed)
        if reason:
            self.refused += 1
            return reason
        self.accepted += 1
        self._last = self.newest = command
        return ""

    def discard(self) -> None:
        """Forget the newest command; its sequence number stays used."""
        self.newest = None

    def age_ms(self, now_ns: int) -> float:
        """Return the age of the last accepted command [ms]; -1 before the first."""
        last = self._last
        return 1e3 * last.age_s(now_ns) if last else -1.0

    def _reason(self, command: VelocityCommand, now_ns: int, closed: str) -> str:
        bad = _malformed(
            command.velocity, ABSURD * self._max_speed_rad_s
        ) or self._out_of_time(command, now_ns)
        if bad:
            return bad
        unasked = self.commanders.hear(command.session, now_ns, is_asked=not closed)
        return closed or unasked or self._out_of_sequence(command, now_ns)

    def _out_of_time(self, command: VelocityCommand, now_ns: int) -> str:
        age_s = command.age_s(now_ns)
        if age_s < 0.0:
            return f"sent {-age_s:.3f} s in the future: another host's clock?"
        if age_s > self._max_age_s:
            return f"sent {age_s:.3f} s ago, accepted are up to {self._max_age_s} s"
        return ""

    def _out_of_sequence(self, command: VelocityCommand, now_ns: int) -> str:
        last = self._last
        if last is None:
            return ""
        if command.session != last.session:
            if last.age_s(now_ns) <= self._session_timeout_s:
                return f"session {command.session} interferes with {last.session}"
        elif command.sequence <= last.sequence:
            return f"sequence {command.sequence} does not follow {last.sequence}"
        return ""


def _malformed(velocity: Sequence[float], most: float) -> str:
    if len(velocity) != NUM_JOINTS:
        return f"velocity_rad_s has {len(velocity)} values, expected {NUM_JOINTS}"
    for joint, value in enumerate(velocity, start=1):
        if not math.isfinite(value):
            return f"velocity_rad_s: joint {joint} is {value}"
        if abs(value) > most:
            return f"velocity_rad_s: joint {joint} is {value:.3f}, beyond +-{most:.3f}"
    return ""
