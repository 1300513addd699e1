"""The RTDE watchdog: a program asks that a register be written often enough."""

from collections.abc import Container

WITHOUT_FREQUENCY_S = 0.05  # 0 Hz does not disarm it: it trips, seen on CB3 3.15


class Watchdog:
    """Armed by a program, fed by packages with its register, gone with the program."""

    def __init__(self) -> None:
        self._register = ""
        self._period_s = WITHOUT_FREQUENCY_S
        self._fed_at_s: float | None = None

    def arm(self, register: str, frequency_hz: float) -> None:
        """Watch a register; it must be written at `frequency_hz` from now on."""
        self._register = register
        self._period_s = 1.0 / frequency_hz if frequency_hz > 0.0 else WITHOUT_FREQUENCY_S
        self._fed_at_s = None

    def disarm(self) -> None:
        self._register = ""

    def feed(self, now_s: float, written: Container[str]) -> None:
        """Note the variables that a data package holds."""
        if self._register in written:
            self._fed_at_s = now_s

    def restart(self) -> None:
        """Count from the next look on: nobody was watched until then."""
        self._fed_at_s = None

    def has_tripped(self, now_s: float) -> bool:
        """Return whether it has been too long."""
        if not self._register:
            return False
        if self._fed_at_s is None:
            self._fed_at_s = now_s
        return now_s - self._fed_at_s > self._period_s + 1e-9
