import numpy as np
import pytest

from sac_learner.core.frame_store import BLOCK_FRAMES, FrameStore


def frame(number):
    return np.full((3, 2, 4), number, np.uint8)


def test_frames_come_back_as_they_went_in_across_blocks():
    store = FrameStore(2, 4)
    slots = [store.add(frame(i % 251)) for i in range(BLOCK_FRAMES + 3)]
    assert len(set(slots)) == len(store) == BLOCK_FRAMES + 3
    for i, slot in enumerate(slots):
        assert (store[slot] == i % 251).all()


def test_freed_slots_are_used_before_new_memory():
    store = FrameStore(2, 4)
    slots = [store.add(frame(1)) for _ in range(BLOCK_FRAMES)]
    store.release(slots[7])
    assert store.add(frame(2)) == slots[7]
    assert len(store) == BLOCK_FRAMES


def test_a_frame_is_copied_not_referenced():
    store, original = FrameStore(2, 4), frame(1)
    slot = store.add(original)
    original[...] = 9
    assert (store[slot] == 1).all()


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 2, 5), np.uint8),
        np.zeros((3, 2, 4), np.float32),
        np.zeros((2, 4), np.uint8),
    ],
)
def test_fault_another_shape_or_type_is_refused(wrong):
    store = FrameStore(2, 4)
    with pytest.raises(ValueError, match="frame must be uint8"):
        store.add(wrong)
    assert len(store) == 0
