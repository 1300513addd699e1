"""Camera frames, each kept once, in memory that grows with what is used."""

import numpy as np
from numpy.typing import NDArray

BLOCK_FRAMES = 512

Frame = NDArray[np.uint8]


class FrameStore:
    """Slots for frames of one shape. Owned by one thread.

    Freed slots are reused before new memory is taken, so the memory in use is that of
    the largest number of frames ever held at one time.
    """

    def __init__(self, height: int, width: int) -> None:
        self.shape = (3, height, width)
        self._blocks: list[Frame] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        """Frames held."""
        return len(self._blocks) * BLOCK_FRAMES - len(self._free)

    def __getitem__(self, slot: int) -> Frame:
        """Return the frame in a slot, a view, shape (3, height, width)."""
        frame: Frame = self._blocks[slot // BLOCK_FRAMES][slot % BLOCK_FRAMES]
        return frame

    def add(self, frame: Frame) -> int:
        """Copy a frame into a free slot and return the slot.

        Raises:
            ValueError: its shape is not that of this store.
        """
        if frame.shape != self.shape or frame.dtype != np.uint8:
            raise ValueError(
                f"frame must be uint8 {self.shape}, got {frame.dtype} {frame.shape}"
            )
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self[slot][...] = frame
        return slot

    def release(self, slot: int) -> None:
        """Give a slot back; its content may be overwritten from now on."""
        self._free.append(slot)

    def _grow(self) -> None:
        first = len(self._blocks) * BLOCK_FRAMES
        self._blocks.append(np.empty((BLOCK_FRAMES, *self.shape), np.uint8))
        self._free.extend(reversed(range(first, first + BLOCK_FRAMES)))
