"""Where the pixels of the frame store lie: in host memory, or on the device that learns.

Both hold frames uint8 (3, height, width) in numbered slots and give the same batches; the
images of a batch are (B, C, rows, columns) views of (B, rows, columns, C) memory, because
that is what convolutions want.
"""

import math
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sac_learner.core.stack_crop import compiled_crop
from sac_learner.core.time_step import COLOURS, STACK_FRAMES

BLOCK_FRAMES = 128

Frame = NDArray[np.uint8]
Images = NDArray[np.uint8] | Tensor
Numbers = NDArray[np.int64]


class FrameMemory(Protocol):
    """Slots that only ever become more. Owned by one thread."""

    @property
    def nbytes(self) -> int:
        """Bytes taken."""

    def grow(self) -> int:
        """Take more memory; return how many slots that adds."""

    def write(self, slot: int, frame: Frame) -> None:
        """Copy a frame into a slot."""

    def read(self, slot: int) -> Frame:
        """Return the frame in a slot."""

    def crop_into(
        self, images: Images, slots: Numbers, tops: Numbers, lefts: Numbers
    ) -> None:
        """Fill images (B, 9, rows, columns) with the stacks in `slots` (B, 3).

        Each is cut out of its frames at row `tops` (B,) and column `lefts` (B,).

        Raises:
            ValueError: the images are not laid out as `empty_batch` does it, or a place
                is not in the frames.
        """


class HostMemory:
    """Blocks of host memory, taken as they are needed.

    All images are gathered, cropped and interleaved by one call of `stack_crop.c`, which
    lets other threads run meanwhile; where it cannot be built, by one call of OpenCV for
    each. For 128 images of 160 x 90 that takes one core 3 ms (OpenCV: 5 ms; copying as
    many bytes: 2 ms), and their conversion to bf16 2 ms more in the thread that learns.
    Planar batches take 2 ms here, but 11 ms there.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._shape = shape
        self._blocks: list[Frame] = []
        self._addresses = np.zeros(0, np.int64)  # of the blocks
        self._crop = compiled_crop()

    @property
    def nbytes(self) -> int:
        return sum(block.nbytes for block in self._blocks)

    def grow(self) -> int:
        self._blocks.append(np.empty((BLOCK_FRAMES, *self._shape), np.uint8))
        self._addresses = np.array([block.ctypes.data for block in self._blocks])
        return BLOCK_FRAMES

    def write(self, slot: int, frame: Frame) -> None:
        self.read(slot)[...] = frame

    def read(self, slot: int) -> Frame:
        frame: Frame = self._blocks[slot // BLOCK_FRAMES][slot % BLOCK_FRAMES]
        return frame

    def crop_into(
        self, images: Images, slots: Numbers, tops: Numbers, lefts: Numbers
    ) -> None:
        _check(images, slots)
        assert isinstance(images, np.ndarray)
        height, width = self._shape[1:]
        _check_places(tops, len(slots), height - images.shape[2])
        _check_places(lefts, len(slots), width - images.shape[3])
        interleaved = images.transpose(0, 2, 3, 1)
        if self._crop is None:
            self._merge_into(interleaved, slots, tops, lefts)
        else:
            places = slots % BLOCK_FRAMES * math.prod(self._shape)
            frames = self._addresses[slots // BLOCK_FRAMES] + places
            self._crop(interleaved, frames, tops * width + lefts, (height, width))

    def _merge_into(
        self, images: Frame, slots: Numbers, tops: Numbers, lefts: Numbers
    ) -> None:
        """Fill images (B, rows, columns, 9) without the compiled function."""
        rows, columns = images.shape[1:3]
        for image, stack, top, left in zip(
            images, slots.tolist(), tops.tolist(), lefts.tolist(), strict=True
        ):
            planes: list[Frame] = []
            for slot in stack:
                frame = self.read(slot)
                planes.extend(frame[:, top : top + rows, left : left + columns])
            cv2.merge(planes, image)


class TensorMemory:
    """Blocks of tensors; the first holds `expected` frames and is taken at once.

    So a device that is too small is noticed at the start. Pixels cross the bus once, when
    they come. All work is queued on the device's current stream: the update must run on
    the same one.
    """

    def __init__(
        self, shape: tuple[int, int, int], device: torch.device, expected: int
    ) -> None:
        self._shape = shape
        self._device = device
        self._blocks: list[Tensor] = []
        self._firsts: list[int] = []  # slot number of each block's first frame
        self._unused = self._take(expected)
        self._later = max(BLOCK_FRAMES, expected // 32)

    @property
    def nbytes(self) -> int:
        return sum(block.nbytes for block in self._blocks)

    def grow(self) -> int:
        unused, self._unused = self._unused, 0
        return unused or self._take(self._later)

    def write(self, slot: int, frame: Frame) -> None:
        self._view(slot).copy_(torch.tensor(frame))

    def read(self, slot: int) -> Frame:
        frame: Frame = self._view(slot).cpu().numpy()
        return frame

    def crop_into(
        self, images: Images, slots: Numbers, tops: Numbers, lefts: Numbers
    ) -> None:
        _check(images, slots)
        assert isinstance(images, Tensor)
        rows, columns = images.shape[2:]
        stacks = images.view(*slots.shape, COLOURS, rows, columns)
        for first, block in zip(self._firsts, self._blocks, strict=True):
            image, place = np.nonzero((slots >= first) & (slots < first + len(block)))
            frame = slots[image, place] - first
            indices = np.stack([image, place, frame, tops[image], lefts[image]])
            i, k, n, top, left = torch.from_numpy(indices).to(self._device)
            windows = block.unfold(2, rows, 1).unfold(3, columns, 1)  # (N, 3, T, L, ...)
            stacks[i, k] = windows[n, :, top, left]

    def _view(self, slot: int) -> Tensor:
        block = int(np.searchsorted(self._firsts, slot, side="right")) - 1
        return self._blocks[block][slot - self._firsts[block]]

    def _take(self, frames: int) -> int:
        self._firsts.append(sum(map(len, self._blocks)))
        size = (frames, *self._shape)
        self._blocks.append(torch.empty(size, dtype=torch.uint8, device=self._device))
        return frames


def _check(images: Images, slots: Numbers) -> None:
    """Refuse what compiled code would take for something else, or fill a copy of."""
    wanted = (len(slots), COLOURS * STACK_FRAMES)
    if tuple(images.shape[:2]) != wanted or slots.shape[1] != STACK_FRAMES:
        raise ValueError(
            f"images must be {wanted} of any size for stacks of {STACK_FRAMES}, "
            f"got {tuple(images.shape)} for {slots.shape}"
        )
    strides = images.stride() if isinstance(images, Tensor) else images.strides
    batch, channels, rows, columns = images.shape
    if tuple(strides) != (rows * columns * channels, 1, columns * channels, channels):
        raise ValueError(f"images must be channels-last bytes, got strides {strides}")


def _check_places(places: Numbers, count: int, last: int) -> None:
    """Refuse crops that leave their frames, before compiled code reads there."""
    if places.shape != (count,) or (places < 0).any() or (places > last).any():
        raise ValueError(f"places must be {count} in [0, {last}], got {places}")
