"""Whether system time jumped, told from the steady clock that nobody sets."""


class WallClock:
    """Compares system time with the steady clock, look by look. Owned by one thread.

    Slow corrections, as of a time server, pass: they are small between two looks.

    Args:
        jump_ns: A larger change between two looks is a jump [ns].
        shown_ns: A jump is told for this long [ns].
    """

    def __init__(self, jump_ns: int, shown_ns: int) -> None:
        self._jump_ns = jump_ns
        self._shown_ns = shown_ns
        self._offset_ns: int | None = None
        self._last_ns = 0  # what the newest jump was
        self._at_ns = 0
        self.jumps = 0  # count since start

    def look(self, offset_ns: int, now_ns: int) -> bool:
        """Return whether system time has jumped since the last look.

        Args:
            offset_ns: System time less steady time [ns].
            now_ns: Steady time [ns].
        """
        before_ns, self._offset_ns = self._offset_ns, offset_ns
        if before_ns is None or abs(offset_ns - before_ns) <= self._jump_ns:
            return False
        self._last_ns, self._at_ns = offset_ns - before_ns, now_ns
        self.jumps += 1
        return True

    def text(self, now_ns: int) -> str:
        """Return how far it jumped, "" if it did not lately."""
        if not self.jumps or now_ns - self._at_ns > self._shown_ns:
            return ""
        return f"system time jumped by {self._last_ns / 1e9:+.3f} s"
