"""Fixtures of this package: ROS for node tests, and an environment to check.

Lets its tests import what they share.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from sac_learner.core.networks import NetworkConfig
from sac_learner.core.time_step import TimeStep
from ur5_rl_ros.testing import ros, ros_domain, spin_until  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent))

HEIGHT, WIDTH = 32, 40
SMALL_NETWORK = NetworkConfig(
    height_px=HEIGHT, width_px=WIDTH, crop_rows=0, crop_columns=1, hidden_size=16,
    strides=(2, 2, 1, 1),
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def network() -> NetworkConfig:
    return SMALL_NETWORK


@dataclass(frozen=True)
class Seen:
    """What a sampled image shows: frame numbers and the place of the crop."""

    ids: tuple[int, ...]
    top: int
    left: int


class CounterEnvironment:
    """Sends steps whose every number says when it was: nothing can be mixed up unseen.

    A frame holds its number in channels 0 and 1, and row or column in channel 2 (its
    number decides which). Reward, action and joint state hold the step's global number.
    """

    def __init__(self, run_id: int = 1, camera_start: int = 1) -> None:
        self.run_id = run_id
        self.clock = 0  # global number of the next step
        self.sequence = self.episode = self.step = 0
        self._camera = camera_start
        self._stack: tuple[int, ...] = ()
        self._episode_goes_on = False
        self.sent: dict[int, TimeStep] = {}

    def advance(self, *, new_frames: int = 1, last: bool = False, terminal: bool = False):
        """Return the next step; `new_frames` (0..3) of its stack were not in the last."""
        is_first = not self._episode_goes_on
        fresh = 3 if is_first else new_frames
        ids = tuple(range(self._camera, self._camera + fresh))
        self._camera += fresh
        self._stack = (*self._stack, *ids)[-3:]
        self.sequence += 1
        self.episode, self.step = (
            (self.episode + 1, 0) if is_first else (self.episode, self.step + 1)
        )
        step = TimeStep(
            run_id=self.run_id,
            sequence=self.sequence,
            episode=self.episode,
            step=self.step,
            is_first=is_first,
            is_last=last,
            is_terminal=terminal,
            action=np.full(5, self.clock / 65536, np.float32),
            reward=float(self.clock),
            stack_ids=self._stack,
            frame_ids=ids,
            frames=np.stack([picture(i) for i in ids]) if ids else no_frames(),
            proprioception=np.full(15, self.clock, np.float32),
        )
        self._episode_goes_on = not last
        self.sent[self.clock] = step
        self.clock += 1
        return step

    def steps(self, count: int, episode_length: int = 10) -> list[TimeStep]:
        """Return `count` steps in episodes of `episode_length` transitions."""
        return [
            self.advance(last=self._episode_goes_on and self.step + 1 == episode_length)
            for _ in range(count)
        ]


def picture(number: int):
    frame = np.zeros((3, HEIGHT, WIDTH), np.uint8)
    frame[0], frame[1] = number % 256, number // 256
    frame[2] = np.arange(WIDTH) if number % 2 else np.arange(HEIGHT)[:, None]
    return frame


def no_frames():
    return np.zeros((0, 3, HEIGHT, WIDTH), np.uint8)


def read(image) -> Seen:
    """Decode one sampled image (9, H, W); fail if any pixel contradicts another."""
    ids, top, left = [], 0, 0
    for low, high, place in image.reshape(3, 3, *image.shape[1:]):
        assert low.min() == low.max()
        assert high.min() == high.max()
        number = int(low[0, 0]) + 256 * int(high[0, 0])
        rows, columns = place.shape
        if number % 2:
            left = int(place[0, 0])
            np.testing.assert_array_equal(
                place, np.tile(left + np.arange(columns), (rows, 1))
            )
        else:
            top = int(place[0, 0])
            np.testing.assert_array_equal(
                place, np.tile(top + np.arange(rows)[:, None], (1, columns))
            )
        ids.append(number)
    return Seen(tuple(ids), top, left)


@pytest.fixture(scope="session")
def counter_environment():
    return CounterEnvironment


@pytest.fixture(scope="session")
def read_image():
    return read
