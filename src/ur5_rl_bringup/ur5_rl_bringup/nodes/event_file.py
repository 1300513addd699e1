"""TensorBoard's event file, without what its writer loads for tensors."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

FLUSH_S = 10


def event_file(folder: Path) -> "SummaryWriter":
    """Open a new event file in `folder`; close it to write the rest.

    tensorboardX imports torch where it can, for tensors that are never given to it here:
    2 s and 250 MB. A module that is None cannot be imported; the writer does without.
    """
    was_loaded = "torch" in sys.modules
    if not was_loaded:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        from tensorboardX import SummaryWriter  # noqa: PLC0415
    finally:
        if not was_loaded:
            del sys.modules["torch"]
    return SummaryWriter(str(folder), flush_secs=FLUSH_S)
