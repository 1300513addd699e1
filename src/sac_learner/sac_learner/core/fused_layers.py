"""Layers that touch each image once: PyTorch's own, joined where memory is the limit.

Each is what its docstring's plain formula says; the tests hold it to that formula.
Shapes: B batch, C channels in, F filters, H and W pixels. Images lie channels-last.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  the name everybody knows

ATEN = torch.ops.aten
HAS_ONEDNN = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


def convolution_relu(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """Return relu(conv2d(x, weight, bias, stride)), without padding.

    Args:
        x: (B, C, H, W).
        weight: (F, C, K, K), of the same type.
        bias: (F,), of the same type.
        stride: In both directions.
    """
    result: Tensor = _ConvolutionReLU.apply(x, weight, bias, stride)  # type: ignore[no-untyped-call]
    return result


class _ConvolutionReLU(torch.autograd.Function):
    """On a CPU, oneDNN clips while it writes: the image goes through memory once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
        if fuses_relu(x.device.type, x.dtype):
            y: Tensor = torch.ops.mkldnn._convolution_pointwise(
                x, weight, bias, [0, 0], [stride] * 2, [1, 1], 1, "relu", [], ""
            )
        else:
            y = F.conv2d(x, weight, bias, stride).relu_()
        ctx.save_for_backward(x, weight, y)
        ctx.stride = stride
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, y = ctx.saved_tensors
        clipped = ATEN.threshold_backward(gradient, y, 0)
        wanted = list(ctx.needs_input_grad[:3])
        gradients = ATEN.convolution_backward(
            clipped, x, weight, [len(weight)], [ctx.stride] * 2, [0, 0], [1, 1],
            False, [0, 0], 1, wanted,
        )  # fmt: skip
        return (*gradients, None)


@cache
def fuses_relu(device: str, dtype: torch.dtype) -> bool:
    """Return whether this machine has the joined kernel."""
    if device != "cpu" or not HAS_ONEDNN:
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32


def expected_places(maps: Tensor, places: Tensor) -> Tensor:
    """Return softmax(maps over their H W places) @ places, flattened.

    Args:
        maps: (B, F, H, W), any float type.
        places: Coordinates of each place, fp32, (H W, 2).

    Returns:
        Coordinates of each map, fp32, (B, 2 F): those of one map side by side.
    """
    result: Tensor = _ExpectedPlaces.apply(maps, places)  # type: ignore[no-untyped-call]
    return result


class _ExpectedPlaces(torch.autograd.Function):
    """Sums over places in the order in which they lie; normalises F sums, not F H W."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, places: Tensor) -> Tensor:
        logits = maps.permute(0, 2, 3, 1).flatten(1, 2).float()  # (B, H W, F)
        attention = (logits - logits.amax(dim=1, keepdim=True)).exp_()
        attention /= attention.sum(dim=1, keepdim=True)
        mean = places.T @ attention  # (B, 2, F)
        ctx.save_for_backward(attention, mean, places)
        ctx.maps = maps.shape, maps.dtype
        return mean.transpose(1, 2).flatten(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        attention, mean, places = ctx.saved_tensors
        (batch, filters, height, width), dtype = ctx.maps
        pull = gradient.view(batch, filters, 2).transpose(1, 2)  # (B, 2, F)
        lever = places @ pull - (pull * mean).sum(dim=1, keepdim=True)
        rows = (attention * lever).to(dtype).view(batch, height, width, filters)
        return rows.permute(0, 3, 1, 2), None
