"""Everything about the camera that an experimenter may change."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """Device, format and health of one camera.

    Attributes:
        device: Path (/dev/v4l/by-id/... stays the same when plugs change), number of a
            video device, or a video file, which is played in a loop.
        capture_width_px, capture_height_px: Format to ask the camera for [px].
        capture_hz: Rate to ask the camera for; the rate of a video file that names none.
        fourcc: Pixel format to ask for, four letters; empty for the camera's own choice.
        exposure: Fixed exposure in the driver's units; 0 leaves it automatic.
        latency_s: From the middle of the exposure to the arrival here; stamps are earlier
            than the arrival by this.
        height_px, width_px: Format of the published images [px].
        frozen_frames: This many equal images in a row are a frozen camera; 0 = any.
        reopen_timeout_s: A camera that is gone for longer than this has been lost.
    """

    device: str = "0"
    capture_width_px: int = 640
    capture_height_px: int = 360
    capture_hz: float = 25.0
    fourcc: str = "MJPG"
    exposure: float = 0.0
    latency_s: float = 0.0
    height_px: int = 90
    width_px: int = 160
    frozen_frames: int = 5
    reopen_timeout_s: float = 60.0

    def __post_init__(self) -> None:
        for name in ("capture_width_px", "capture_height_px", "height_px", "width_px"):
            value = getattr(self, name)
            if not 1 <= value <= 10_000:
                raise ValueError(f"{name} must be in [1, 10000], got {value}")
        for name in ("capture_hz", "reopen_timeout_s"):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value}")
        if not 0.0 <= self.latency_s <= 1.0:
            raise ValueError(f"latency_s must be in [0, 1], got {self.latency_s}")
        if not math.isfinite(self.exposure):
            raise ValueError(f"exposure must be finite, got {self.exposure}")
        if self.frozen_frames < 0 or self.frozen_frames == 1:
            raise ValueError(
                f"frozen_frames must be 0 or at least 2, got {self.frozen_frames}"
            )
        if len(self.fourcc) not in (0, 4):
            raise ValueError(f"fourcc must have four letters, got '{self.fourcc}'")
        if not self.device:
            raise ValueError("device must name a camera or a video file, got ''")
