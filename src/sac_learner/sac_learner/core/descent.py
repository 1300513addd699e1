"""Gradient descent on fp32 weights through copies that compute in another type."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


class Descent:
    """One Adam, the fp32 weights that it moves, and the copies that the passes use.

    The copies are refreshed once per step, all at one go; automatic mixed precision would
    round every weight anew in every pass. Gradients are taken for these weights alone and
    overwrite the last ones: nothing accumulates, nothing is zeroed.

    Attributes:
        adam: Fused; a CUDA graph can hold its step.
    """

    def __init__(
        self, groups: Sequence[dict[str, Any]], copies: Sequence[Tensor]
    ) -> None:
        """Begin; `copies` belong to the parameters in Adam's `groups`, in their order."""
        on_gpu = copies[0].is_cuda  # there the step count has to be a tensor as well
        self.adam = torch.optim.Adam(groups, fused=True, capturable=on_gpu)
        self._copies = list(copies)
        self._weights = [p for g in self.adam.param_groups for p in g["params"]]
        for weight in self._weights:  # laid out alike, for fused kernels do not check
            weight.grad = torch.zeros_like(weight)
        self.refresh()

    def descend(self, loss: Tensor) -> None:
        """Take one step down the gradient of `loss`."""
        gradients = torch.autograd.grad(loss, self._copies)
        with torch.no_grad():
            torch._foreach_copy_([weight.grad for weight in self._weights], gradients)
        self.adam.step()
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Bring the copies up to date with the weights."""
        torch._foreach_copy_(self._copies, self._weights)

    def gradient_norm(self) -> Tensor:
        """Return the length of the newest gradient, scalar; 0 before the first."""
        return torch.nn.utils.get_total_norm([weight.grad for weight in self._weights])

    def moments(self) -> dict[str, Tensor]:
        """Return Adam's state by `<parameter number>.<key>`."""
        return {
            f"{index}.{key}": tensor
            for index, state in self.adam.state_dict()["state"].items()
            for key, tensor in state.items()
        }

    def load_moments(self, tensors: Mapping[str, Tensor]) -> None:
        """Set what `moments` returned; keep the learning rates.

        Raises:
            ValueError: a moment belongs to no parameter, or has not its shape.
        """
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            number, _, key = name.partition(".")
            index = int(number)
            if index >= len(self._weights):
                raise ValueError(
                    f"moment {name} belongs to none of {len(self._weights)} parameters"
                )
            shape = self._weights[index].shape if key != "step" else torch.Size()
            if tensor.shape != shape:
                raise ValueError(
                    f"moment {name} must have shape {shape}, got {tensor.shape}"
                )
            state.setdefault(index, {})[key] = tensor
        groups = self.adam.state_dict()["param_groups"]
        self.adam.load_state_dict({"state": state, "param_groups": groups})
