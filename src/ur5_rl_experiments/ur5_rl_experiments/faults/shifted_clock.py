"""A wall clock that jumps, for chosen processes only."""

import mmap
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("wall_clock.c")
COMPILER = "cc"


class ShiftedClock:
    """The wall clock of all processes that run with `variables`."""

    def __init__(self, library: Path, page: mmap.mmap, page_path: Path) -> None:
        self.variables = {
            "LD_PRELOAD": str(library),
            "UR5RL_WALL_CLOCK": str(page_path),
        }
        self._page = page

    def shift(self, by_s: float) -> None:
        """Let the clock differ from the machine's by `by_s` [s] from now on."""
        self._page[:] = struct.pack("=q", round(by_s * 1e9))


@contextmanager
def shifted_clock() -> Iterator[ShiftedClock]:
    """Build what shifts the clock; gone after the block.

    Raises:
        OSError: the C compiler is missing or refuses.
    """
    with tempfile.TemporaryDirectory(prefix="ur5rl-clock-") as folder:
        library, page_path = Path(folder) / "wall_clock.so", Path(folder) / "shift_ns"
        words = ["-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
        done = subprocess.run(
            [COMPILER, *words], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise OSError(f"{SOURCE.name} does not compile: {done.stderr.strip()}")
        page_path.write_bytes(bytes(8))
        with (
            open(page_path, "r+b") as file,
            mmap.mmap(file.fileno(), 8) as page,
        ):
            yield ShiftedClock(library, page, page_path)
