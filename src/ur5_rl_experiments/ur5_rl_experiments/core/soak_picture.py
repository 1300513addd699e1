"""A soak in one picture: memory, descriptors, cycle, updates and losses over time."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np

from ur5_rl_experiments.core.png_file import save_png
from ur5_rl_experiments.core.soak_growth import S_PER_H, thinned
from ur5_rl_experiments.core.soak_losses import LOST_TIME_STEPS
from ur5_rl_experiments.core.soak_processes import (
    resident_mb,
    total_memory,
    without_frame_mb,
)
from ur5_rl_experiments.core.soak_record import EpisodeCycles, Sample, SoakRecord
from ur5_rl_experiments.core.soak_verdict import MAX_MEMORY_MB_PER_H

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

S_PER_MIN = 60.0
BUCKETS = 200  # of the percentiles over time
MAX_POINTS = 1000  # of a line


def draw_soak(record: SoakRecord, path: Path) -> None:
    """Draw `record` into a PNG file."""
    figure, axes = plt.subplots(3, 2, figsize=(12.0, 10.0), sharex=True)
    left = (_draw_total, _draw_counts, _draw_updates)
    right = (_draw_processes, _draw_cycle, _draw_lost)
    for ax, draw in zip(axes.T.flat, (*left, *right), strict=True):
        ax.axvspan(0.0, record.header.warm_up_s / S_PER_MIN, color="0.93", zorder=0)
        ax.grid(alpha=0.3)
        draw(ax, record)
    for ax in axes[-1]:
        ax.set_xlabel("time [min]; grey: warm-up, not judged")
    words = " ".join(record.header.words)
    figure.suptitle(f"soak of {record.duration_s / S_PER_H:.2f} h: ur5rl sim {words}")
    figure.tight_layout()
    save_png(figure, path)
    plt.close(figure)


def _line(
    ax: Axes, samples: Sequence[Sample], value: Callable[[Sample], float], label: str
) -> None:
    """Draw one value of each sample over time."""
    minutes = np.array([s.time_s for s in samples]) / S_PER_MIN
    values = np.array([value(s) for s in samples], np.float64)
    ax.plot(*thinned(minutes, values, MAX_POINTS), label=label, linewidth=1.1)


def _draw_total(ax: Axes, record: SoakRecord) -> None:
    _line(ax, record.samples, resident_mb, "all processes")
    _line(ax, record.samples, without_frame_mb(record), "without the replay's frames")
    memory, after = total_memory(record), record.after_warm_up()
    if memory.per_h is not None and memory.start is not None:
        hours = (after[-1].time_s - after[0].time_s) / S_PER_H
        minutes = [after[0].time_s / S_PER_MIN, after[-1].time_s / S_PER_MIN]
        for per_h, style, label in (
            (memory.per_h, "k--", f"{memory.per_h:+.1f} MB/h"),
            (MAX_MEMORY_MB_PER_H, "r:", f"the bar: {MAX_MEMORY_MB_PER_H:+g} MB/h"),
        ):
            # `start` is the median of the first third: the line goes through its middle.
            first = memory.start - per_h * hours / 6.0
            ends = [first, first + per_h * hours]
            ax.plot(minutes, ends, style, linewidth=1.0, label=label)
    ax.set_ylabel("resident memory [MB]")
    ax.legend(fontsize=8)


def _draw_processes(ax: Axes, record: SoakRecord) -> None:
    for name in record.names:
        samples = [s for s in record.samples if name in s.processes]
        after = [s for s in record.after_warm_up() if name in s.processes]
        first = (after or samples)[0].processes[name].resident_mb
        minutes = np.array([s.time_s for s in samples]) / S_PER_MIN
        values = np.array([s.processes[name].resident_mb for s in samples]) - first
        label = f"{name} ({first:.0f} MB)"
        ax.plot(*thinned(minutes, values, MAX_POINTS), label=label, linewidth=1.1)
    ax.set_yscale("symlog", linthresh=10.0)
    ax.set_ylabel("since the end of the warm-up [MB]")
    if record.names:
        ax.legend(fontsize=7, ncols=2)


def _draw_counts(ax: Axes, record: SoakRecord) -> None:
    for what in ("descriptors", "threads"):
        _line(ax, record.samples, partial(_sum, what), what)
    ax.set_ylabel("of all processes")
    ax.set_ylim(bottom=0.0)
    ax.legend(fontsize=8, loc="lower right")


def _sum(what: str, sample: Sample) -> float:
    return float(sum(getattr(use, what) for use in sample.processes.values()))


def _draw_cycle(ax: Axes, record: SoakRecord) -> None:
    buckets = _buckets(record.episodes)
    minutes = [np.mean([e.time_s for e in bucket]) / S_PER_MIN for bucket in buckets]
    for name, colour, label in (
        ("lateness_ms", "tab:blue", "late"),
        ("obs_to_command_ms", "tab:orange", "observation to command"),
    ):
        values = [[v for e in bucket for v in getattr(e, name)] or [np.nan]
                  for bucket in buckets]  # fmt: skip
        for percentile, style in ((50, "-"), (99, ":")):
            heights = [np.percentile(v, percentile) for v in values]
            full = f"{label}, p{percentile}"
            ax.plot(minutes, heights, style, color=colour, linewidth=1.1, label=full)
    ax.set_ylabel("action cycle [ms]")
    ax.set_yscale("log")
    ax.legend(fontsize=8)


def _buckets(episodes: Sequence[EpisodeCycles]) -> list[Sequence[EpisodeCycles]]:
    """Return neighbours together, so that there are `BUCKETS` points at most."""
    size = max(1, -(-len(episodes) // BUCKETS))
    return [episodes[k : k + size] for k in range(0, len(episodes), size)]


def _draw_updates(ax: Axes, record: SoakRecord) -> None:
    samples = record.samples
    times = np.array([s.time_s for s in samples])
    updates = np.array([s.state.updates for s in samples], np.float64)
    if len(samples) > 1:
        middle = 0.5 * (times[1:] + times[:-1]) / S_PER_MIN
        rates = np.diff(updates) / np.diff(times)
        ax.plot(*thinned(middle, rates, BUCKETS), color="tab:blue", linewidth=1.1)
    ax.set_ylabel("updates/s", color="tab:blue")
    ax.set_ylim(bottom=0.0)
    fill = ax.twinx()
    capacity = record.header.replay_capacity
    shares = [s.state.buffer_size / capacity for s in samples]
    fill.plot(times / S_PER_MIN, shares, color="tab:green", linewidth=1.1)
    fill.set_ylabel(f"replay, of {capacity} transitions", color="tab:green")
    fill.set_ylim(0.0, 1.05)


def _draw_lost(ax: Axes, record: SoakRecord) -> None:
    for name in LOST_TIME_STEPS:
        _line(ax, record.samples, partial(_count, name), name)
    for what in ("joint_states", "images"):
        _line(ax, record.samples, partial(_unheard_hz, what), f"{what} not heard [Hz]")
    ax.set_ylabel("lost")
    ax.legend(fontsize=8)


def _count(name: str, sample: Sample) -> float:
    return float(getattr(sample.state, name))


def _unheard_hz(what: str, sample: Sample) -> float:
    published_hz = getattr(sample.state, f"{what}_published_hz")
    heard_hz = getattr(sample.state, f"{what}_heard_hz")
    if published_hz is None or heard_hz is None:
        return np.nan
    return float(published_hz - heard_hz)
