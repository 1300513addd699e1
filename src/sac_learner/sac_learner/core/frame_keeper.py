"""How long a camera frame is kept: until no stored step shows it any more."""

from collections import deque
from collections.abc import Iterable

from sac_learner.core.frame_store import FrameStore
from sac_learner.core.time_step import TimeStep

HELD_BYTES = 40  # of a slot number in a deque


class FrameKeeper:
    """Finds the frames of the newest stack by name, and frees what no step shows.

    Frames in use are ordered 0, 1, 2 ... by their first use; as steps are dropped oldest
    first, so are they. Owned by one thread.

    Attributes:
        unused: Frames that came, and no step that could be stored showed them.
    """

    def __init__(self, store: FrameStore) -> None:
        self.unused = 0
        self._store = store
        self._slots: dict[int, int] = {}  # frame id -> slot, of the newest stack
        self._orders: dict[int, int] = {}  # slot -> order, of those of them in use
        self._in_use: deque[int] = deque()  # slots, oldest first
        self._used = 0  # so many were ever in use

    @property
    def nbytes(self) -> int:
        """Bytes of memory taken, without the pixels."""
        return len(self._in_use) * HELD_BYTES

    def take(self, step: TimeStep) -> bool:
        """Store a step's new frames; return whether its stack is complete."""
        self._forget([name for name in self._slots if name not in step.stack_ids])
        self._forget([name for name in step.frame_ids if name in self._slots])
        for name, frame in zip(step.frame_ids, step.frames, strict=True):
            self._slots[name] = self._store.add(frame)
        return len(self._slots) == len(set(step.stack_ids))

    def use(self, stack_ids: Iterable[int]) -> tuple[list[int], int]:
        """Return the slots of the newest stack, and the order of its oldest frame."""
        slots = [self._slots[name] for name in stack_ids]
        return slots, min(self._order(slot) for slot in slots)

    def forget_names(self) -> None:
        """Let the next frames be others, whatever their names: another run begins."""
        self._forget(list(self._slots))

    def release_before(self, order: int) -> None:
        """Free the frames in use that are older than this one."""
        while self._used - len(self._in_use) < order:
            self._store.release(self._in_use.popleft())

    def _forget(self, names: list[int]) -> None:
        """Forget names; free frames that are not in use, so that none pile up."""
        for name in names:
            slot = self._slots.pop(name)
            if self._orders.pop(slot, None) is None:
                self._store.release(slot)
                self.unused += 1

    def _order(self, slot: int) -> int:
        """Return the order of the frame in a slot, which is in use from now on."""
        if slot not in self._orders:
            self._orders[slot] = self._used
            self._used += 1
            self._in_use.append(slot)
        return self._orders[slot]
