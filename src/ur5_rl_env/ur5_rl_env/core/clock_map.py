"""The robot's clock on the host's clock."""

NANOSECONDS = 1_000_000_000
DRIFT_NS_PER_S = 200_000  # two quartz clocks differ by less (200 ppm)
JUMP_S = 0.5  # a robot timestamp that steps this much belongs to a restarted robot
WINDOW = 25  # packages in a row, 0.2 s; if all of them are late ...
LATE_NS = 10_000_000  # ... by this much, the robot's clock has stood still


class ClockMap:
    """Maps robot timestamps to host time through the fastest packages.

    A package is late by the time it travelled and waited; the least late ones show the
    true offset. The offset follows them down at once and drifts up slowly. Owned by one
    thread.

    Args:
        may_pause: Whether the robot's clock may stand still, as a virtual one's does with
            its machine: where a whole window of packages is late, it has, and the offset
            begins anew. Otherwise they have been under way for so long.
    """

    def __init__(self, *, may_pause: bool = False) -> None:
        self._may_pause = may_pause
        self._offset_ns: int | None = None
        self._newest_s = 0.0
        self._window: list[int] = []  # offsets of the newest packages [ns]

    def on_sample(self, robot_s: float, arrival_ns: int) -> int:
        """Note that a package stamped `robot_s` arrived; return that instant's host time.

        Args:
            robot_s: Timestamp of the robot [s].
            arrival_ns: When it was seen here [ns], on the clock that is wanted.
        """
        robot_ns = round(robot_s * NANOSECONDS)
        elapsed_s = robot_s - self._newest_s
        offset_ns = arrival_ns - robot_ns
        if self._offset_ns is None or not 0.0 <= elapsed_s < JUMP_S:
            self._offset_ns = offset_ns
        else:
            allowed_ns = self._offset_ns + round(elapsed_s * DRIFT_NS_PER_S)
            self._offset_ns = min(offset_ns, allowed_ns)
            if self._may_pause:
                self._begin_anew_if_late(offset_ns)
        self._newest_s = robot_s
        return robot_ns + self._offset_ns

    def _begin_anew_if_late(self, offset_ns: int) -> None:
        assert self._offset_ns is not None
        self._window.append(offset_ns)
        if len(self._window) < WINDOW:
            return
        if min(self._window) > self._offset_ns + LATE_NS:
            self._offset_ns = min(self._window)
        self._window.clear()

    def host_ns(self, robot_s: float) -> int:
        """Return the host time of a robot timestamp [ns].

        Raises:
            ValueError: no package has been seen yet.
        """
        if self._offset_ns is None:
            raise ValueError("no package of the robot has been seen yet")
        return round(robot_s * NANOSECONDS) + self._offset_ns
