"""Convolutional encoder, actor and twin critics.

After Yuan 2021 (four convolutions, spatial softmax, joint state beside the features) and
Yarats 2021, arXiv:1910.01741 (one encoder, trained by the critic's loss only).
Shapes: B batch, C channels of a frame stack, H and W pixels after the crop.
"""

import dataclasses
import json
from copy import deepcopy
from typing import NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the name everybody knows

from sac_learner.core.fused_layers import convolution_relu, expected_places

ModuleT = TypeVar("ModuleT", bound=nn.Module)

FILTERS = 32
KERNEL = 3
PIXEL_SCALE = 1.0 / 255.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Shape of the policy network: all that an actor needs to rebuild it.

    Attributes:
        height_px: Rows of a camera frame, before the crop [px].
        width_px: Columns of a camera frame, before the crop [px].
        crop_rows: Rows cut off at the top and at the bottom [px].
        crop_columns: Columns cut off at the left and at the right [px].
        channels: Bytes per pixel times frames in the stack.
        proprioception: Numbers beside the image.
        actions: Joints that the policy moves.
        strides: Of the convolutions, one each.
        hidden_size: Units in each of the two hidden layers of actor and critics.
        log_std_min: Lower bound of the log of the standard deviation.
        log_std_max: Upper bound of the log of the standard deviation.
    """

    height_px: int = 90
    width_px: int = 160
    crop_rows: int = 1
    crop_columns: int = 2
    channels: int = 9
    proprioception: int = 15
    actions: int = 5
    strides: tuple[int, ...] = (2, 2, 2, 1)
    hidden_size: int = 1024
    log_std_min: float = -10.0
    log_std_max: float = 2.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("height_px", 31, 2160),
            ("width_px", 31, 3840),
            ("crop_rows", 0, self.height_px // 4),
            ("crop_columns", 0, self.width_px // 4),
            ("channels", 1, 64),
            ("proprioception", 1, 256),
            ("actions", 1, 64),
            ("hidden_size", 8, 8192),
        ):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ValueError(
                    f"{name} must be a whole number in [{low}, {high}], got {value}"
                )
        if not -20.0 <= self.log_std_min < self.log_std_max <= 4.0:
            raise ValueError(
                "log_std_min < log_std_max must hold within [-20, 4], "
                f"got {self.log_std_min} and {self.log_std_max}"
            )
        if not 1 <= len(self.strides) <= 8 or not set(self.strides) <= {1, 2, 3, 4}:
            raise ValueError(f"strides must be 1 to 8 of 1..4, got {self.strides}")
        if min(self.feature_map) < 2:
            raise ValueError(
                f"height_px {self.height_px} and width_px {self.width_px} less crop "
                f"leave {self.cropped}: too small for strides {self.strides}"
            )

    @property
    def cropped(self) -> tuple[int, int]:
        """Rows and columns that the encoder sees [px]."""
        return self.height_px - 2 * self.crop_rows, self.width_px - 2 * self.crop_columns

    @property
    def feature_map(self) -> tuple[int, int]:
        """Rows and columns of the last convolution's output."""
        rows, columns = self.cropped
        for stride in self.strides:
            rows = (rows - KERNEL) // stride + 1
            columns = (columns - KERNEL) // stride + 1
        return rows, columns

    @property
    def latent_size(self) -> int:
        """Numbers that actor and critics see: image features and joint state."""
        return 2 * FILTERS + self.proprioception

    def to_json(self) -> str:
        """Return the shape as text that `from_json` reads back."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "NetworkConfig":
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is no JSON object of just these fields, or a value is refused.
        """
        values = json.loads(text)
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, dict) or values.keys() != names:
            raise ValueError(
                f"architecture must be an object with {sorted(names)}, got {text}"
            )
        return cls(**values | {"strides": tuple(values["strides"])})


