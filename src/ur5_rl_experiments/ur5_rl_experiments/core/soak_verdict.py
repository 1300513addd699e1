"""What a soak says: what must hold and whether it did, and all of it for programs."""

from typing import Any, NamedTuple

from ur5_rl_experiments.bench.cycle_record import distribution
from ur5_rl_experiments.core.soak_growth import S_PER_H, Growth
from ur5_rl_experiments.core.soak_losses import lost_experience, messages, since_start
from ur5_rl_experiments.core.soak_processes import (
    ProcessGrowth,
    gone,
    process_growth,
    total_memory,
)
from ur5_rl_experiments.core.soak_record import SoakRecord

Json = dict[str, Any]

MAX_MEMORY_MB_PER_H = 50.0
CYCLE_SERIES = ("cycle_ms", "lateness_ms", "obs_to_command_ms")
TIME_LIMIT = "time_limit"
GRAPH_ENDED = "the graph ended"  # of itself: how `ended_by` begins then
TOO_LITTLE = "too little measured"


class Bar(NamedTuple):
    """One thing that must hold; `is_met` is None where too little was measured."""

    name: str
    is_met: bool | None
    found: str


def bars(record: SoakRecord, growths: dict[str, ProcessGrowth]) -> list[Bar]:
    """Return everything that must hold, given how each process grew."""
    return [
        _memory(record),
        _flat("descriptors", {name: g.descriptors for name, g in growths.items()}),
        _flat("threads", {name: g.threads for name, g in growths.items()}),
        _experience(record),
        _restarts(record, growths),
        Bar(
            "the graph runs until it is asked to end",
            not record.ended_by.startswith(GRAPH_ENDED),
            record.ended_by or "no end was written: killed, or still runs",
        ),
        _duration_bar(record),
    ]


def _memory(record: SoakRecord) -> Bar:
    name = f"resident memory grows by less than {MAX_MEMORY_MB_PER_H:g} MB/h"
    per_h = total_memory(record).per_h
    if per_h is None:
        return Bar(name, None, TOO_LITTLE)
    return Bar(name, per_h < MAX_MEMORY_MB_PER_H, f"{per_h:+.1f} MB/h")


def _flat(what: str, growths: dict[str, Growth]) -> Bar:
    """Judge that no process holds more in the last third than in the first."""
    name = f"{what} do not become more"
    rises = {process: g.rise for process, g in growths.items()}
    grown = {process: f"{r:+g}" for process, r in rises.items() if r and r > 0.0}
    if grown:
        return Bar(name, False, _listed(grown))
    if not rises or None in rises.values():
        return Bar(name, None, TOO_LITTLE)
    return Bar(name, True, "none more")


def _experience(record: SoakRecord) -> Bar:
    name = "no transition is lost"
    if lost := lost_experience(record):
        return Bar(name, False, _listed(lost))
    received = since_start(record, "transitions_received")
    return Bar(name, True if received else None, f"{received} received")


def _restarts(record: SoakRecord, growths: dict[str, ProcessGrowth]) -> Bar:
    found: dict[str, Any] = {n: g.restarts for n, g in growths.items() if g.restarts}
    found |= dict.fromkeys(gone(record), "gone")
    is_known = True if record.samples else None
    return Bar(
        "no node is started again", False if found else is_known, _listed(found) or "none"
    )


def _duration_bar(record: SoakRecord) -> Bar:
    """Judge that it ran its hours: what was stopped earlier has shown less than asked."""
    return Bar(
        "it runs for as long as it was asked to",
        True if record.is_complete else None,
        f"{record.duration_s / S_PER_H:.2f} h of {record.header.hours:g} h",
    )


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def soak_report(record: SoakRecord) -> Json:
    """Return everything, as JSON types."""
    growths = {name: process_growth(record, name) for name in record.names}
    judged = bars(record, growths)
    return {
        "is_met": all(bar.is_met for bar in judged),
        "bars": [bar._asdict() for bar in judged],
        **_duration(record),
        "header": vars(record.header) | {"words": list(record.header.words)},
        "total": {
            "resident_mb": _growth(total_memory(record)),
            "without_replay_frames_mb": _growth(
                total_memory(record, without_frames=True)
            ),
        },
        "processes": {name: _process(g) for name, g in growths.items()},
        "replay": _replay(record),
        "messages": messages(record),
        "cycle": _cycle(record),
    }


def _duration(record: SoakRecord) -> Json:
    after = record.after_warm_up()
    judged_s = after[-1].time_s - after[0].time_s if after else 0.0
    updates = after[-1].state.updates - after[0].state.updates if after else 0
    return {
        "hours_asked": record.header.hours,
        "hours_run": record.duration_s / S_PER_H,
        "hours_judged": judged_s / S_PER_H,
        "is_complete": record.is_complete,
        "ended_by": record.ended_by,
        "updates_per_s": updates / judged_s if judged_s else None,
    }


def _growth(values: Growth) -> Json:
    return values._asdict() | {"rise": values.rise}


def _process(values: ProcessGrowth) -> Json:
    return {
        name: _growth(value) if isinstance(value, Growth) else value
        for name, value in values._asdict().items()
    }


def _replay(record: SoakRecord) -> Json:
    capacity = record.header.replay_capacity
    full_s = [s.time_s for s in record.samples if s.state.buffer_size >= capacity]
    return {
        "capacity": capacity,
        "size_at_end": record.samples[-1].state.buffer_size if record.samples else 0,
        "full_after_s": full_s[0] if full_s else None,
    }


def _cycle(record: SoakRecord) -> Json:
    """Return the percentiles of all cycles after the warm-up, and what was counted."""
    episodes = [e for e in record.episodes if e.time_s >= record.header.warm_up_s]
    cut_short = [e.end for e in episodes if e.end != TIME_LIMIT]
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
