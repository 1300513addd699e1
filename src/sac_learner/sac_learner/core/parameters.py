"""Policy parameters on the wire: safetensors bytes that are checked before they act."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from sac_learner.core.networks import NetworkConfig, PolicyNetwork


@dataclass(frozen=True)
class EncodedPolicy:
    """One whole policy as it travels and as it lies on disk.

    Attributes:
        version: Counts up over a run; 0 is no policy.
        architecture: `NetworkConfig` as JSON.
        sha256: Of `data`, hexadecimal.
        data: The parameters as safetensors, fp32.
    """

    version: int
    architecture: str
    sha256: str
    data: bytes


def parameters_of(policy: PolicyNetwork) -> dict[str, Tensor]:
    """Return a contiguous copy of all parameters; later updates do not change it."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in policy.state_dict().items()
    }


def encode_policy(
    parameters: Mapping[str, Tensor], config: NetworkConfig, version: int
) -> EncodedPolicy:
    """Serialise what `parameters_of` returned.

    Raises:
        ValueError: a parameter is not finite.
    """
    check_finite(parameters)
    data = save(dict(parameters))
    return EncodedPolicy(
        version, config.to_json(), hashlib.sha256(data).hexdigest(), data
    )


def decode_policy(encoded: EncodedPolicy) -> PolicyNetwork:
    """Return the policy, ready to act, or refuse it whole.

    Raises:
        ValueError: says which of version, checksum, architecture, parameter names, shapes
            or values is wrong.
    """
    if encoded.version < 1:
        raise ValueError(f"policy version must be at least 1, got {encoded.version}")
    checksum = hashlib.sha256(encoded.data).hexdigest()
    if checksum != encoded.sha256:
        raise ValueError(
            f"checksum of policy {encoded.version} is {checksum}, "
            f"expected {encoded.sha256}"
        )
    try:
        config = NetworkConfig.from_json(encoded.architecture)
    except (ValueError, TypeError) as error:
        raise ValueError(f"architecture of policy {encoded.version}: {error}") from None
    policy = PolicyNetwork(config)
    load_parameters(policy, _tensors(encoded))
    return policy.eval()


def load_parameters(policy: PolicyNetwork, parameters: Mapping[str, Tensor]) -> None:
    """Copy parameters into a network after checking every one of them.

    Raises:
        ValueError: names, shapes or values do not fit; `policy` is unchanged.
    """
    wanted = policy.state_dict()
    if wanted.keys() != parameters.keys():
        missing, unknown = (
            wanted.keys() - parameters.keys(),
            parameters.keys() - wanted.keys(),
        )
        raise ValueError(
            f"parameters missing: {sorted(missing)}, unknown: {sorted(unknown)}"
        )
    for name, tensor in parameters.items():
        if tensor.shape != wanted[name].shape or tensor.dtype != torch.float32:
            raise ValueError(
                f"shape of {name} must be {tuple(wanted[name].shape)} float32, "
                f"got {tuple(tensor.shape)} {tensor.dtype}"
            )
    check_finite(parameters)
    policy.load_state_dict(dict(parameters))


def _tensors(encoded: EncodedPolicy) -> dict[str, Tensor]:
    try:
        return load(encoded.data)
    except SafetensorError as error:
        raise ValueError(
            f"policy {encoded.version} is no safetensors data: {error}"
        ) from None


def check_finite(parameters: Mapping[str, Tensor]) -> None:
    """Raise ValueError naming the first tensor that holds NaN or infinity."""
    for name, tensor in parameters.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"parameter {name} is non-finite")
