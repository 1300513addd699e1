"""`stack_crop.c`, built for the processor that it runs on."""

import ctypes
import logging
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sac_learner.core.bounded_file import in_one_line

SOURCE = Path(__file__).with_name("stack_crop.c")
COMPILER = "cc"
COMPILER_TIMEOUT_S = 60.0  # it takes 0.2 s

Addresses = NDArray[np.int64]
CropStacks = Callable[
    [NDArray[np.uint8], Addresses, NDArray[np.int64], tuple[int, int]], None
]


@cache
def compiled_crop() -> CropStacks | None:
    """Return the function, built at the first call; nothing where that is impossible.

    `crop(images, frames, corners, (height, width))` fills images (B, rows, columns, 9)
    from frames whose addresses are (B, 3), each stack from its corner (B,): the offset of
    the crop's first byte in a plane. It believes all numbers, and other threads run
    meanwhile.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="ur5rl-crop-") as folder:
            crop_stacks = _built(Path(folder) / "stack_crop.so").crop_stacks
    except (OSError, subprocess.SubprocessError) as error:  # no compiler, room or right
        said = in_one_line(ValueError(getattr(error, "stderr", None) or error))
        logging.getLogger(__name__).warning(
            "OpenCV cuts the mini-batches, which takes longer: "
            f"{SOURCE.name} was not built: {said}"
        )
        return None
    crop_stacks.restype = None
    crop_stacks.argtypes = [
        np.ctypeslib.ndpointer(np.uint8, 4, flags=("C", "W")),
        np.ctypeslib.ndpointer(np.int64, 2, flags="C"),
        np.ctypeslib.ndpointer(np.int64, 1, flags="C"),
        *[ctypes.c_size_t] * 5,
    ]

    def crop(
        images: NDArray[np.uint8],
        frames: Addresses,
        corners: NDArray[np.int64],
        size: tuple[int, int],
    ) -> None:
        crop_stacks(images, frames, corners, *images.shape[:3], *size)

    return crop


def _built(library: Path) -> ctypes.CDLL:
    """Return the library; once it is loaded, its file may go.

    Raises:
        OSError: there is no compiler, or the library cannot be loaded.
        SubprocessError: the compiler refuses.
    """
    options = ["-O3", "-march=native", "-shared", "-fPIC"]
    subprocess.run(
        [COMPILER, *options, "-o", str(library), str(SOURCE)],
        capture_output=True, text=True, timeout=COMPILER_TIMEOUT_S, check=True,
    )  # fmt: skip
    return ctypes.CDLL(str(library))
