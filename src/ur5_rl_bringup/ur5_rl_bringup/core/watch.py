"""Who is alive: heartbeats and time in, a verdict out.

Time is the steady clock's. What passed while this process itself stood still does not
count as the silence of others: on a machine that pauses, all pause.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ur5_rl_bringup.core.watch_config import WatchConfig

NANOSECONDS = 1_000_000_000
LONGEST_STEP_TICKS = 2.0  # a longer time between two looks is a pause of our own
LATE_BEATS = 2  # in a row: the first one after a pause may come before the loop's turn


@dataclass(frozen=True, kw_only=True)
class Beat:
    """One sign of life. Instants on the steady clock [ns]."""

    node: str
    session: int
    steady_ns: int
    loop_steady_ns: int


class Silence(Enum):
    """What of a node is silent."""

    CALLBACKS = "callbacks"
    LOOP = "loop"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A node that is silent for too long, since `age_s` [s]."""

    node: str
    silence: Silence
    age_s: float
    stops: bool

    @property
    def text(self) -> str:
        """For people."""
        if self.silence is Silence.LOOP:
            return f"{self.node}: its loop has stood still for {self.age_s:.2f} s"
        return (
            f"{self.node} has been silent for {self.age_s:.2f} s "
            "(it died or its callbacks hang)"
        )


@dataclass(frozen=True)
class Verdict:
    """All that is wrong at one instant."""

    faults: tuple[Fault, ...] = ()

    @property
    def stop_reason(self) -> str:
        """Why the arm shall not move; "" if nothing speaks against it."""
        return "; ".join(fault.text for fault in self.faults if fault.stops)

    @property
    def text(self) -> str:
        """What is wrong with whom, "" if nothing is."""
        return "; ".join(fault.text for fault in self.faults)

    @property
    def kinds(self) -> frozenset[tuple[str, Silence]]:
        """What is wrong, without the times: another value is a change."""
        return frozenset((fault.node, fault.silence) for fault in self.faults)


MAX_NAME = 100  # characters of a node's name
MAX_NODES = 64  # several times as many as a graph has


@dataclass(kw_only=True)
class _Session:
    """One process of a node, from its first beat on. Times as in `Watch._time_ns`."""

    beat: Beat
    limit_ns: int
    heard_ns: int
    steady_since_ns: int  # beats without a gap since then
    late_beats: int = 0
    is_settled: bool = False

    def take(self, beat: Beat, now_ns: int, settle_ns: int) -> None:
        has_gap = now_ns - self.heard_ns > self.limit_ns
        is_late = beat.steady_ns - beat.loop_steady_ns > self.limit_ns
        self.beat, self.heard_ns = beat, now_ns
        self.late_beats = self.late_beats + 1 if is_late else 0
        if has_gap or is_late:
            self.steady_since_ns = now_ns
        elif now_ns - self.steady_since_ns >= settle_ns:
            self.is_settled = True

    def silence(self, now_ns: int) -> tuple[Silence, int] | None:
        """Return what is silent, and for how long [ns]; None if nothing is."""
        silent_ns = now_ns - self.heard_ns
        if silent_ns > self.limit_ns:
            return Silence.CALLBACKS, silent_ns
        if self.late_beats >= LATE_BEATS:
            loop_ns = self.beat.steady_ns - self.beat.loop_steady_ns
            return Silence.LOOP, loop_ns + silent_ns
        return None


class Watch:
    """Knows of each node when it last beat. Owned by one thread.

    Attributes:
        refused: Beats that would have made it grow without bound.
    """

    def __init__(self, config: WatchConfig, now_ns: int) -> None:
        self._config = config
        self._looked_ns = now_ns
        self._paused_ns = 0
        self._longest_step_ns = _ns(LONGEST_STEP_TICKS * config.tick_period_s)
        self._settle_ns = _ns(config.settle_s)
        self._sessions: dict[str, _Session] = {}
        self.refused = 0

    def on_beat(self, beat: Beat, now_ns: int) -> None:
        """Take a beat that arrived at `now_ns` [ns]."""
        time_ns = self._time_ns(now_ns)
        session = self._sessions.get(beat.node)
        if session is not None and session.beat.session == beat.session:
            session.take(beat, time_ns, self._settle_ns)
            return
        is_new = session is None and beat.node not in self._config.nodes
        if len(beat.node) > MAX_NAME or (is_new and len(self._sessions) >= MAX_NODES):
            self.refused += 1
            return
        self._sessions[beat.node] = _Session(
            beat=beat,
            limit_ns=_ns(self._config.limit_s(beat.node)),
            heard_ns=time_ns,
            steady_since_ns=time_ns,
        )

    def look(self, now_ns: int) -> Verdict:
        """Return what is wrong at `now_ns` [ns]."""
        return Verdict(tuple(self._faults(self._time_ns(now_ns))))

    def states(self) -> dict[str, str]:
        """Return a word about each node that is expected or was heard."""
        time_ns = self._time_ns(self._looked_ns)
        names = sorted({*self._config.nodes, *self._sessions})
        return {name: self._state(name, time_ns) for name in names}

    def _faults(self, time_ns: int) -> Iterator[Fault]:
        for name, session in sorted(self._sessions.items()):
            found = session.silence(time_ns) if session.is_settled else None
            if found is not None:
                silence, age_ns = found
                yield Fault(
                    node=name,
                    silence=silence,
                    age_s=age_ns / NANOSECONDS,
                    stops=self._config.may_stop(name),
                )

    def _state(self, name: str, time_ns: int) -> str:
        session = self._sessions.get(name)
        if session is None:
            return "not heard yet"
        if not session.is_settled:
            return "starts"
        found = session.silence(time_ns)
        return f"{found[0].value} silent" if found else "alive"

    def _time_ns(self, now_ns: int) -> int:
        """Return the time that counts: `now_ns` without the pauses of this process."""
        step_ns = now_ns - self._looked_ns
        self._paused_ns += max(0, step_ns - self._longest_step_ns)
        self._looked_ns = now_ns
        return now_ns - self._paused_ns


def _ns(seconds: float) -> int:
    return round(seconds * NANOSECONDS)
