"""Time steps whose every value follows from their number: nothing is mixed up unseen."""

import array
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sac_learner.core.time_step import COLOURS, STACK_FRAMES, TimeStep
from ur5_rl_interfaces.msg import Transition

HEIGHT, WIDTH = 32, 40
EPISODE_STEPS = 50
FRAMES_PER_EPISODE = EPISODE_STEPS + STACK_FRAMES - 1


class Place(NamedTuple):
    """Where a time step lies in its run; episodes count from 1, steps from 0."""

    episode: int
    step: int
    stack_ids: tuple[int, ...]
    frame_ids: tuple[int, ...]


def place_of(sequence: int) -> Place:
    """Return the place of the time step with that number, from 1."""
    episode, step = divmod(sequence - 1, EPISODE_STEPS)
    first = episode * FRAMES_PER_EPISODE + step + 1
    stack = tuple(range(first, first + STACK_FRAMES))
    return Place(episode + 1, step, stack, stack if step == 0 else stack[-1:])


def frames_of(numbers: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return camera frames that show their numbers, (n, 3, HEIGHT, WIDTH)."""
    frames = np.empty((len(numbers), COLOURS, HEIGHT, WIDTH), np.uint8)
    for frame, number in zip(frames, numbers, strict=True):
        for channel in range(COLOURS):
            frame[channel] = number >> 8 * channel & 255
    return frames


def message(run_id: int, sequence: int) -> Transition:
    """Return the time step with that number as env_node would send it."""
    place = place_of(sequence)
    return Transition(
        run_id=run_id,
        sequence=sequence,
        episode=place.episode,
        step=place.step,
        is_first=place.step == 0,
        is_last=place.step == EPISODE_STEPS - 1,
        action=_action(sequence),
        reward=float(sequence % 1000),
        height=HEIGHT,
        width=WIDTH,
        stack_ids=np.array(place.stack_ids, np.uint64),
        frame_ids=array.array("Q", place.frame_ids),
        frames=array.array("B", frames_of(place.frame_ids).tobytes()),
        proprioception=np.full(15, sequence, np.float32),
    )


def is_right(step: TimeStep) -> bool:
    """Whether a time step holds what the one with its number was sent with."""
    place, sequence = place_of(step.sequence), step.sequence
    return (
        (step.episode, step.step) == (place.episode, place.step)
        and step.is_first == (place.step == 0)
        and step.is_last == (place.step == EPISODE_STEPS - 1)
        and not step.is_terminal
        and (step.stack_ids, step.frame_ids) == (place.stack_ids, place.frame_ids)
        and step.reward == float(sequence % 1000)
        and bool((step.action == _action(sequence)).all())
        and bool((step.proprioception == np.float32(sequence)).all())
        and bool((step.frames == frames_of(place.frame_ids)).all())
    )


def _action(sequence: int) -> NDArray[np.float32]:
    return np.full(5, sequence % 1000 / 1000, np.float32)
