"""What a policy sees of the in-process world: the observation that env_node publishes."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from target_display.core.drawing import Pixels
from ur5_rl_env.core.proprioception import proprioception
from ur5_rl_env.core.task import NUM_ACTIONS
from ur5_sim.core.world import WorldStep


class Seen(NamedTuple):
    """One observation.

    Attributes:
        frames: The last three camera frames, BGR, channels first, oldest first, uint8,
            shape (9, height, width).
        proprioception: See `ur5_rl_env.core.proprioception`, shape (15,).
    """

    frames: NDArray[np.uint8]
    proprioception: NDArray[np.float32]


class Observer:
    """Turns steps of the world into observations. Owned by one thread.

    Each camera frame is brought into channels-first order once, however many stacks it
    is part of.
    """

    def __init__(self, max_joint_speed_rad_s: float) -> None:
        self._max_joint_speed_rad_s = max_joint_speed_rad_s
        self._planes: dict[int, Pixels] = {}  # by frame number

    def planes(self, step: WorldStep) -> dict[int, Pixels]:
        """Return the frames of a step by number, ascending, each (3, height, width)."""
        before = self._planes
        self._planes = {}
        for name, frame in zip(step.frame_ids, step.frames, strict=True):
            if name not in self._planes:
                known = before.get(name)
                self._planes[name] = _planes(frame) if known is None else known
        return self._planes

    def observe(
        self, step: WorldStep, previous_action: NDArray[np.float32] | None = None
    ) -> Seen:
        """Return the observation of a step.

        Args:
            step: Of the world, the newest.
            previous_action: In force until now, shape (5,); None at an episode's start.
        """
        if previous_action is None:
            previous_action = np.zeros(NUM_ACTIONS, np.float32)
        planes = self.planes(step)
        frames = np.concatenate([planes[name] for name in step.frame_ids])
        return Seen(
            frames,
            proprioception(step.q, step.qd, previous_action, self._max_joint_speed_rad_s),
        )


def _planes(frame: Pixels) -> Pixels:
    planes = np.empty((3, *frame.shape[:2]), np.uint8)
    cv2.split(frame, list(planes))  # written in place; half the time of a transposition
    return planes
