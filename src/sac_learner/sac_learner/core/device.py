"""The device that a parameter names, if it is there."""

import torch

from sac_learner.core.bounded_file import in_one_line


def usable_device(name: str, parameter: str) -> torch.device:
    """Return the torch device `name`, on which this thread's CUDA calls then run.

    Args:
        name: "cpu", "cuda", "cuda:1".
        parameter: Whose value it is, for the error.

    Raises:
        ValueError: this machine, or the torch that is installed, does not have it.
    """
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
        raise ValueError(f"{parameter} '{name}': {in_one_line(error)}") from None
    if device.type == "cuda":
        torch.cuda.set_device(device)  # graphs are captured on the current one
    return device