class SpatialSoftmax(nn.Module):
    """Where in the image each feature is: Levine 2016, arXiv:1504.00702.

    (B, F, h, w) -> (B, 2 F): expected column and row of each map in [-1, 1], in fp32.
    """

    places: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        rows, columns = torch.meshgrid(
            torch.linspace(-1.0, 1.0, height),
            torch.linspace(-1.0, 1.0, width),
            indexing="ij",
        )
        places = torch.stack([columns.flatten(), rows.flatten()], dim=1)
        self.register_buffer("places", places, persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        return expected_places(maps, self.places)


class Encoder(nn.Module):
    """(B, C, H, W) bytes and (B, P) joint state -> latent (B, 64 + P)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.first = nn.Conv2d(config.channels, FILTERS, KERNEL, config.strides[0])
        self.others = nn.ModuleList(
            nn.Conv2d(FILTERS, FILTERS, KERNEL, stride) for stride in config.strides[1:]
        )
        self.softmax = SpatialSoftmax(*config.feature_map)

    def forward(self, frames: Tensor, proprioception: Tensor) -> Tensor:
        layers = cast("list[nn.Conv2d]", [self.first, *self.others])
        biases = [cast(Tensor, layer.bias) for layer in layers]
        x = as_pixels(frames, biases[0].dtype)
        scaled = self.first.weight * PIXEL_SCALE  # instead of scaling every pixel
        weights = [scaled.to(x.dtype), *(layer.weight for layer in layers[1:])]
        *hidden, last = zip(weights, biases, (c.stride[0] for c in layers), strict=True)
        for weight, bias, stride in hidden:
            x = convolution_relu(x, weight, bias, stride)
        x = F.conv2d(x, *last)
        return torch.cat([self.softmax(x), proprioception], dim=1)


class OutputLayer(nn.Linear):
    """A last layer in fp32 behind layers of any type: (B, N) -> (B, M).

    The numbers of bf16 are half a unit apart from 64 on, one unit from 128 on: rounded to
    these, action values would be equal where they are to be compared.
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


class Gaussian(NamedTuple):
    """A diagonal Gaussian before the squashing: mean and log of the deviation, (B, A)."""

    mean: Tensor
    log_std: Tensor


class Actor(nn.Module):
    """Latent (B, L) -> Gaussian (B, A), both in fp32."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.layers = _mlp(config.latent_size, config.hidden_size, 2 * config.actions)
        self._low, self._high = config.log_std_min, config.log_std_max

    def forward(self, latent: Tensor) -> Gaussian:
        x = latent.to(_dtype_of(self.layers))
        mean, raw = self.layers(x).chunk(2, dim=1)
        half_range = 0.5 * (self._high - self._low)
        return Gaussian(mean, self._low + half_range * (torch.tanh(raw) + 1.0))


class TwinCritics(nn.Module):
    """Latent (B, L) and action (B, A) -> two action values (B, 2), in fp32."""

    def __init__(self, config: NetworkConfig, layer_norm: bool = False) -> None:
        super().__init__()
        inputs = config.latent_size + config.actions
        self.critics = nn.ModuleList(
            _mlp(inputs, config.hidden_size, 1, layer_norm) for _ in range(2)
        )

    def forward(self, latent: Tensor, action: Tensor) -> Tensor:
        x = torch.cat([latent, action], dim=1).to(_dtype_of(self.critics))
        return torch.cat([critic(x) for critic in self.critics], dim=1)


class PolicyNetwork(nn.Module):
    """What acts: encoder and actor. The parameters that travel to the robot."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.actor = Actor(config)

    def forward(self, frames: Tensor, proprioception: Tensor) -> Gaussian:
        gaussian: Gaussian = self.actor(self.encoder(frames, proprioception))
        return gaussian

    @torch.inference_mode()
    def act(self, frames: Tensor, proprioception: Tensor, noise: Tensor) -> Tensor:
        """Return the action for one whole, uncropped observation, in [-1, 1], shape (A,).

        Args:
            frames: Frame stack, bytes, shape (C, height, width).
            proprioception: Joint state, shape (P,).
            noise: Standard normal numbers, shape (A,); zeros give the mean action.
        """
        cropped = centre_crop(frames, self.config)
        gaussian = self(cropped[None], proprioception[None])
        return torch.tanh(gaussian.mean + noise * gaussian.log_std.exp())[0]


def centre_crop(frames: Tensor, config: NetworkConfig) -> Tensor:
    """Return the middle of frames (..., height, width): the crop that acting uses."""
    rows, columns = config.cropped
    top, left = config.crop_rows, config.crop_columns
    return frames[..., top : top + rows, left : left + columns]


def as_pixels(frames: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return bytes (B, C, H, W) as floats, channels-last; nothing to do twice.

    Bytes are exact in bf16. Where they do not lie channels-last yet, converting before
    transposing is the faster order.
    """
    return frames.to(dtype).contiguous(memory_format=torch.channels_last)


def computing_copy(module: ModuleT, dtype: torch.dtype) -> ModuleT:
    """Return a copy that computes in `dtype`, in the layout that is fast.

    Weights of a first convolution stay fp32: they are scaled before they are rounded. So
    do output layers.
    """
    copy = deepcopy(module).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    exact: set[Tensor] = set()
    for layer in copy.modules():
        if isinstance(layer, Encoder):
            exact.add(layer.first.weight)
        elif isinstance(layer, OutputLayer):
            exact.update(layer.parameters())
    for parameter in copy.parameters():
        if parameter not in exact:
            parameter.data = parameter.data.to(dtype)
    result: ModuleT = copy
    return result


def _dtype_of(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype


def _mlp(inputs: int, hidden: int, outputs: int, layer_norm: bool = False) -> nn.Module:
    def norm() -> list[nn.Module]:
        return [nn.LayerNorm(hidden)] if layer_norm else []

    return nn.Sequential(
        nn.Linear(inputs, hidden), *norm(), nn.ReLU(),
        nn.Linear(hidden, hidden), *norm(), nn.ReLU(),
        OutputLayer(hidden, outputs),
    )  # fmt: skip


@torch.no_grad()
def initialise_(module: nn.Module) -> None:
    """Draw the weights that learning starts from.

    Not part of construction, because an actor is sent its weights. Linear layers are
    orthogonal; convolutions are orthogonal at the centre of the kernel and zero elsewhere
    (Xiao 2018, arXiv:1806.05393); biases are zero.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight)
            layer.bias.zero_()
        elif isinstance(layer, nn.Conv2d):
            centre = torch.empty(layer.out_channels, layer.in_channels)
            nn.init.orthogonal_(centre, gain=nn.init.calculate_gain("relu"))
            layer.weight.zero_()
            layer.weight[:, :, KERNEL // 2, KERNEL // 2] = centre
            if layer.bias is not None:
                layer.bias.zero_()
