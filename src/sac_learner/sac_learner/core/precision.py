"""Which number type the passes compute in."""

import torch

AUTO, BF16, FP32 = "auto", "bf16", "fp32"
PRECISIONS = (AUTO, BF16, FP32)
CPU_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")  # of x86; elsewhere it was not measured


def computing_type(precision: str, device: torch.device) -> torch.dtype:
    """Return the type behind one of `PRECISIONS`.

    "auto" is bf16 where the device multiplies it, else fp32: a CPU without the
    instructions emulates bf16, fifteen times as slowly (docs/results.md).
    """
    if precision == AUTO:
        return torch.bfloat16 if multiplies_bf16(device) else torch.float32
    return {BF16: torch.bfloat16, FP32: torch.float32}[precision]


def name_of(dtype: torch.dtype) -> str:
    """Return a type's name for people: "bfloat16", "float32"."""
    return str(dtype).removeprefix("torch.")


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for products of bf16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in CPU_INSTRUCTIONS)
