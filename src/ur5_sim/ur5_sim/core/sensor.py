"""What a cheap camera makes of a clean image: blur, gain, noise, lost frames."""

import random

import cv2
import numpy as np

from target_display.core.drawing import Pixels
from ur5_sim.core.camera_config import CameraConfig

NOISE_FRAMES = 4  # worth of noise that is drawn in advance


class Sensor:
    """Adds the faults of a sensor to frames. Owned by one thread.

    Noise is drawn once and each frame takes another piece of it: a twentieth of the cost
    of fresh noise, and a network sees no difference.
    """

    def __init__(self, config: CameraConfig) -> None:
        self._config = config
        self._size = config.width_px * config.height_px * 3
        drawn = np.random.default_rng(config.seed).normal(
            scale=config.noise_sigma, size=NOISE_FRAMES * self._size
        )
        drawn = np.rint(drawn)
        # In two halves: OpenCV adds bytes to bytes four times faster than 16 bit numbers.
        self._brighter = np.clip(drawn, 0, 255).astype(np.uint8)
        self._darker = np.clip(-drawn, 0, 255).astype(np.uint8)
        self.restart(0)

    def restart(self, episode: int) -> None:
        """Begin the sequence of noise and losses that belongs to an episode."""
        self._random = random.Random(f"{self._config.seed}/{episode}")

    def is_dropped(self) -> bool:
        """Decide whether the next frame gets lost."""
        return self._random.random() < self._config.drop_probability

    def expose(self, frame: Pixels) -> Pixels:
        """Return a frame, BGR, shape (height_px, width_px, 3), as the sensor sees it."""
        config = self._config
        if config.blur_sigma_px > 0.0:
            frame = cv2.GaussianBlur(frame, (0, 0), config.blur_sigma_px)  # type: ignore
        if config.gain != 1.0:
            frame = cv2.convertScaleAbs(frame, alpha=config.gain)  # type: ignore
        if config.noise_sigma > 0.0:
            first = self._random.randrange(self._brighter.size - self._size)
            piece = slice(first, first + self._size)
            brighter = self._brighter[piece].reshape(frame.shape)
            darker = self._darker[piece].reshape(frame.shape)
            frame = cv2.subtract(cv2.add(frame, brighter), darker)  # type: ignore
        return frame
