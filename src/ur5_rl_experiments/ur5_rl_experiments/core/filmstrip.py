"""Behaviour as a filmstrip: Yuan 2021, figure 8.4. A row of camera frames per episode."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from target_display.core.drawing import Pixels
from ur5_rl_experiments.core.evaluation import Moment

FRAME_PERIOD_S = 0.4  # 11 frames of 4 s


@dataclass(frozen=True)
class Shot:
    """A camera frame, BGR, shape (height, width, 3), with its time [s] and reward."""

    image: Pixels
    time_s: float
    reward: float


@dataclass(frozen=True)
class Film:
    """Frames of one episode at even times, and its return."""

    title: str
    return_sum: float
    shots: tuple[Shot, ...]


def film_of(
    title: str,
    moments: Sequence[Moment],
    *,
    period_s: float,
    every_s: float = FRAME_PERIOD_S,
) -> Film:
    """Cut an episode.

    Args:
        title: Says which episode of whom.
        moments: All of the episode, the first one before any action.
        period_s: Time between two moments [s].
        every_s: Time between two shots, rounded to whole periods [s].
    """
    stride = max(1, round(every_s / period_s))
    shots = (
        Shot(moments[i].step.frame, i * period_s, moments[i].step.reward)
        for i in range(0, len(moments), stride)
    )
    returned = sum(moment.step.reward for moment in moments[1:])
    return Film(title, returned, tuple(shots))


def draw_filmstrip(figure: Figure, films: Sequence[Film]) -> None:
    """Draw one row per film into an empty figure."""
    rows: Any = figure.subfigures(len(films), 1, squeeze=False)
    for row, film in zip(rows[:, 0], films, strict=True):
        title = f"{film.title}, return {film.return_sum:.0f}"
        row.suptitle(title, x=0.01, ha="left", fontsize=11, weight="bold")
        frames = row.subplots(1, len(film.shots), squeeze=False)[0]
        for index, (axes, shot) in enumerate(zip(frames, film.shots, strict=True)):
            show(axes, shot.image)
            unit, name = (" s", "reward ") if index == 0 else ("", "")
            axes.set_xlabel(f"{shot.time_s:.1f}{unit}\n{name}{shot.reward:.1f}")


def show(axes: Axes, image: Pixels) -> None:
    """Show a BGR image without ticks, in a frame: it may be white on white."""
    axes.imshow(np.ascontiguousarray(image[:, :, ::-1]), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=True, linewidth=0.6)
