"""The frame store, in host memory and in tensors: the same frames, the same crops."""

import shutil

import numpy as np
import pytest
import torch

from sac_learner.core import frame_memory, stack_crop
from sac_learner.core.frame_memory import BLOCK_FRAMES, HostMemory, TensorMemory
from sac_learner.core.frame_store import HOST, FrameStore
from sac_learner.core.stack_crop import COMPILER, compiled_crop

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


def filled_store(images, device):
    """Return a store of the images (N, 3, H, W) and their slots (N,)."""
    store = FrameStore(*images.shape[2:], device, expected=40)
    return store, np.array([store.add(image) for image in images])


def empty_images(count, rows, columns):
    """Return images (B, 9, rows, columns) laid out as in a batch, full of 77."""
    return np.full((count, rows, columns, 9), 77, np.uint8).transpose(0, 3, 1, 2)


@pytest.fixture
def without_compiler(monkeypatch):
    monkeypatch.setattr(frame_memory, "compiled_crop", lambda: None)


def check_crops(device, height, width, rows, columns):
    """Compare crops, those at all borders among them, with plain indexing."""
    rng = np.random.default_rng(0)
    shape = (BLOCK_FRAMES + 90, 3, height, width)
    frames = rng.integers(0, 256, shape, dtype=np.uint8)
    store, places = filled_store(frames, device)
    slots = rng.integers(0, len(frames), (16, 3))
    slots[0] = 0, len(frames) - 1, BLOCK_FRAMES
    tops = rng.integers(0, height - rows + 1, 16)
    lefts = rng.integers(0, width - columns + 1, 16)
    tops[:2] = lefts[:2] = 0
    tops[2:4], lefts[2:4] = height - rows, width - columns
    images = empty_images(16, rows, columns)
    target = images if device == HOST else torch.from_numpy(images)
    store.crop_into(target, places[slots], tops, lefts)
    for image, stack, top, left in zip(images, slots, tops, lefts, strict=True):
        whole = frames[stack].reshape(9, height, width)
        wanted = whole[:, top : top + rows, left : left + columns]
        np.testing.assert_array_equal(image, wanted)


SIZES = [  # of frame and crop: below and above vectors and stripes, and nothing cut off
    (9, 7, 7, 3),
    (5, 40, 4, 37),
    (39, 83, 37, 80),
    (6, 20, 6, 20),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("device", DEVICES)
def test_both_memories_cut_the_same_stacks_as_plain_indexing(device, size):
    check_crops(device, *size)


@pytest.mark.parametrize("size", SIZES)
def test_without_a_compiler_the_same_stacks_are_cut(without_compiler, size):
    check_crops(HOST, *size)


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason="needs a C compiler")
def test_where_there_is_a_compiler_its_code_cuts():
    assert compiled_crop() is not None


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false", "true"])
def test_fault_a_compiler_that_is_missing_or_fails_is_done_without_and_named(
    monkeypatch, caplog, compiler
):
    monkeypatch.setattr(stack_crop, "COMPILER", compiler)
    assert compiled_crop.__wrapped__() is None
    assert "stack_crop.c was not built" in caplog.text


@pytest.mark.parametrize(
    "places", [[0, -1], [2, 0], [0], [0, 0, 0]], ids=["before", "after", "few", "many"]
)
def test_fault_crops_that_leave_their_frames_are_refused(places):
    store, slots = filled_store(np.zeros((6, 3, 6, 6), np.uint8), HOST)
    inside, outside = np.zeros(2, np.int64), np.array(places)
    for tops, lefts in ((inside, outside), (outside, inside)):
        with pytest.raises(ValueError, match=r"places must be 2 in \[0, 1\]"):
            store.crop_into(empty_images(2, 5, 5), slots.reshape(2, 3), tops, lefts)


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
    with pytest.raises(ValueError, match="gpu"):
        FrameStore(2, 4, "gpu:0")
