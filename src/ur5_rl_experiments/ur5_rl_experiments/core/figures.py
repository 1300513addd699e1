"""The thesis' figures 6.1 to 8.3: learning curves, overall and evaluation performance."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from sac_learner.core.architectures import ARCHITECTURES, ASYNC_1, SEQUENTIAL
from ur5_rl_experiments.core.png_file import save_png
from ur5_rl_experiments.core.run_result import RunResult
from ur5_rl_experiments.core.statistics import standard_error
from ur5_rl_experiments.core.thesis import SETTINGS
from ur5_rl_experiments.core.virtual_run import TASKS

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.artist import Artist  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.patches import Patch  # noqa: E402

BINS = 30  # of a learning curve
# Mean of 100 episodes in process:
# ./ur5rl eval --task TASK --episodes 100 --policy servo --policy zero
YARDSTICKS = {  # task: who earns what
    "reaching": {"servo": 304.0, "no motion": 56.0},
    "tracking": {"servo": 314.0, "no motion": 61.0},
}
YARDSTICK_LINES = {"servo": "--", "no motion": ":"}
COLOURS = {"sequential": "tab:green", "async_1": "tab:orange", "async_2": "tab:blue"}
LABELS = {
    "sequential": "Seq-SAC",
    "async_1": "Async-SAC-1",
    "async_2": "Async-SAC-2",
    "baseline": "baseline",
    "high_resolution": "high-resolution",
    "large_mini_batch": "large mini-batch",
}
CHAPTERS = {  # chapter of the thesis: architectures that its figures compare
    6: (SEQUENTIAL,),
    7: (SEQUENTIAL, ASYNC_1),
    8: ARCHITECTURES,
}

Groups = Mapping[str, Sequence[RunResult]]
Numbers = NDArray[np.float64]


class Curve(NamedTuple):
    """Mean return of several runs over time; the standard error is NaN for one run."""

    minutes: Numbers  # middle of each bin
    mean: Numbers
    standard_error: Numbers


def by_group(results: Sequence[RunResult]) -> dict[str, list[RunResult]]:
    """Return results by "task/setting/architecture"."""
    groups: dict[str, list[RunResult]] = {}
    for result in results:
        groups.setdefault(result.group, []).append(result)
    return groups


def learning_curve(results: Sequence[RunResult], bins: int = BINS) -> Curve:
    """Return episode returns in bins of time, first per run, then over the runs."""
    minutes = max(result.config.minutes for result in results)
    edges = np.linspace(0.0, minutes, bins + 1)
    rows = np.array([_binned(result, edges) for result in results])
    held = ~np.isnan(rows).all(axis=0)
    errors = [standard_error(c[~np.isnan(c)]) for c in rows[:, held].T]
    middle = 0.5 * (edges[1:] + edges[:-1])
    return Curve(middle[held], np.nanmean(rows[:, held], axis=0), np.array(errors))


def draw_thesis_figures(results: Sequence[RunResult], folder: Path) -> list[Path]:
    """Draw all nine figures into `folder` and return their files."""
    groups = by_group(results)
    paths = []
    for chapter, names in CHAPTERS.items():
        paths += [
            _draw_curves(groups, names, folder / f"figure_{chapter}_1.png"),
            _draw_bars(groups, names, "overall", folder / f"figure_{chapter}_2.png"),
            _draw_bars(groups, names, "evaluation", folder / f"figure_{chapter}_3.png"),
        ]
    return paths


def _binned(result: RunResult, edges: Numbers) -> Numbers:
    minutes = np.array([episode.begin_s / 60.0 for episode in result.episodes])
    returns = np.array([episode.return_sum for episode in result.episodes])
    place = np.clip(np.digitize(minutes, edges) - 1, 0, len(edges) - 2)
    means = np.full(len(edges) - 1, np.nan)
    for k in np.unique(place):
        means[k] = returns[place == k].mean()
    return means


def _cells(groups: Groups) -> tuple[list[str], list[str]]:
    """Return the tasks and settings that there are results of, in the thesis' order."""
    there = {tuple(group.split("/")[:2]) for group in groups}
    tasks = [task for task in TASKS if any(t == task for t, _ in there)]
    settings = [name for name in SETTINGS if any(s == name for _, s in there)]
    return tasks, settings


