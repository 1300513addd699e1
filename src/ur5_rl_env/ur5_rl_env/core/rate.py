"""How often something happened in the last second."""

from collections import deque


class Rate:
    """Counts events over a sliding window. Time is an argument."""

    def __init__(self, window_s: float = 1.0) -> None:
        self._window_ns = round(window_s * 1e9)
        self._events: deque[int] = deque(maxlen=1000)

    def count(self, now_ns: int) -> None:
        """Note one event."""
        self._events.append(now_ns)

    def hz(self, now_ns: int) -> float:
        """Return events per second, from the intervals within the window; 0 if silent."""
        events = [e for e in tuple(self._events) if now_ns - e <= self._window_ns]
        if len(events) < 2 or events[-1] == events[0]:
            return 0.0
        return (len(events) - 1) * 1e9 / (events[-1] - events[0])
