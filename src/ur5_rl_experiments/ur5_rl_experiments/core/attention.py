"""Where the encoder looks: Yuan 2021, figure 8.5. Spatial-softmax coordinates as marks.

The encoder gives each of its feature maps' expected column and row in [-1, 1]. A place in
the map sees a square of the image; its centre is what the coordinate means in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sac_learner.core.networks import (
    FILTERS,
    KERNEL,
    NetworkConfig,
    PolicyNetwork,
    centre_crop,
)
from target_display.core.drawing import Pixels
from ur5_rl_experiments.core.evaluation import Moment
from ur5_rl_experiments.core.filmstrip import draw_images
from ur5_sim.core.observer import Seen

GREEN = "#2ee66b"
Places = NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """A camera frame with what the encoder made of it.

    Attributes:
        image: Newest camera frame, BGR, shape (height, width, 3).
        time_s: From the episode's first observation [s].
        places: Column and row of each feature in the frame [px], shape (32, 2); pixel
            centres are at whole numbers.
    """

    image: Pixels
    time_s: float
    places: Places


def receptive_centre(strides: Sequence[int]) -> tuple[int, int]:
    """Return (step, first): place i of the feature map sees around first + step * i [px].

    Place i of a convolution sees KERNEL inputs from stride * i on: the middle one is
    stride * i + KERNEL // 2. Chained from the last convolution to the first.
    """
    step, first = 1, 0
    for stride in reversed(strides):
        step, first = stride * step, stride * first + KERNEL // 2
    return step, first


def pixels_of(coordinates: Places, config: NetworkConfig) -> Places:
    """Return spatial-softmax coordinates as places in the uncropped frame [px].

    Args:
        coordinates: Column and row in [-1, 1], from the first to the last place of the
            feature map, shape (n, 2).
        config: Of the network.
    """
    step, first = receptive_centre(config.strides)
    rows, columns = config.feature_map
    last = np.array([columns - 1, rows - 1])
    crop = np.array([config.crop_columns, config.crop_rows])
    index = (coordinates + 1.0) / 2.0 * last
    return np.asarray(crop + first + step * index)


@torch.inference_mode()
def places_of(network: PolicyNetwork, seen: Seen) -> Places:
    """Return where each feature is in an observation's frames [px], shape (32, 2)."""
    frames = centre_crop(torch.from_numpy(seen.frames), network.config)
    latent = network.encoder(frames[None], torch.from_numpy(seen.proprioception)[None])
    coordinates = latent[0, : 2 * FILTERS].reshape(FILTERS, 2)
    return pixels_of(coordinates.double().numpy(), network.config)


def looks_of(
    network: PolicyNetwork, moments: Sequence[Moment], *, period_s: float, every_s: float
) -> tuple[Look, ...]:
    """Return what the encoder looks at in the course of an episode.

    Args:
        network: That acted, or another one.
        moments: All of the episode.
        period_s: Time between two moments [s].
        every_s: Time between two looks, rounded to whole periods [s].
    """
    stride = max(1, round(every_s / period_s))
    return tuple(
        Look(moments[i].step.frame, i * period_s, places_of(network, moments[i].seen))
        for i in range(0, len(moments), stride)
    )


def draw_attention(figure: Figure, rows: Sequence[tuple[str, tuple[Look, ...]]]) -> None:
    """Draw one titled row of looks per episode into an empty figure, whose size is set.

    Raises:
        ValueError: there is no look.
    """
    titles = [f"{title}, where the {FILTERS} features are" for title, _ in rows]
    images = [[look.image for look in looks] for _, looks in rows]
    drawn = draw_images(figure, titles, images, lines_below=1)
    for row, (_, looks) in zip(drawn, rows, strict=True):
        for index, (axes, look) in enumerate(zip(row, looks, strict=True)):
            axes.plot(
                *look.places.T, "o", markersize=3.6, markerfacecolor=GREEN,
                markeredgecolor="black", markeredgewidth=0.5,
            )  # fmt: skip
            height, width = look.image.shape[:2]
            axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
            axes.set_xlabel(f"{look.time_s:.1f}{' s' if index == 0 else ''}")
