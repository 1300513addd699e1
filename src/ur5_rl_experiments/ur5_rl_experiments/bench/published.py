"""Replay and mini-batches in the published structure, written for comparison.

After Yuan 2021 and the structure of its code: o and o' stacked and stored twice, pixels
converted to fp32, one crop after another in a Python loop, another for o than for o'.
The update beside it is `ReferenceSac` in published order.
"""

import numpy as np
import torch
from torch import Tensor

from sac_learner.core.batch import TensorBatch
from sac_learner.core.networks import NetworkConfig


class StackedReplay:
    """A full buffer of random transitions. Owned by one thread."""

    def __init__(
        self, size: int, network: NetworkConfig, rng: np.random.Generator
    ) -> None:
        shape = (size, network.channels, network.height_px, network.width_px)
        self._network, self._rng, self._size = network, rng, size
        self._frames = rng.integers(0, 256, shape, np.uint8)
        self._next_frames = rng.integers(0, 256, shape, np.uint8)
        self._joints = rng.normal(size=(2, size, network.proprioception))
        self._action = rng.uniform(-1.0, 1.0, (size, network.actions))

    def sample(self, count: int) -> TensorBatch:
        """Return a mini-batch, pixels as fp32 in 0..255."""
        rows = self._rng.integers(0, self._size, count)
        joints, next_joints = torch.from_numpy(self._joints[:, rows]).float()
        return TensorBatch(
            frames=self._cropped(torch.as_tensor(self._frames[rows]).float()),
            proprioception=joints,
            action=torch.from_numpy(self._action[rows]).float(),
            reward=torch.zeros(count),
            discount=torch.full((count,), 0.99),
            next_frames=self._cropped(torch.as_tensor(self._next_frames[rows]).float()),
            next_proprioception=next_joints,
        )

    def _cropped(self, frames: Tensor) -> Tensor:
        rows, columns = self._network.cropped
        out = torch.empty((*frames.shape[:2], rows, columns))
        for i, image in enumerate(frames):
            top = int(self._rng.integers(0, self._network.crop_rows + 1))
            left = int(self._rng.integers(0, self._network.crop_columns + 1))
            out[i] = image[:, top : top + rows, left : left + columns]
        return out
