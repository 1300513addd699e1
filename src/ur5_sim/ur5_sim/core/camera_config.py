"""Everything about the virtual camera and its room that an experimenter may change."""

import math
from dataclasses import dataclass, fields

from ur5_sim.core.scene import Pinhole, Scene, Triple


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """Lens, sensor, timing and surroundings of the virtual camera.

    Attributes:
        width_px: Columns of a frame; the task knows 80, 160 and 320.
        height_px: Rows of a frame: 45, 90 and 180.
        horizontal_fov_deg: Horizontal field of view.
        gain: Factor on every grey level. Below 0.47 red is no longer seen as red.
        noise_sigma: Standard deviation of the noise [grey levels].
        blur_sigma_px: Standard deviation of the blur of the lens [px of the frame].
        rate_hz: Frames per second.
        latency_s: Time from a frame's exposure to its publication.
        drop_probability: Part of the frames that never arrive.
        seed: Of noise and drops.
        screen_centre_m, screen_width_m, screen_height_m, bezel_m, wall_y_m,
            camera_mount_m: See `Scene`.
        screen_file: Shared array with the pixels on the screen, from the display.
        pose_file: Shared array with the true q, qd, shape (2, 6), from the controller.
    """

    width_px: int = 160
    height_px: int = 90
    horizontal_fov_deg: float = 60.0
    gain: float = 1.0
    noise_sigma: float = 3.0
    blur_sigma_px: float = 0.0
    rate_hz: float = 25.0
    latency_s: float = 0.0
    drop_probability: float = 0.0
    seed: int = 0
    screen_centre_m: Triple = Scene.screen_centre_m
    screen_width_m: float = Scene.screen_width_m
    screen_height_m: float = Scene.screen_height_m
    bezel_m: float = Scene.bezel_m
    wall_y_m: float = Scene.wall_y_m
    camera_mount_m: Triple = Scene.camera_mount_m
    screen_file: str = ""
    pose_file: str = ""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("width_px", 16, 1920),
            ("height_px", 9, 1080),
            ("horizontal_fov_deg", 5.0, 150.0),
            ("gain", 0.0, 10.0),
            ("noise_sigma", 0.0, 100.0),
            ("blur_sigma_px", 0.0, 20.0),
            ("rate_hz", 0.5, 500.0),
            ("latency_s", 0.0, 2.0),
            ("drop_probability", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f"{name} must be in {low}..{high}, got {value}")
        self.scene()  # checks the rest

    def lens(self) -> Pinhole:
        return Pinhole(self.width_px, self.height_px, self.horizontal_fov_deg)

    def scene(self) -> Scene:
        return Scene(**{field.name: getattr(self, field.name) for field in fields(Scene)})
