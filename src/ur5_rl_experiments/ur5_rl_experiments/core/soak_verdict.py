"""What a soak says: growth of every process, what was lost, and whether it may be so."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from ur5_rl_experiments.bench.cycle_record import distribution
from ur5_rl_experiments.core.soak_growth import S_PER_H, Growth, growth
from ur5_rl_experiments.core.soak_record import ProcessUse, Sample, SoakRecord

Json = dict[str, Any]

MAX_MEMORY_MB_PER_H = 50.0
ON_DISK_S = 60.0  # a time step that is not acknowledged by then is overdue
ON_ITS_WAY_S = 10.0  # of an episode's end before its last transition counts as missing
BYTES_PER_MB = 1e6
LOST = (
    "time_steps_lost", "time_steps_refused", "time_steps_incomplete", "inbox_overflowed",
)  # fmt: skip
CYCLE_SERIES = ("cycle_ms", "lateness_ms", "obs_to_command_ms")


class Bar(NamedTuple):
    """One thing that must hold; `is_met` is None where too little was measured."""

    name: str
    is_met: bool | None
    found: str


class ProcessGrowth(NamedTuple):
    """What one process did after the warm-up; `cpu` is the share of one core."""

    resident_mb: Growth
    descriptors: Growth
    threads: Growth
    cpu: float | None
    restarts: int


def process_growth(record: SoakRecord, name: str) -> ProcessGrowth:
    """Return how one process grew after the warm-up."""
    samples = [s for s in record.after_warm_up() if name in s.processes]
    uses = [s.processes[name] for s in samples]

    def of(value: Callable[[ProcessUse], float]) -> Growth:
        return growth([s.time_s for s in samples], [value(use) for use in uses])

    return ProcessGrowth(
        resident_mb=of(lambda use: use.resident_mb),
        descriptors=of(lambda use: use.descriptors),
        threads=of(lambda use: use.threads),
        cpu=_cpu_share(samples, name),
        restarts=restarts(record, name),
    )


def _cpu_share(samples: list[Sample], name: str) -> float | None:
    """Return the share of one core that a process took between first and last sample."""
    if len(samples) < 2 or samples[0].processes[name].pid != (
        samples[-1].processes[name].pid
    ):
        return None
    used_s = samples[-1].processes[name].cpu_s - samples[0].processes[name].cpu_s
    return used_s / (samples[-1].time_s - samples[0].time_s)


def restarts(record: SoakRecord, name: str) -> int:
    """Return how often another process took the place of `name`."""
    pids = [s.processes[name].pid for s in record.samples if name in s.processes]
    return sum(before != after for before, after in pairwise(pids))


def total_memory(record: SoakRecord, *, without_frames: bool = False) -> Growth:
    """Return how the sum of all processes grew after the warm-up [MB].

    `without_frames` takes the camera frames out that the replay buffer gathers, as its
    transitions times the bytes of one frame.
    """
    names = set(record.names)
    samples = [s for s in record.after_warm_up() if names <= set(s.processes)]
    frame_mb = record.header.bytes_per_transition / BYTES_PER_MB * without_frames
    return growth(
        [s.time_s for s in samples],
        [resident_mb(s) - frame_mb * s.state.buffer_size for s in samples],
    )


def resident_mb(sample: Sample) -> float:
    """Return the sum over all processes [MB]."""
    return sum(use.resident_mb for use in sample.processes.values())


def since_start(record: SoakRecord, name: str) -> int:
    """Return a counter's sum over all lives of its process, each of which starts at 0."""
    values = [0, *(int(getattr(s.state, name)) for s in record.samples)]
    steps = pairwise(values)
    return sum(new - old if new >= old else new for old, new in steps)


def overdue_time_steps(record: SoakRecord) -> int:
    """Return the most time steps that were not on disk a minute after they were sent."""
    worst, k = 0, 0
    for sample in record.samples:
        while record.samples[k + 1 :] and (
            record.samples[k + 1].time_s <= sample.time_s - ON_DISK_S
        ):
            k += 1
        sent, now = record.samples[k].state.time_steps_sent, sample.state
        is_old = record.samples[k].time_s <= sample.time_s - ON_DISK_S
        if is_old and sent <= now.time_steps_sent:  # else env_node has begun anew
            worst = max(worst, sent - now.time_steps_acknowledged)
    return worst


def missing_transitions(record: SoakRecord) -> int:
    """Return how many transitions of finished episodes the learner has never received."""
    end_s = record.duration_s - ON_ITS_WAY_S
    sent = sum(e.steps for e in record.episodes if e.time_s <= end_s)
    return max(0, sent - since_start(record, "transitions_received"))


def lost_commands(record: SoakRecord) -> int:
    """Return how many commands the arm never saw; those of a second are on their way."""
    newest = record.samples[-1].state
    on_their_way = 25  # of a second: two nodes speak of themselves at different times
    lost = newest.observations_answered - newest.commands_accepted
    lost -= newest.commands_refused
    return lost if lost > on_their_way else 0


def lost_share(record: SoakRecord, what: str) -> float | None:
    """Return the share of `what` (joint_states, images) that env_node did not hear."""
    states = [s.state for s in record.after_warm_up()]
    published = sum(getattr(state, f"{what}_published_hz") for state in states)
    heard = sum(getattr(state, f"{what}_heard_hz") for state in states)
    return 1.0 - heard / published if published else None


