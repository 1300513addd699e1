"""A soak for people: one line while it runs, a table at its end."""

from typing import Any

from ur5_rl_experiments.core.soak_losses import lost_experience
from ur5_rl_experiments.core.soak_processes import resident_mb
from ur5_rl_experiments.core.soak_record import SoakRecord
from ur5_rl_experiments.core.soak_verdict import CYCLE_SERIES

Json = dict[str, Any]

S_PER_MIN = 60.0
RECENT_EPISODES = 20


def progress_line(record: SoakRecord) -> str:
    """Return where a running soak stands."""
    sample = record.samples[-1]
    lost = sum(lost_experience(record).values())
    uses = sample.processes.values()
    late_ms = [v for e in record.episodes[-RECENT_EPISODES:] for v in e.lateness_ms]
    p99_ms = sorted(late_ms)[int(0.99 * len(late_ms))] if late_ms else float("nan")
    return (
        f"soak: {sample.time_s / S_PER_MIN:6.1f} min | {len(uses)} processes "
        f"| {resident_mb(sample):7.1f} MB | {sum(u.descriptors for u in uses)} fds "
        f"| {sum(u.threads for u in uses)} threads | {len(record.episodes)} episodes "
        f"| {sample.state.updates} updates | replay {sample.state.buffer_size} "
        f"| late p99 {p99_ms:.2f} ms | lost {lost}"
    )


def table(report: Json) -> list[str]:
    """Return the lines that a person wants to read at the end."""
    head = (
        f"  {'after the warm-up':18}{'MB':>9}{'-> MB':>9}{'MB/h':>8}"
        f"{'fds':>6}{'->':>5}{'threads':>9}{'->':>4}{'cpu':>7}{'restarts':>9}"
    )
    rows = [_row(name, process) for name, process in report["processes"].items()]
    total = report["total"]
    return [
        head,
        *rows,
        _memory_row("all", total["resident_mb"]),
        _memory_row("  but replay frames", total["without_replay_frames_mb"]),
        "",
        *_cycle_rows(report["cycle"]),
        *_message_rows(report["messages"]),
        *_replay_rows(report["replay"], report["header"]["warm_up_s"]),
        f"  {_number(report['updates_per_s'], '.1f')} updates/s",
        "",
        _duration_row(report),
        *(_bar_row(bar) for bar in report["bars"]),
    ]


def _row(name: str, process: Json) -> str:
    fds, threads = process["descriptors"], process["threads"]
    return (
        _memory_row(name, process["resident_mb"])
        + f"{_number(fds['start'], '.0f'):>6}{_number(fds['end'], '.0f'):>5}"
        + f"{_number(threads['start'], '.0f'):>9}{_number(threads['end'], '.0f'):>4}"
        + f"{_number(process['cpu_share'], '.1%'):>7}{process['restarts']:>9}"
    )


def _memory_row(name: str, memory: Json) -> str:
    cells = [_number(memory[key], ".1f") for key in ("start", "end")]
    slope = _number(memory["per_h"], "+.1f")
    return f"  {name:18}{cells[0]:>9}{cells[1]:>9}{slope:>8}"


def _cycle_rows(cycle: Json) -> list[str]:
    rows = [f"  {'[ms]':18}{'mean':>9}{'p50':>9}{'p99':>9}{'max':>9}{'count':>9}"]
    for name in CYCLE_SERIES:
        values = [cycle[name][key] for key in ("mean", "p50", "p99", "max")]
        row = "".join(f"{_number(value, '.2f'):>9}" for value in values)
        rows.append(f"  {name.removesuffix('_ms'):18}{row}{cycle[name]['count']:>9}")
    return [
        *rows,
        f"  {cycle['episodes']} episodes, {cycle['missed_actions']} actions missed, "
        f"{cycle['synchronisation_misses']} synchronisation misses, "
        f"cut short: {cycle['cut_short'] or 'none'}",
    ]


def _message_rows(messages: Json) -> list[str]:
    rates = (
        f"{what.replace('_', ' ')} heard at {_number(rate['heard'], '.1f')} "
        f"of {_number(rate['published'], '.1f')} Hz"
        for what, rate in messages["rates_hz"].items()
    )
    return [
        f"  {messages['time_steps_sent']} time steps sent, "
        f"{messages['transitions_received']} transitions received, "
        f"{messages['transitions_missing']} missing",
        f"  {messages['observations_answered']} commands, "
        f"{messages['commands_lost']} lost, {messages['commands_refused']} refused",
        f"  {', '.join(rates)}",
    ]


def _replay_rows(replay: Json, warm_up_s: float) -> list[str]:
    full_s = replay["full_after_s"]
    if full_s is None:
        return [f"  replay {replay['size_at_end']} of {replay['capacity']}: never full"]
    late = " (after the warm-up: memory above grows with it)" * (full_s > warm_up_s)
    full = f"  replay full ({replay['capacity']}) after {full_s / S_PER_MIN:.1f} min"
    return [full + late]


def _duration_row(report: Json) -> str:
    reached = "reached" if report["is_complete"] else "NOT reached"
    return (
        f"soak: {report['hours_run']:.2f} h of {report['hours_asked']:g} h: {reached} "
        f"({report['ended_by'] or 'no end was written'}); "
        f"{report['hours_judged']:.2f} h after the warm-up"
    )


def _bar_row(bar: Json) -> str:
    word = {True: "met", False: "MISSED", None: "not judged"}[bar["is_met"]]
    return f"soak: {word:10} {bar['name']}: {bar['found']}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
