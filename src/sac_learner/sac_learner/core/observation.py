"""What a policy sees at one tick of the action cycle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ur5_rl_env.core.task import NUM_ACTIONS, NUM_PROPRIOCEPTION, STACK_FRAMES

COLOURS = 3  # B, G, R
CHANNELS = COLOURS * STACK_FRAMES


@dataclass(frozen=True)
class Observation:
    """One observation of one episode; checked when it is made, never changed after.

    Attributes:
        run_id: Random number of the environment process that sent it.
        episode: Counts from 1 in a run.
        step: Counts from 0 in an episode.
        steady_ns: Instant of publication on the steady clock [ns].
        frames: The last three camera frames, BGR, channels first, oldest first,
            shape (9, height, width).
        proprioception: q[5] [rad], qd[5] / max joint speed, previous action[5],
            shape (15,).
        policy_version: Oldest policy that may answer; 0: any (unless sequential).
    """

    run_id: int
    episode: int
    step: int
    steady_ns: int
    frames: NDArray[np.uint8]
    proprioception: NDArray[np.float32]
    policy_version: int = 0

    def __post_init__(self) -> None:
        shape = self.frames.shape
        if self.frames.dtype != np.uint8 or shape[:1] != (CHANNELS,) or len(shape) != 3:
            raise ValueError(
                f"frames must be uint8 ({CHANNELS}, height, width), "
                f"got {self.frames.dtype} {shape}"
            )
        if self.proprioception.shape != (NUM_PROPRIOCEPTION,):
            raise ValueError(
                f"proprioception must have shape ({NUM_PROPRIOCEPTION},), "
                f"got {self.proprioception.shape}"
            )
        if not np.isfinite(self.proprioception).all():
            raise ValueError(f"proprioception must be finite, got {self.proprioception}")

    @property
    def q(self) -> NDArray[np.float64]:
        """Positions of the five moving joints [rad], pan first, shape (5,)."""
        return self.proprioception[:NUM_ACTIONS].astype(np.float64)

    @property
    def newest_image(self) -> NDArray[np.uint8]:
        """Newest camera frame, BGR, shape (height, width, 3)."""
        return np.ascontiguousarray(self.frames[-COLOURS:].transpose(1, 2, 0))