def messages(record: SoakRecord) -> Json:
    """Return what was sent and what of it was lost, of each kind."""
    names = (*LOST, "time_steps_sent", "transitions_received", "observations_answered",
             "commands_accepted", "commands_refused")  # fmt: skip
    return {
        **{name: since_start(record, name) for name in names},
        "transitions_of_episodes": sum(e.steps for e in record.episodes),
        "transitions_missing": missing_transitions(record),
        "time_steps_overdue": overdue_time_steps(record),
        "commands_lost": lost_commands(record),
        "joint_states_lost_share": lost_share(record, "joint_states"),
        "images_lost_share": lost_share(record, "images"),
    }


def bars(record: SoakRecord) -> list[Bar]:
    """Return everything that must hold."""
    growths = {name: process_growth(record, name) for name in record.names}
    per_h = total_memory(record).per_h
    counts = messages(record)
    names = (*LOST, "transitions_missing", "time_steps_overdue")
    lost = {name: counts[name] for name in names if counts[name]}
    again = {name: g.restarts for name, g in growths.items() if g.restarts}
    received = counts["transitions_received"]
    return [
        Bar(
            f"resident memory grows by less than {MAX_MEMORY_MB_PER_H:g} MB/h",
            None if per_h is None else per_h < MAX_MEMORY_MB_PER_H,
            "too little measured" if per_h is None else f"{per_h:+.1f} MB/h",
        ),
        _flat("descriptors", {name: g.descriptors for name, g in growths.items()}),
        _flat("threads", {name: g.threads for name, g in growths.items()}),
        Bar(
            "no transition is lost",
            not lost if received or lost else None,
            ", ".join(f"{name} {n}" for name, n in lost.items())
            or f"{received} received",
        ),
        Bar("no node restarts", not again, _named(again) or "none"),
        Bar("the graph runs until it is asked to end", *_ending(record)),
    ]


def _flat(what: str, growths: dict[str, Growth]) -> Bar:
    rises = {name: g.rise for name, g in growths.items()}
    grown = {name: f"{rise:+g}" for name, rise in rises.items() if rise and rise > 0.0}
    is_known = bool(rises) and all(rise is not None for rise in rises.values())
    found = _named(grown) or ("none more" if is_known else "too little measured")
    return Bar(f"{what} stay as many", False if grown else is_known or None, found)


def _named(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _ending(record: SoakRecord) -> tuple[bool, str]:
    is_failure = record.ended_by.startswith("the graph")
    return not is_failure, record.ended_by or "no end was written: killed, or still runs"


def soak_report(record: SoakRecord) -> Json:
    """Return everything, as JSON types."""
    judged = bars(record)
    after = record.after_warm_up()
    full = [s.time_s for s in record.samples
            if s.state.buffer_size >= record.header.replay_capacity]  # fmt: skip
    hours = (after[-1].time_s - after[0].time_s) / S_PER_H if len(after) > 1 else 0.0
    updates = after[-1].state.updates - after[0].state.updates if after else 0
    return {
        "is_met": all(bar.is_met for bar in judged),
        "bars": [bar._asdict() for bar in judged],
        "hours_asked": record.header.hours,
        "hours_run": record.duration_s / S_PER_H,
        "hours_judged": hours,
        "is_complete": record.is_complete,
        "ended_by": record.ended_by,
        "header": vars(record.header) | {"words": list(record.header.words)},
        "total": {
            "resident_mb": growth_json(total_memory(record)),
            "without_replay_frames_mb": growth_json(
                total_memory(record, without_frames=True)
            ),
        },
        "processes": {n: _process_json(process_growth(record, n)) for n in record.names},
        "replay": {
            "capacity": record.header.replay_capacity,
            "size_at_end": record.samples[-1].state.buffer_size if record.samples else 0,
            "full_after_s": full[0] if full else None,
        },
        "messages": messages(record) if record.samples else {},
        "cycle": cycle_json(record),
        "updates_per_s": updates / (hours * S_PER_H) if hours else None,
    }


def growth_json(values: Growth) -> Json:
    """Return a growth as JSON types."""
    return values._asdict() | {"rise": values.rise}


def _process_json(values: ProcessGrowth) -> Json:
    growths = ("resident_mb", "descriptors", "threads")
    return {
        **{name: growth_json(getattr(values, name)) for name in growths},
        "cpu": values.cpu,
        "restarts": values.restarts,
    }


def cycle_json(record: SoakRecord) -> Json:
    """Return the percentiles of all cycles after the warm-up, and what was counted."""
    episodes = [e for e in record.episodes if e.time_s >= record.header.warm_up_s]
    cut_short = [e.end for e in episodes if e.end != "time_limit"]
    return {
        **{
            name: distribution([v for e in episodes for v in getattr(e, name)])
            for name in CYCLE_SERIES
        },
        "episodes": len(episodes),
        "missed_actions": sum(e.missed_actions for e in episodes),
        "synchronisation_misses": sum(e.synchronisation_misses for e in episodes),
        "cut_short": {end: cut_short.count(end) for end in set(cut_short)},
    }
