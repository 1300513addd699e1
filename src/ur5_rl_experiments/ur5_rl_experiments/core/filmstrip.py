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
WIDTH_INCHES, TITLE_INCHES, LINE_INCHES = 12.0, 0.36, 0.17


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
    """Draw one row per film into an empty figure, whose size is set.

    Raises:
        ValueError: there is no film.
    """
    images = [[shot.image for shot in film.shots] for film in films]
    titles = [f"{film.title}, return {film.return_sum:.0f}" for film in films]
    rows = draw_images(figure, titles, images, lines_below=2)
    for row, film in zip(rows, films, strict=True):
        for index, (axes, shot) in enumerate(zip(row, film.shots, strict=True)):
            unit, name = (" s", "reward ") if index == 0 else ("", "")
            axes.set_xlabel(f"{shot.time_s:.1f}{unit}\n{name}{shot.reward:.1f}")


def draw_images(
    figure: Figure,
    titles: Sequence[str],
    rows: Sequence[Sequence[Pixels]],
    *,
    lines_below: int,
) -> list[list[Axes]]:
    """Draw titled rows of BGR images into an empty figure; return their axes.

    The figure becomes 12 inches wide and as high as that needs.

    Args:
        figure: Where to draw.
        titles: One per row.
        rows: Images of one size, shape (height, width, 3).
        lines_below: Lines of text that will stand below each image.

    Raises:
        ValueError: there is no image.
    """
    columns = max(map(len, rows), default=0)
    if not columns:
        raise ValueError("a figure of images must have at least one")
    height, width = rows[0][0].shape[:2]
    image_inches = WIDTH_INCHES / columns * height / width
    row_inches = TITLE_INCHES + image_inches + LINE_INCHES * lines_below
    figure.set_size_inches(WIDTH_INCHES, len(rows) * row_inches)
    parts: Any = figure.subfigures(len(rows), 1, squeeze=False)
    drawn = []
    for part, title, images in zip(parts[:, 0], titles, rows, strict=True):
        part.suptitle(title, x=0.005, ha="left", fontsize=10, weight="bold")
        axes = part.subplots(1, columns, squeeze=False)[0]
        for each in axes[len(images) :]:
            each.set_axis_off()
        for each, image in zip(axes, images, strict=False):
            _show(each, image)
        drawn.append(list(axes[: len(images)]))
    return drawn


def _show(axes: Axes, image: Pixels) -> None:
    axes.imshow(np.ascontiguousarray(image[:, :, ::-1]), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=True, linewidth=0.6)  # it may be white on white
