"""The run in one picture: learning curve, camera filmstrip, action-cycle histogram.

matplotlib takes half a second to load, so it is imported where something is drawn.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ur5_rl_bringup.core.film import Film
from ur5_rl_bringup.core.histogram import Histogram
from ur5_rl_bringup.core.monitor_config import MonitorConfig
from ur5_rl_bringup.core.run_record import RECENT_RETURNS, RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

INK, FAINT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
THIN, BOLD, MARK = "#8fb8de", "#0b5394", "#c0392b"  # also apart in shades of grey
NUM_BARS = 60
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


def save_picture(
    path: Path, record: RunRecord, film: Film | None, config: MonitorConfig
) -> None:
    """Draw the run into a PNG file; a reader sees the old picture or the new one, whole.

    Raises:
        OSError: it could not be written.
    """
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with rc_context(STYLE):
            figure = Figure(figsize=(12, 6.0), dpi=110, layout="constrained")
            FigureCanvasAgg(figure)
            _draw(figure, record, film, config)
            figure.savefig(partial, format="png")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _draw(
    figure: Figure, record: RunRecord, film: Film | None, config: MonitorConfig
) -> None:
    figure.suptitle(_title(record, config), x=0.01, ha="left", fontsize=13, weight="bold")
    above, below = _rows(figure)
    curve, cycle = above.subplots(1, 2, width_ratios=(1.9, 1.0))
    _draw_curve(curve, record, config)
    _draw_cycle(cycle, record.cycle_ms)
    _draw_film(below, film)


def _rows(figure: Figure) -> tuple[SubFigure, SubFigure]:
    rows: Any = figure.subfigures(2, 1, height_ratios=(4.2, 1.15))
    return rows[0], rows[1]


def _title(record: RunRecord, config: MonitorConfig) -> str:
    return (
        f"{config.task}, {config.policy}, seed {config.seed}: "
        f"{record.num_episodes} episodes, {record.total_env_steps:,} steps, "
        f"{record.updates:,} updates"
    )


def _draw_curve(axes: Axes, record: RunRecord, config: MonitorConfig) -> None:
    axes.set_title("Return per episode")
    axes.set_xlabel("environment steps")
    complete = [e for e in record.episodes if e.episode.is_complete]
    steps = np.array([e.env_steps for e in complete], float)
    returns = np.array([e.episode.return_sum for e in complete])
    few = len(returns) <= RECENT_RETURNS
    marker: Any = {"marker": "o", "markersize": 3} if few else {}
    axes.plot(steps, returns, color=THIN, linewidth=0.8, label="episode", **marker)
    mean_label = f"mean of {RECENT_RETURNS} episodes"
    axes.plot(steps, trailing_mean(returns), color=BOLD, linewidth=2.2, label=mean_label)
    _draw_yardsticks(axes, config)
    _mark_cut_short(axes, record)
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.margins(x=0.02, y=0.08)
    axes.set_xlim(left=0)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 0.99),
        borderaxespad=0.2,
        frameon=False,
        ncols=3,
        fontsize=8,
    )
    if not len(returns):
        _say(axes, "no complete episode yet")


def trailing_mean(
    values: NDArray[np.float64], window: int = RECENT_RETURNS
) -> NDArray[np.float64]:
    """Return the mean of each value and up to `window - 1` before it, shape (n,)."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts), np.float64)


def _draw_yardsticks(axes: Axes, config: MonitorConfig) -> None:
    for value, name in (
        (config.servo_return, "visual servo"),
        (config.zero_return, "standing still"),
    ):
        if value > 0.0:
            axes.axhline(value, color=FAINT, linewidth=1.0, linestyle=(0, (5, 4)))
            axes.annotate(
                f"{name} {value:.0f}",
                (0.0, value),
                xytext=(4, 3),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                color=FAINT,
                fontsize=8,
            )


def _mark_cut_short(axes: Axes, record: RunRecord) -> None:
    """Mark episodes that a fault ended, at the foot of the curve."""
    steps = [e.env_steps for e in record.episodes if not e.episode.is_complete]
    if steps:
        axes.plot(
            steps,
            np.full(len(steps), 0.015),
            "x",
            color=MARK,
            markersize=5,
            label="cut short",
            transform=axes.get_xaxis_transform(),
        )


def _draw_cycle(axes: Axes, cycle_ms: Histogram) -> None:
    axes.set_title("Action cycle")
    axes.set_xlabel("time between two observations [ms]")
    p50, p99 = cycle_ms.percentile(50), cycle_ms.percentile(99)
    if p50 is None or p99 is None:
        _say(axes, "no cycle yet")
        return
    edges, counts = bars(cycle_ms)
    axes.stairs(counts, edges, fill=True, color=THIN)
    axes.set_yscale("log")
    axes.set_ylabel("cycles (log scale)")
    axes.set_ylim(0.7, 30.0 * counts.max())  # room for the text
    for value, style in ((p50, "-"), (p99, "--")):
        axes.axvline(value, color=BOLD, linewidth=1.5, linestyle=style)
    text = f"p50  {p50:.2f} ms\np99  {p99:.2f} ms\nmax  {cycle_ms.maximum:.2f} ms"
    if beyond := cycle_ms.count - int(counts.sum()):
        text += f"\n{beyond} beyond the axis"
    axes.text(0.98, 0.97, text, transform=axes.transAxes, ha="right", va="top")


def bars(values: Histogram) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return edges, shape (n + 1,), and counts, shape (n,), of at most 60 or so bars.

    Rare values far from the others are left out, so that the others keep their shape.
    """
    lower, middle, upper = (values.percentile(p) or 0.0 for p in (0.05, 50, 99.95))
    reach = 10 * values.bin_width  # an axis that shows a shape, also of equal values
    first = min(max(values.minimum, 2 * lower - middle), middle - reach)
    final = max(min(values.maximum, 2 * upper - middle), middle + reach)
    bins = np.array([first, final]) / values.bin_width
    low, high = np.clip(bins, 0, len(values.counts) - 1).astype(int)
    stride = (high - low) // NUM_BARS + 1
    num_bars = (high - low) // stride + 1
    counts = np.pad(values.counts[low:], (0, stride))[: num_bars * stride]
    edges = np.asarray((low + stride * np.arange(num_bars + 1)) * values.bin_width)
    return edges, np.asarray(counts.reshape(num_bars, stride).sum(axis=1))


def _draw_film(figure: SubFigure, film: Film | None) -> None:
    if film is None:
        axes = figure.subplots()
        axes.set_axis_off()
        _say(axes, "no camera frames of a complete episode yet")
        return
    figure.suptitle(
        f"Camera, episode {film.number} (return {film.return_sum:.0f})",
        x=0.01,
        ha="left",
        fontsize=10,
        weight="bold",
    )
    row = figure.subplots(1, len(film.images), squeeze=False)[0]
    for axes, image, time_s in zip(row, film.images, film.times_s, strict=True):
        axes.imshow(image[:, :, ::-1])  # BGR to RGB
        axes.set_xlabel(f"{time_s:.1f} s", labelpad=2)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(visible=True, color=FAINT, linewidth=0.6)  # white on white


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color=FAINT)
