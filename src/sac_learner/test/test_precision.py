"""The number type of the passes is one that the device has instructions for."""

from dataclasses import replace

import pytest
import torch

from sac_learner.core.config import LearnerConfig
from sac_learner.core.precision import computing_type
from sac_learner.core.sac import Sac

CPU = torch.device("cpu")
SMALL = LearnerConfig(hidden_size=16, batch_size=4)


def processor(monkeypatch, **capabilities):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"avx2": True, "avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"architecture": "a processor that says nothing of it"}, torch.float32),
    ],
)
def test_auto_is_what_the_processor_multiplies(monkeypatch, capabilities, expected):
    processor(monkeypatch, **capabilities)
    assert computing_type("auto", CPU) == expected


def test_auto_on_a_gpu_does_not_ask_the_processor(monkeypatch):
    processor(monkeypatch, amx_bf16=False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert computing_type("auto", torch.device("cuda")) == torch.bfloat16


def test_what_is_named_is_used_on_any_processor(monkeypatch):
    processor(monkeypatch, amx_bf16=True)
    assert computing_type("fp32", CPU) == torch.float32
    processor(monkeypatch, amx_bf16=False)
    assert computing_type("bf16", CPU) == torch.bfloat16


def test_the_learner_says_what_it_computes_in(monkeypatch):
    processor(monkeypatch, amx_bf16=False)
    assert Sac(SMALL).computes_in == "float32"
    assert Sac(replace(SMALL, precision="bf16")).computes_in == "bfloat16"
