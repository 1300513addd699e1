"""What can go wrong with a camera, on demand: the virtual camera's side door.

| words | effect until the next words |
|---|---|
| `none` | a healthy camera |
| `silent` | unplugged: no frame arrives |
| `frozen` | the newest frame again and again, with fresh stamps |
| `dark` | the shutter is closed: noise around black |
| `small` | frames of half the size |
| `late SECONDS` | each frame arrives so much later |
| `slow HZ` | frames at a lower rate |
"""

import math

import numpy as np

from target_display.core.drawing import Pixels

KINDS = ("none", "silent", "frozen", "dark", "small", "late", "slow")
WITH_NUMBER = {"late": (0.0, 2.0), "slow": (0.5, 500.0)}  # [s], [Hz]
DARK_NOISE = 6  # grey levels


class CameraFault:
    """One fault at a time. Owned by the camera's loop; `command` replaces one value.

    Args:
        seed: Of the noise in the dark.
    """

    def __init__(self, seed: int = 0) -> None:
        self._state: tuple[str, float] = ("none", 0.0)
        self._rng = np.random.default_rng(seed)
        self._kept: Pixels | None = None
        self._newest_ns: int | None = None

    def command(self, words: str) -> None:
        """Take a line of the table above.

        Raises:
            ValueError: it is none of them.
        """
        kind, _, number = words.strip().partition(" ")
        if kind not in KINDS:
            raise ValueError(f"camera_fault must be one of {KINDS}, got '{kind}'")
        low, high = WITH_NUMBER.get(kind, (0.0, 0.0))
        try:
            value = float(number or 0.0)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(
                f"camera_fault {kind} needs a number in [{low}, {high}], got '{number}'"
            )
        self._state = (kind, value)

    @property
    def delay_s(self) -> float:
        """Time by which a frame arrives later than it would."""
        kind, value = self._state
        return value if kind == "late" else 0.0

    def applied(self, frame: Pixels, now_ns: int) -> Pixels | None:
        """Return what arrives in the place of a frame seen at `now_ns`; None: nothing.

        Args:
            frame: Shape (height, width, 3), BGR.
            now_ns: Steady clock [ns].
        """
        kind, value = self._state
        if kind != "frozen":
            self._kept = frame
        if kind == "silent" or (kind == "slow" and self._is_early(now_ns, value)):
            return None
        self._newest_ns = now_ns
        if kind == "frozen" and self._kept is not None:
            return self._kept
        if kind == "dark":
            return self._rng.integers(0, DARK_NOISE, frame.shape, np.uint8)
        if kind == "small":
            return np.ascontiguousarray(frame[::2, ::2])
        return frame

    def _is_early(self, now_ns: int, rate_hz: float) -> bool:
        newest_ns = self._newest_ns
        return newest_ns is not None and now_ns - newest_ns < 1e9 / rate_hz
