"""How well a policy does the task: noise-free episodes in the in-process world.

Lengths in images are given in pixels of an image 160 px wide, whatever the camera's size,
so that policies with other images compare.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ur5_rl_env.core.task import ACTION_PERIOD_S, FIRST_EVALUATION_EPISODE, NUM_ACTIONS
from ur5_rl_experiments.core.centring import seconds_to_centre, sight
from ur5_rl_experiments.core.statistics import (
    Interval,
    mean_interval,
    standard_error,
    wilson_interval,
)
from ur5_sim.core.observer import Observer, Seen
from ur5_sim.core.world import World, WorldStep

Act = Callable[[Seen], NDArray[np.float32]]  # an action in [-1, 1], shape (5,)


class Moment(NamedTuple):
    """An observation of an episode, and the step of the world that it came from."""

    step: WorldStep
    seen: Seen


@dataclass(frozen=True)
class EpisodeResult:
    """One episode in numbers.

    Attributes:
        return_sum: Sum of rewards, undiscounted.
        steps: Actions taken.
        seconds_to_centre: Until the dot's centroid is within 8 px of the image's centre
            and stays there for a second; infinite if it never does [s].
        tracking_error_px: Mean distance of the dot's centroid from the image's centre in
            the second half of the episode.
        limited_steps: Steps in which a safety limit changed the motion.
        final_mask_px: Red pixels of the last frame: how near the camera came.
    """

    return_sum: float
    steps: int
    seconds_to_centre: float
    tracking_error_px: float
    limited_steps: int
    final_mask_px: float

    @property
    def is_centred(self) -> bool:
        """Whether the dot was brought into the middle and kept there."""
        return math.isfinite(self.seconds_to_centre)


def episode_moments(
    world: World,
    observer: Observer,
    act: Act,
    episode: int,
    *,
    steps: int,
    delay_s: float,
) -> Iterator[Moment]:
    """Yield the `steps` + 1 observations of an episode as a policy acts in it.

    Args:
        world: Is reset first.
        observer: Of this world.
        act: Is asked after each observation but the last.
        episode: Seed of the target's motion and of the sensor's noise.
        steps: Actions to take.
        delay_s: From an observation until the arm follows the action [s].

    Raises:
        ValueError: `steps` is below 1.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    step = world.reset(episode)
    action = np.zeros(NUM_ACTIONS, np.float32)
    for _ in range(steps):
        moment = Moment(step, observer.observe(step, action))
        yield moment
        action = act(moment.seen)
        step = world.step(action, delay_s)
    yield Moment(step, observer.observe(step, action))


def run_episode(
    world: World,
    observer: Observer,
    act: Act,
    episode: int,
    *,
    steps: int,
    delay_s: float,
    period_s: float = ACTION_PERIOD_S,
) -> EpisodeResult:
    """Let a policy act through one episode, as `episode_moments`.

    `period_s` is the world's action period [s].
    """
    moments = episode_moments(world, observer, act, episode, steps=steps, delay_s=delay_s)
    rewards, dots, limited = [], [], 0
    for step, _ in moments:
        rewards.append(step.reward)
        dots.append(sight(step.frame))
        limited += step.is_limited
    distances_px = np.array([dot.distance_px for dot in dots])
    return EpisodeResult(
        return_sum=sum(rewards[1:]),  # the first image is no action's result
        steps=steps,
        seconds_to_centre=seconds_to_centre(distances_px, period_s),
        tracking_error_px=float(distances_px[(steps + 1) // 2 :].mean()),
        limited_steps=limited,
        final_mask_px=dots[-1].area_px,
    )


def evaluate(
    world: World,
    observer: Observer,
    act: Act,
    *,
    episodes: Sequence[int],
    steps: int,
    delay_s: float,
    period_s: float = ACTION_PERIOD_S,
) -> tuple[EpisodeResult, ...]:
    """Let a policy without memory act through several episodes; see `run_episode`."""
    return tuple(
        run_episode(
            world, observer, act, number,
            steps=steps, delay_s=delay_s, period_s=period_s,
        )
        for number in episodes
    )  # fmt: skip


def evaluation_episodes(count: int) -> range:
    """Return the episode numbers of an evaluation, which no training run reaches.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"episodes must be at least 1, got {count}")
    return range(FIRST_EVALUATION_EPISODE, FIRST_EVALUATION_EPISODE + count)


@dataclass(frozen=True)
class Summary:
    """Several episodes of one policy in numbers.

    Attributes:
        episodes: How many.
        mean_return: Over the episodes.
        standard_error: Of the mean return; NaN for one episode.
        minimum: Smallest return.
        return_interval: 95 % interval of the mean return: `mean_interval`.
        seconds_to_centre: Median; infinite if half of the dots were never centred [s].
        centred: Share of episodes in which the dot was centred.
        centred_interval: Its 95 % Wilson interval.
        tracking_error_px: Mean, see `EpisodeResult`.
        limited_steps: Sum over the episodes.
        final_mask_px: Mean.
    """

    episodes: int
    mean_return: float
    standard_error: float
    minimum: float
    return_interval: Interval
    seconds_to_centre: float
    centred: float
    centred_interval: Interval
    tracking_error_px: float
    limited_steps: int
    final_mask_px: float


def summary(results: Sequence[EpisodeResult]) -> Summary:
    """Summarise episodes.

    Raises:
        ValueError: there are none.
    """
    returns = [result.return_sum for result in results]
    interval = mean_interval(returns)
    centred = sum(result.is_centred for result in results)
    times_s = [result.seconds_to_centre for result in results]
    return Summary(
        episodes=len(results),
        mean_return=float(np.mean(returns)),
        standard_error=standard_error(returns),
        minimum=min(returns),
        return_interval=interval,
        seconds_to_centre=median(times_s),
        centred=centred / len(results),
        centred_interval=wilson_interval(centred, len(results)),
        tracking_error_px=float(np.mean([r.tracking_error_px for r in results])),
        limited_steps=sum(result.limited_steps for result in results),
        final_mask_px=float(np.mean([result.final_mask_px for result in results])),
    )