def _draw_curves(groups: Groups, names: Sequence[str], path: Path) -> Path:
    tasks, settings = _cells(groups)
    figure, axes = plt.subplots(
        len(tasks), len(settings), squeeze=False, sharey=True,
        figsize=(3.6 * len(settings) + 0.6, 2.7 * len(tasks) + 0.3),
    )  # fmt: skip
    for row, task in enumerate(tasks):
        for column, setting in enumerate(settings):
            ax = axes[row][column]
            for name in names:
                _draw_curve(ax, groups.get(f"{task}/{setting}/{name}", ()), name)
            for who, level in YARDSTICKS[task].items():
                line = YARDSTICK_LINES[who]
                ax.axhline(level, color="0.6", linewidth=0.8, linestyle=line, label=who)
            ax.legend(fontsize=7, loc="best")  # seeds may differ from cell to cell
            ax.set_title(f"{task.capitalize()}, {LABELS[setting]}", fontsize=10)
            ax.set_xlabel("time [min]")
        axes[row][0].set_ylabel("return per episode")
    return _saved(figure, path)


def _draw_curve(ax: Axes, results: Sequence[RunResult], name: str) -> None:
    if not results:
        return
    curve = learning_curve(results)
    label = f"{LABELS[name]} (n = {len(results)})"
    ax.plot(curve.minutes, curve.mean, color=COLOURS[name], label=label, linewidth=1.4)
    low, high = curve.mean - curve.standard_error, curve.mean + curve.standard_error
    ax.fill_between(
        curve.minutes, low, high, color=COLOURS[name], alpha=0.25, linewidth=0
    )


def _draw_bars(groups: Groups, names: Sequence[str], what: str, path: Path) -> Path:
    """Draw mean, standard error and, as a tick, the minimum over seeds."""
    tasks, settings = _cells(groups)
    figure, axes = plt.subplots(
        1, len(tasks), squeeze=False, sharey=True, figsize=(4.6 * len(tasks) + 0.4, 3.0)
    )
    width = 0.8 / len(names)
    for ax, task in zip(axes[0], tasks, strict=True):
        for k, name in enumerate(names):
            for place, setting in enumerate(settings):
                results = groups.get(f"{task}/{setting}/{name}", ())
                values = [getattr(result, f"{what}_return") for result in results]
                x = place + (k - 0.5 * (len(names) - 1)) * width
                _draw_bar(ax, x, values, width=0.92 * width, name=name)
        ax.set_xticks(range(len(settings)), [LABELS[name] for name in settings])
        ax.set_title(task.capitalize(), fontsize=10)
    axes[0][0].set_ylabel(f"{what} return")
    handles: list[Artist] = [
        Patch(color=COLOURS[name], label=LABELS[name]) for name in names
    ]
    handles.append(Line2D([], [], color="k", label="worst seed"))
    axes[0][0].legend(handles=handles, fontsize=8)
    return _saved(figure, path)


def _draw_bar(
    ax: Axes, x: float, values: Sequence[float], *, width: float, name: str
) -> None:
    if not values:
        return
    error = float(np.nan_to_num(standard_error(values)))
    mean, colour = float(np.mean(values)), COLOURS[name]
    ax.bar(x, mean, width, yerr=error, color=colour, capsize=3)
    ends = [x - 0.45 * width, x + 0.45 * width]
    ax.plot(ends, [min(values)] * 2, color="k", linewidth=1.2)


def _saved(figure: Figure, path: Path) -> Path:
    figure.tight_layout()
    save_png(figure, path)
    plt.close(figure)
    return path
