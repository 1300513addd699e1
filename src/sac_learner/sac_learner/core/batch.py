"""A mini-batch of transitions: filled by the replay buffer, consumed by the update."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sac_learner.core.networks import NetworkConfig


class Batch(NamedTuple):
    """B transitions (o, a, r, o'). Frames are cropped bytes, the rest is fp32.

    `discount` is what the value of o' counts for: gamma ** n, or 0 where the task ended.
    Frames are (B, C, H, W) views of (B, H, W, C) memory: torch's channels-last, so that
    the update converts their type and moves nothing.
    """

    frames: NDArray[np.uint8]  # (B, C, H, W)
    proprioception: NDArray[np.float32]  # (B, P)
    action: NDArray[np.float32]  # (B, A)
    reward: NDArray[np.float32]  # (B,)
    discount: NDArray[np.float32]  # (B,)
    next_frames: NDArray[np.uint8]  # (B, C, H, W)
    next_proprioception: NDArray[np.float32]  # (B, P)


class TensorBatch(NamedTuple):
    """The same, as tensors on the device that learns."""

    frames: Tensor
    proprioception: Tensor
    action: Tensor
    reward: Tensor
    discount: Tensor
    next_frames: Tensor
    next_proprioception: Tensor


AnyBatch = Batch | TensorBatch  # the first from host memory, the second from a device


def empty_batch(size: int, network: NetworkConfig) -> Batch:
    """Return a batch to be filled again and again; its memory is touched here, once."""
    frames = (size, *network.cropped, network.channels)
    proprioception = (size, network.proprioception)
    return Batch(
        frames=np.zeros(frames, np.uint8).transpose(0, 3, 1, 2),
        proprioception=np.zeros(proprioception, np.float32),
        action=np.zeros((size, network.actions), np.float32),
        reward=np.zeros(size, np.float32),
        discount=np.zeros(size, np.float32),
        next_frames=np.zeros(frames, np.uint8).transpose(0, 3, 1, 2),
        next_proprioception=np.zeros(proprioception, np.float32),
    )


def on_device(batch: AnyBatch, device: torch.device) -> TensorBatch:
    """Return the batch on `device`, frames still bytes; it shares memory where it can."""
    return TensorBatch(*(torch.as_tensor(array, device=device) for array in batch))
