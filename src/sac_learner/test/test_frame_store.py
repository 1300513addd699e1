"""The frame store, in host memory and in tensors: the same frames, the same crops."""

import numpy as np
import pytest
import torch

from sac_learner.core.batch import empty_batch
from sac_learner.core.frame_memory import BLOCK_FRAMES, HostMemory, TensorMemory
from sac_learner.core.frame_store import HOST, FrameStore

DEVICES = [HOST, "cpu"]  # a GPU runs the code of the second


def frame(number):
    return np.full((3, 2, 4), number, np.uint8)


@pytest.fixture(params=DEVICES)
def store(request):
    return FrameStore(2, 4, request.param, expected=100)


def test_frames_come_back_as_they_went_in_across_blocks(store):
    slots = [store.add(frame(i % 251)) for i in range(BLOCK_FRAMES + 103)]
    assert len(set(slots)) == len(store) == BLOCK_FRAMES + 103
    for i, slot in enumerate(slots):
        assert (store[slot] == i % 251).all()


def test_freed_slots_are_used_before_new_memory(store):
    slots = [store.add(frame(1)) for _ in range(BLOCK_FRAMES)]
    taken = store.nbytes
    store.release(slots[7])
    assert store.add(frame(2)) == slots[7]
    assert len(store) == BLOCK_FRAMES
    assert store.nbytes == taken


def test_a_frame_is_copied_not_referenced(store):
    original = frame(1)
    slot = store.add(original)
    original[...] = 9
    assert (store[slot] == 1).all()


def test_a_frame_may_be_read_only(store):
    original = frame(3)
    original.flags.writeable = False  # as a message gives it
    assert (store[store.add(original)] == 3).all()


def test_host_memory_is_taken_block_by_block_and_a_device_sets_it_aside():
    host, device = HostMemory((3, 2, 4)), TensorMemory((3, 2, 4), torch.device("cpu"), 9)
    assert (host.nbytes, device.nbytes) == (0, 9 * 24)
    assert [host.grow(), host.grow()] == [BLOCK_FRAMES, BLOCK_FRAMES]
    assert [device.grow(), device.grow()] == [9, BLOCK_FRAMES]
    assert host.nbytes == 2 * BLOCK_FRAMES * 24
    assert device.nbytes == (9 + BLOCK_FRAMES) * 24


def test_both_memories_cut_the_same_stacks_as_plain_indexing(network):
    rng = np.random.default_rng(0)
    size = (network.height_px, network.width_px)
    frames = rng.integers(0, 256, (BLOCK_FRAMES + 90, 3, *size), dtype=np.uint8)
    slots = rng.integers(0, len(frames), (16, 3))
    tops, lefts = rng.integers(0, 1, 16), rng.integers(0, 3, 16)
    rows, columns = network.cropped
    for device in DEVICES:
        store = FrameStore(*size, device, expected=40)
        places = np.array([store.add(image) for image in frames])
        images = empty_batch(16, network).frames
        target = images if device == HOST else torch.from_numpy(images)
        store.crop_into(target, places[slots], tops, lefts)
        for i, (top, left) in enumerate(zip(tops, lefts, strict=True)):
            stack = frames[slots[i]].reshape(9, *size)
            wanted = stack[:, top : top + rows, left : left + columns]
            np.testing.assert_array_equal(images[i], wanted)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((3, 2, 5), np.uint8),
        np.zeros((3, 2, 4), np.float32),
        np.zeros((2, 4), np.uint8),
    ],
)
def test_fault_another_shape_or_type_is_refused(store, wrong):
    with pytest.raises(ValueError, match="frame must be uint8"):
        store.add(wrong)
    assert len(store) == 0


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 9, 2, 3), np.uint8), "channels-last"),
        (np.zeros((2, 2, 3, 6), np.uint8).transpose(0, 3, 1, 2), "must be"),
        (np.zeros((3, 2, 3, 9), np.uint8).transpose(0, 3, 1, 2), "must be"),
    ],
)
def test_fault_images_that_would_stay_empty_are_refused(store, images, message):
    slots = np.full((2, 3), store.add(frame(1)))
    place = np.zeros(2, np.int64)
    with pytest.raises(ValueError, match=message):
        store.crop_into(images, slots, place, place)
    with pytest.raises(ValueError, match=message):
        store.crop_into(torch.from_numpy(images), slots, place, place)


def test_fault_an_unknown_device_is_noticed_at_the_start():
    with pytest.raises(RuntimeError, match="gpu"):
        FrameStore(2, 4, "gpu:0")
