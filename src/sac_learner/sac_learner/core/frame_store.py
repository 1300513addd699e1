"""Camera frames, each kept once, in memory that grows with what is used."""

import numpy as np
import torch

from sac_learner.core.bounded_file import in_one_line
from sac_learner.core.device import usable_device
from sac_learner.core.frame_memory import (
    Frame,
    FrameMemory,
    HostMemory,
    Images,
    Numbers,
    TensorMemory,
)
from sac_learner.core.time_step import COLOURS

HOST = "host"  # numpy; anything else names a torch device


class FrameStore:
    """Slots for frames of one shape. Owned by one thread.

    Freed slots are reused before new memory is taken, so the memory in use is that of
    the largest number of frames ever held at one time.
    """

    def __init__(
        self, height: int, width: int, device: str = HOST, expected: int = 0
    ) -> None:
        """Keep frames in host memory or on a torch device, which sets `expected` aside.

        Raises:
            ValueError: there is no such device, or it has too little memory.
        """
        self.shape = (COLOURS, height, width)
        self._memory = self._memory_on(device, expected)
        self._slots = 0
        self._free: list[int] = []

    def _memory_on(self, device: str, expected: int) -> FrameMemory:
        if device == HOST:
            return HostMemory(self.shape)
        place = usable_device(device, "replay_device")
        try:
            return TensorMemory(self.shape, place, expected)
        except torch.OutOfMemoryError as error:
            raise ValueError(f"replay_device '{device}': {in_one_line(error)}") from None

    def __len__(self) -> int:
        """Frames held."""
        return self._slots - len(self._free)

    def __getitem__(self, slot: int) -> Frame:
        """Return the frame in a slot, shape (3, height, width)."""
        return self._memory.read(slot)

    @property
    def nbytes(self) -> int:
        """Bytes taken for pixels, those of free slots included."""
        return self._memory.nbytes

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
        self._memory.write(slot, frame)
        return slot

    def release(self, slot: int) -> None:
        """Give a slot back; its content may be overwritten from now on."""
        self._free.append(slot)

    def crop_into(
        self, images: Images, slots: Numbers, tops: Numbers, lefts: Numbers
    ) -> None:
        """Copy cropped stacks of frames, as `FrameMemory.crop_into` says."""
        self._memory.crop_into(images, slots, tops, lefts)

    def _grow(self) -> None:
        first = self._slots
        self._slots += self._memory.grow()
        self._free.extend(reversed(range(first, self._slots)))
