"""Figures 8.4 and 8.5 of a checkpoint, as PNG files in the style of the run's picture."""

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ur5_rl_bringup.core.picture import STYLE
from ur5_rl_env.core.task import FIRST_EVALUATION_EPISODE, MAX_JOINT_SPEED_RAD_S
from ur5_rl_experiments.core.attention import draw_attention, looks_of
from ur5_rl_experiments.core.contender import Contender
from ur5_rl_experiments.core.evaluation import Moment, episode_moments
from ur5_rl_experiments.core.filmstrip import draw_filmstrip, film_of
from ur5_rl_experiments.core.png_file import DPI, save_png
from ur5_sim.core.observer import Observer
from ur5_sim.core.world import World

LOOK_PERIOD_S = 0.8  # six looks of 4 s


def save_pictures(
    folder: Path, policies: Mapping[str, Contender], *, delay_s: float
) -> tuple[Path, Path]:
    """Write the figures of the first evaluation episode of each task; return them.

    Args:
        folder: Where they go.
        policies: What acts in each task; with a network.
        delay_s: From an observation to the arm's answer [s].

    Raises:
        OSError: one could not be written.
    """
    films, looks = [], []
    for task, contender in policies.items():
        assert contender.network is not None
        title, period_s = _title(contender, task), contender.period_s
        moments = _moments(contender, task, delay_s)
        seen = looks_of(
            contender.network, moments, period_s=period_s, every_s=LOOK_PERIOD_S
        )
        films.append(film_of(title, moments, period_s=period_s))
        looks.append((title, seen))
    strip, attention = folder / "filmstrip.png", folder / "attention.png"
    _save(strip, lambda figure: draw_filmstrip(figure, films))
    _save(attention, lambda figure: draw_attention(figure, looks))
    return strip, attention


def _title(contender: Contender, task: str) -> str:
    """Return what a row shows; nobody expects a policy where it has not learnt."""
    learnt = f" (learnt {contender.task})" if contender.task not in ("", task) else ""
    return f"{task.capitalize()}{learnt}"


def _moments(contender: Contender, task: str, delay_s: float) -> list[Moment]:
    world, observer = World(contender.world(task)), Observer(MAX_JOINT_SPEED_RAD_S)
    episode = FIRST_EVALUATION_EPISODE
    act = contender.act_in(episode)
    steps = contender.steps
    return list(
        episode_moments(world, observer, act, episode, steps=steps, delay_s=delay_s)
    )


def _save(path: Path, draw: Callable[[Figure], None]) -> None:
    with rc_context(STYLE):
        figure = Figure(dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        save_png(figure, path)
