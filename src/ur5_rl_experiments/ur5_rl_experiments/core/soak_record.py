"""What a soak has measured, as lines of a file that is whole at any moment.

Each line is one JSON object with one key that says what it holds: the header, a sample of
all processes, an episode, or the end. A line that was cut in the middle is left out.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

Json = dict[str, Any]

HEADER, SAMPLE, EPISODE, END = "header", "sample", "episode", "end"


class ProcessUse(NamedTuple):
    """What one process holds at one instant."""

    pid: int
    resident_mb: float  # [MB of 1e6 bytes], pages shared with others included
    descriptors: int
    threads: int
    cpu_s: float  # since its start [s]


class GraphState(NamedTuple):
    """What the nodes say of themselves; counts are since the start of their processes.

    Rates are means since the last sample; None if nobody spoke of them.
    """

    updates: int = 0
    buffer_size: int = 0  # transitions
    transitions_received: int = 0  # by the learner
    time_steps_lost: int = 0  # gaps in the sequence that the learner received
    time_steps_refused: int = 0
    time_steps_incomplete: int = 0
    inbox_overflowed: int = 0
    time_steps_sent: int = 0  # by env_node
    time_steps_acknowledged: int = 0  # by the learner, as env_node heard it
    observations_answered: int = 0  # by actor_node, one command each
    commands_accepted: int = 0  # by arm_node
    commands_refused: int = 0
    joint_states_published_hz: float | None = None  # by arm_node
    joint_states_heard_hz: float | None = None  # by env_node
    images_published_hz: float | None = None  # by camera_node
    images_heard_hz: float | None = None  # by env_node


class Sample(NamedTuple):
    """The whole graph at one instant."""

    time_s: float  # since the start of the soak
    processes: Mapping[str, ProcessUse]
    state: GraphState

    def as_json(self) -> Json:
        """Return the sample as JSON types."""
        processes = {name: use._asdict() for name, use in self.processes.items()}
        return {**self._asdict(), "processes": processes, "state": self.state._asdict()}

    @classmethod
    def from_json(cls, values: Json) -> Self:
        """Return what `as_json` wrote."""
        uses = {name: ProcessUse(**use) for name, use in values["processes"].items()}
        return cls(values["time_s"], uses, GraphState(**values["state"]))


class EpisodeCycles(NamedTuple):
    """One episode's action cycles [ms], one value a cycle."""

    time_s: float  # when its summary was heard, since the start of the soak
    end: str
    steps: int  # transitions
    missed_actions: int
    synchronisation_misses: int
    cycle_ms: tuple[float, ...]
    lateness_ms: tuple[float, ...]
    obs_to_command_ms: tuple[float, ...]

    @classmethod
    def from_json(cls, values: Json) -> Self:
        """Return what `_asdict` gave."""
        lists = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
        return cls(**values | lists)


@dataclass(frozen=True)
class Header:
    """How a soak was asked to run.

    Attributes:
        hours: How long it shall run [h].
        warm_up_s: Growth before that is not judged [s].
        replay_capacity: Transitions that the replay buffer may hold.
        bytes_per_transition: Of frame memory, one new frame each.
        words: Options of the graph.
        machine: Of what it ran on.
    """

    hours: float
    warm_up_s: float
    replay_capacity: int
    bytes_per_transition: int
    words: tuple[str, ...] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class SoakRecord:
    """A soak, as far as it came.

    Attributes:
        ended_by: What ended it; "" while it runs or if it was killed.
        is_complete: Whether it ran for as long as it was asked to.
    """

    header: Header
    samples: list[Sample] = field(default_factory=list)
    episodes: list[EpisodeCycles] = field(default_factory=list)
    ended_by: str = ""
    is_complete: bool = False

    @property
    def names(self) -> list[str]:
        """Processes that were ever seen, in the order in which they came."""
        return list(dict.fromkeys(name for s in self.samples for name in s.processes))

    @property
    def duration_s(self) -> float:
        """Time of the newest sample [s]."""
        return self.samples[-1].time_s if self.samples else 0.0

    def after_warm_up(self) -> list[Sample]:
        """Return the samples whose growth is judged."""
        return [s for s in self.samples if s.time_s >= self.header.warm_up_s]


def line(kind: str, values: Json) -> str:
    """Return one line of the file."""
    return json.dumps({kind: values}, separators=(",", ":")) + "\n"


def header_line(header: Header) -> str:
    """Return the first line of the file."""
    return line(HEADER, vars(header))


def end_line(ended_by: str, *, is_complete: bool) -> str:
    """Return the last line of the file."""
    return line(END, {"ended_by": ended_by, "is_complete": is_complete})


def read_lines(lines: Iterable[str]) -> SoakRecord:
    """Return what a file holds.

    Raises:
        ValueError: it does not begin with a header.
    """
    record = None
    for kind, values in _entries(lines):
        if kind == HEADER:
            record = SoakRecord(Header(**values | {"words": tuple(values["words"])}))
        elif record is None:
            raise ValueError("a soak's record must begin with its header")
        elif kind == SAMPLE:
            record.samples.append(Sample.from_json(values))
        elif kind == EPISODE:
            record.episodes.append(EpisodeCycles.from_json(values))
        elif kind == END:
            record.ended_by = values["ended_by"]
            record.is_complete = values["is_complete"]
    if record is None:
        raise ValueError("a soak's record must begin with its header, this one is empty")
    return record


def _entries(lines: Iterable[str]) -> Iterable[tuple[str, Json]]:
    for text in lines:
        if not text.endswith("\n"):
            return  # the writer was killed within it
        ((kind, values),) = json.loads(text).items()
        yield kind, values
