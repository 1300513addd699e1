"""What the watch asks for: a stop that stands while it is repeated, and nothing else."""

from dataclasses import dataclass

from ur5_rl_env.core.velocity_command import NANOSECONDS

STANDS_S = 0.5  # without being repeated
MAX_REASON = 500  # characters; a longer one is not for people


@dataclass(frozen=True)
class StopRequest:
    """One message of the watch. Replaced whole."""

    session: int  # random number of the sender
    steady_ns: int  # when it was sent, steady clock
    reason: str  # why the arm shall not move; empty: nothing speaks against it

    def age_s(self, now_ns: int) -> float:
        """Return the time since it was sent [s]."""
        return (now_ns - self.steady_ns) / NANOSECONDS


class StopRequests:
    """Keeps the newest request of the watch, which speaks all the time.

    Written by the callback thread, read by the loop thread: the newest is replaced by one
    assignment of an immutable value. Any sender can ask for a stop; only the one that
    asked can take it back, or its silence.

    Attributes:
        refused: Count since start.
    """

    def __init__(self) -> None:
        self.refused = 0
        self._newest: StopRequest | None = None

    def offer(self, request: StopRequest, now_ns: int) -> str:
        """Accept the request or refuse it; return why it is refused, or ""."""
        refusal = self._refusal(request, now_ns)
        if refusal:
            self.refused += 1
        else:
            self._newest = request
        return refusal

    def standing(self, now_ns: int) -> str:
        """Return why the arm shall not move at `now_ns`; "" if nothing stands."""
        newest = self._newest
        if newest is None or newest.age_s(now_ns) >= STANDS_S:
            return ""
        return newest.reason

    def silence(self, now_ns: int) -> str:
        """Return why nobody watches at `now_ns`, though somebody has; "" otherwise."""
        newest = self._newest
        if newest is None or newest.age_s(now_ns) < STANDS_S:
            return ""
        return f"nobody watches: watch_node has been silent for {STANDS_S} s"

    def _refusal(self, request: StopRequest, now_ns: int) -> str:
        age_s, length = request.age_s(now_ns), len(request.reason)
        if length > MAX_REASON:
            return f"reason has {length} characters, at most {MAX_REASON} are taken"
        if age_s < 0.0:
            return f"sent {-age_s:.3f} s in the future: another host's clock?"
        if age_s >= STANDS_S:
            return f"sent {age_s:.3f} s ago, it stands for {STANDS_S} s"
        return self._interference(request) if self.standing(now_ns) else ""

    def _interference(self, request: StopRequest) -> str:
        """Return why `request` may not take the place of the one that stands."""
        newest = self._newest
        if newest is None or request.reason:
            return ""
        if request.session != newest.session:
            return f"session {request.session} takes back what {newest.session} asked for"
        if request.steady_ns < newest.steady_ns:
            return "older than the stop that it takes back"
        return ""
