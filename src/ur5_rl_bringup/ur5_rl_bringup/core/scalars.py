"""Names and values of what TensorBoard shows. Every name carries its unit."""

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from ur5_rl_bringup.core.samples import Array, Episode, LearnerSample, Timing

Scalar = tuple[str, float]

EPISODE_SCALARS = (
    "steps",
    "duration_s",
    "reset_s",
    "missed_actions",
    "held_observations",
    "limited_steps",
    "synchronisation_misses",
)


def episode_scalars(episode: Episode, timing: Timing) -> Iterator[Scalar]:
    """Yield what one episode was worth and how punctual it was."""
    if episode.is_complete:
        yield "episode/return", episode.return_sum
    for name in EPISODE_SCALARS:
        yield f"episode/{name}", float(getattr(episode, name))
    yield from _statistics("timing/cycle", "ms", timing.cycle_ms, (50, 99))
    yield from _statistics("timing/lateness", "ms", timing.lateness_ms, (50, 99))
    wait_ms = timing.learner_wait_ms
    yield from _statistics("timing/learner_wait", "ms", wait_ms, (50, 99))
    latency_ms = timing.observation_to_command_ms
    yield from _statistics("timing/observation_to_command", "ms", latency_ms, (50, 99))
    yield from _statistics("timing/policy_age", "s", timing.policy_age_s, (50, 99))


def _statistics(
    name: str, unit: str, values: Array, percents: tuple[int, ...]
) -> Iterator[Scalar]:
    if not values.size:
        return
    yield f"{name}_mean_{unit}", float(values.mean())
    yield f"{name}_max_{unit}", float(values.max())
    for percent, value in zip(percents, np.percentile(values, percents), strict=True):
        yield f"{name}_p{percent}_{unit}", float(value)


def learner_scalars(sample: LearnerSample) -> Iterator[Scalar]:
    """Yield every number of the learner's status under its own name."""
    for field in fields(sample):
        value = getattr(sample, field.name)
        if not isinstance(value, str):
            yield f"learner/{field.name}", float(value)
