"""Policy parameters on the wire: safetensors bytes that are checked before they act."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from sac_learner.core.networks import NetworkConfig, PolicyNetwork

MAX_VERSION = 2**32 - 1  # in a message


@dataclass(frozen=True, kw_only=True)
class EncodedPolicy:
    """One whole policy as it travels and as it lies on disk.

    Attributes:
        session: Random number of the learner process that sends it; 0 on disk.
        version: Counts up over a run; 0 is no policy.
        update_step: Gradient updates behind it.
        architecture: `NetworkConfig` as JSON.
        data: The parameters as safetensors, fp32.
        sha256: Of all the others, hexadecimal; "" before `sealed`.
    """

    session: int = 0
    version: int
    update_step: int
    architecture: str
    data: bytes
    sha256: str = ""

    def sealed(self) -> "EncodedPolicy":
        """Return it with the checksum that is right for it."""
        return replace(self, sha256=self._checksum())

    def check_seal(self) -> None:
        """Refuse a policy of which anything that is acted on has changed on the way.

        Raises:
            ValueError: its checksum is wrong.
        """
        if (checksum := self._checksum()) != self.sha256:
            raise ValueError(
                f"checksum of policy {self.version} is {checksum}, "
                f"expected {self.sha256[:64]}"
            )

    def _checksum(self) -> str:
        label = [self.session, self.version, self.update_step, self.architecture]
        digest = hashlib.sha256(json.dumps(label).encode())  # JSON says where it ends
        digest.update(self.data)
        return digest.hexdigest()


def parameters_of(policy: PolicyNetwork) -> dict[str, Tensor]:
    """Return a contiguous copy of all parameters; later updates do not change it."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in policy.state_dict().items()
    }


def encode_policy(
    parameters: Mapping[str, Tensor],
    config: NetworkConfig,
    version: int,
    *,
    update_step: int = 0,
    session: int = 0,
) -> EncodedPolicy:
    """Serialise and seal what `parameters_of` returned.

    Raises:
        ValueError: a parameter is not finite.
    """
    check_finite(parameters)
    return EncodedPolicy(
        session=session,
        version=version,
        update_step=update_step,
        architecture=config.to_json(),
        data=save(dict(parameters)),
    ).sealed()


def decode_policy(encoded: EncodedPolicy) -> PolicyNetwork:
    """Return the policy, ready to act, or refuse it whole.

    Raises:
        ValueError: says which of version, checksum, architecture, parameter names, shapes
            or values is wrong.
    """
    if not 1 <= encoded.version <= MAX_VERSION:
        raise ValueError(
            f"policy version must be at least 1 and at most {MAX_VERSION}, "
            f"got {encoded.version}"
        )
    encoded.check_seal()
    try:
        config = NetworkConfig.from_json(encoded.architecture)
    except (ValueError, TypeError, RecursionError) as error:
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
