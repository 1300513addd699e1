"""One time step of experience, as the environment sent it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLOURS = 3  # B, G, R
STACK_FRAMES = 3
MAX_NUMBER = 1e6  # far beyond any arm and reward, far below what makes a network overflow


@dataclass(frozen=True)
class TimeStep:
    """What an action led to and the observation after it (RLDS order); never changed.

    Attributes:
        run_id: Random number of the environment process that sent it.
        sequence: Counts from 1 in a run; a gap means a lost message.
        episode: Counts from 1 in a run.
        step: Of the observation in its episode, from 0.
        is_first: First observation of an episode: action and reward mean nothing.
        is_last: Last observation of an episode.
        is_terminal: The task ended here; False after a time limit.
        action: From the previous observation to this one, in [-1, 1], shape (A,).
        reward: Earned with this observation.
        stack_ids: Numbers of the camera frames of the observation, oldest first, (3,).
        frame_ids: Numbers of `frames`, ascending, (n,).
        frames: Those frames that no earlier step carried, uint8 (n, 3, height, width).
        proprioception: Joint state, shape (P,).
    """

    run_id: int
    sequence: int
    episode: int
    step: int
    is_first: bool
    is_last: bool
    is_terminal: bool
    action: NDArray[np.float32]
    reward: float
    stack_ids: tuple[int, ...]
    frame_ids: tuple[int, ...]
    frames: NDArray[np.uint8]
    proprioception: NDArray[np.float32]

    def __post_init__(self) -> None:
        if len(self.stack_ids) != STACK_FRAMES or sorted(self.stack_ids) != list(
            self.stack_ids
        ):
            raise ValueError(f"stack_ids must be 3 ascending, got {self.stack_ids}")
        if sorted(set(self.frame_ids)) != list(self.frame_ids):
            raise ValueError(f"frame_ids must ascend, got {self.frame_ids}")
        if unused := set(self.frame_ids) - set(self.stack_ids):
            raise ValueError(f"frames {sorted(unused)} are not in {self.stack_ids}")
        if (
            self.frames.shape[:2] != (len(self.frame_ids), COLOURS)
            or self.frames.ndim != 4
        ):
            raise ValueError(
                f"frames must be ({len(self.frame_ids)}, {COLOURS}, height, width), "
                f"got {self.frames.shape}"
            )
        numbers = (*self.action.tolist(), self.reward, *self.proprioception.tolist())
        if not np.isfinite(numbers).all():
            raise ValueError(
                f"action {self.action}, reward {self.reward} and proprioception "
                f"{self.proprioception} must be finite"
            )
        if np.abs(numbers).max() > MAX_NUMBER:
            raise ValueError(
                f"reward {self.reward} and proprioception {self.proprioception} must "
                f"lie in +-{MAX_NUMBER:g}"
            )
        if np.abs(self.action).max(initial=0.0) > 1.0:
            raise ValueError(f"action must be in [-1, 1], got {self.action}")
        if self.is_terminal and not self.is_last:
            raise ValueError("is_terminal without is_last")

    def follows(self, other: "TimeStep | None") -> bool:
        """Whether `other` is the step right before this one, in the same episode."""
        return (
            other is not None
            and not self.is_first
            and not other.is_last
            and self.run_id == other.run_id
            and self.sequence == other.sequence + 1
            and self.episode == other.episode
            and self.step == other.step + 1
        )
