"""Soft actor-critic from pixels: the training state and its one update.

Yuan 2021, chapter 5: encoder trained by the critic's loss alone, actor and targets
updated every second time. Three encoder passes per update instead of the published five:
the actor reuses the features that the critic has just computed.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sac_learner.core.batch import Batch, TensorBatch, to_tensors
from sac_learner.core.config import LearnerConfig
from sac_learner.core.losses import (
    actor_loss,
    critic_loss,
    critic_target,
    squashed_sample,
    temperature_loss,
)
from sac_learner.core.networks import Encoder, PolicyNetwork, TwinCritics, initialise_
from sac_learner.core.parameters import check_finite


class Metrics(NamedTuple):
    """Scalars of the newest update, still tensors: fetching them costs a wait."""

    batch_reward: Tensor
    critic_loss: Tensor
    q_mean: Tensor
    critic_gradient_norm: Tensor
    actor_loss: Tensor
    entropy: Tensor
    actor_gradient_norm: Tensor
    temperature_loss: Tensor
    temperature: Tensor


class Sac:
    """Networks, targets, optimisers and temperature. Owned by the thread that updates."""

    def __init__(self, config: LearnerConfig) -> None:
        self._config = config
        self.device = torch.device(config.device)
        self._generator = torch.Generator(self.device).manual_seed(config.seed)
        torch.manual_seed(config.seed)  # the weights are drawn from the global generator
        network = config.network
        self.policy = PolicyNetwork(network)
        self.critics = TwinCritics(network, config.critic_layer_norm)
        initialise_(self.policy)
        initialise_(self.critics)
        self.target_encoder = Encoder(network)
        self.target_critics = TwinCritics(network, config.critic_layer_norm)
        self.target_encoder.load_state_dict(self.policy.encoder.state_dict())
        self.target_critics.load_state_dict(self.critics.state_dict())
        for module in self.modules.values():
            module.to(self.device)
        for target in (self.target_encoder, self.target_critics):
            target.requires_grad_(False)
        start = torch.tensor(config.initial_temperature, device=self.device)
        self.log_temperature = start.log().requires_grad_()
        self.optimisers = self._make_optimisers()
        self.updates = 0
        self._metrics = Metrics(*(torch.zeros(()) for _ in Metrics._fields))

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Everything that holds weights, by the name it has in a checkpoint."""
        return {
            "policy": self.policy,
            "critics": self.critics,
            "target_encoder": self.target_encoder,
            "target_critics": self.target_critics,
        }

    def _make_optimisers(self) -> dict[str, torch.optim.Adam]:
        c = self._config
        critic_groups = [
            {"params": self.policy.encoder.parameters(), "lr": c.encoder_learning_rate},
            {"params": self.critics.parameters(), "lr": c.critic_learning_rate},
        ]
        actor = self.policy.actor.parameters()
        return {
            "critic": torch.optim.Adam(critic_groups, fused=True),
            "actor": torch.optim.Adam(actor, c.actor_learning_rate, fused=True),
            "temperature": torch.optim.Adam(
                [self.log_temperature], c.temperature_learning_rate, betas=(0.5, 0.999)
            ),
        }

    def update(self, batch: Batch) -> None:
        """Take one gradient step; every second one moves actor and targets too."""
        with self._autocast():
            tensors = to_tensors(batch, self.device)
        latent = self.update_critic(tensors)
        self.updates += 1
        if self.updates % self._config.actor_update_period == 0:
            self.update_actor_and_temperature(latent)
        if self.updates % self._config.target_update_period == 0:
            self.update_targets()

    def update_critic(self, batch: TensorBatch) -> Tensor:
        """Descend the critic loss; return the features of o without gradient, (B, L)."""
        target = self.target_values(batch)
        with self._autocast():
            latent: Tensor = self.policy.encoder(batch.frames, batch.proprioception)
            values = self.critics(latent, batch.action)
        loss = critic_loss(values, target)
        self.optimisers["critic"].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers["critic"].step()
        self._metrics = self._metrics._replace(
            batch_reward=batch.reward.mean(),
            critic_loss=loss.detach(),
            q_mean=values.detach().mean(),
        )
        return latent.detach()

    @torch.no_grad()
    def target_values(self, batch: TensorBatch) -> Tensor:
        """Return the critics' regression target, (B,)."""
        frames, proprioception = batch.next_frames, batch.next_proprioception
        with self._autocast():
            latent = self.policy.encoder(frames, proprioception)
            gaussian = self.policy.actor(latent)
            action, log_probability = squashed_sample(
                gaussian, self._noise(gaussian.mean)
            )
            if self._config.target_encoder:
                latent = self.target_encoder(frames, proprioception)
            values = self.target_critics(latent, action)
        temperature = self.log_temperature.exp()
        return critic_target(
            batch.reward, batch.discount, values, log_probability, temperature
        )

    def update_actor_and_temperature(self, latent: Tensor) -> None:
        """Descend actor and temperature loss on features without gradient, (B, L)."""
        temperature = self.log_temperature.exp()
        with self._autocast():
            gaussian = self.policy.actor(latent)
            action, log_probability = squashed_sample(
                gaussian, self._noise(gaussian.mean)
            )
            values = self.critics(latent, action)
        loss = actor_loss(values, log_probability, temperature.detach())
        actor = list(self.policy.actor.parameters())
        self.optimisers["actor"].zero_grad()
        # The critics' weights get no gradient from here.
        loss.backward(inputs=actor)  # type: ignore[no-untyped-call]
        self.optimisers["actor"].step()

        entropy = -log_probability.detach()
        slack = temperature_loss(temperature, -entropy, self._config.target_entropy)
        self.optimisers["temperature"].zero_grad()
        slack.backward()  # type: ignore[no-untyped-call]
        self.optimisers["temperature"].step()
        self._metrics = self._metrics._replace(
            actor_loss=loss.detach(),
            entropy=entropy.mean(),
            temperature_loss=slack.detach(),
            temperature=temperature.detach(),
        )

    @torch.no_grad()
    def update_targets(self) -> None:
        """Let the target networks follow: Polyak averaging."""
        c = self._config
        _follow(self.target_critics, self.critics, c.critic_target_ratio)
        if c.target_encoder:
            _follow(self.target_encoder, self.policy.encoder, c.encoder_target_ratio)

    def metrics(self) -> dict[str, float]:
        """Return the newest update's scalars by name; waits for the device."""
        norms = self._metrics._replace(
            critic_gradient_norm=_gradient_norm(self.optimisers["critic"]),
            actor_gradient_norm=_gradient_norm(self.optimisers["actor"]),
        )
        values = torch.stack([value.float().cpu() for value in norms]).tolist()
        return dict(zip(Metrics._fields, values, strict=True))

    def state(self) -> dict[str, Tensor]:
        """Return all that learning needs to go on, as contiguous copies on the CPU."""
        tensors = {
            f"{name}.{key}": tensor
            for name, module in self.modules.items()
            for key, tensor in module.state_dict().items()
        }
        tensors["log_temperature"] = self.log_temperature.detach()
        tensors["generator"] = self._generator.get_state()
        for name, optimiser in self.optimisers.items():
            for index, moments in optimiser.state_dict()["state"].items():
                for key, tensor in moments.items():
                    tensors[f"optimiser.{name}.{index}.{key}"] = tensor
        return {
            key: tensor.to("cpu", copy=True).contiguous()
            for key, tensor in tensors.items()
        }

    def load_state(self, tensors: Mapping[str, Tensor], updates: int) -> None:
        """Go on from what `state` returned after so many updates.

        Raises:
            ValueError: names or shapes are not those of this configuration, or a value is
                not finite.
        """
        check_finite(tensors)
        left = dict(tensors)
        try:
            for name, module in self.modules.items():
                module.load_state_dict(_taken(left, f"{name}."))
            self.log_temperature.data.copy_(left.pop("log_temperature"))
            self._generator.set_state(left.pop("generator"))
            for name, optimiser in self.optimisers.items():
                _load_moments(optimiser, _taken(left, f"optimiser.{name}."))
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"checkpoint does not fit the parameters: {error}") from None
        if left:
            raise ValueError(f"checkpoint holds unknown tensors: {sorted(left)}")
        self.updates = updates

    def _noise(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self._generator, device=self.device)

    def _autocast(self) -> torch.autocast:
        bf16 = self._config.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16)


def _follow(target: nn.Module, source: nn.Module, ratio: float) -> None:
    for slow, fast in zip(target.parameters(), source.parameters(), strict=True):
        slow.lerp_(fast, ratio)


def _gradient_norm(optimiser: torch.optim.Adam) -> Tensor:
    gradients = [
        parameter.grad
        for group in optimiser.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]
    return torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())


def _taken(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Remove the tensors named `prefix`...; return them by the rest of their name."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


def _load_moments(optimiser: torch.optim.Adam, tensors: Mapping[str, Tensor]) -> None:
    """Set Adam's moments from `<parameter number>.<key>`; keep the learning rates."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        index = int(number)
        if index >= len(parameters):
            raise ValueError(
                f"moment {name} belongs to none of {len(parameters)} parameters"
            )
        shape = parameters[index].shape if key != "step" else torch.Size()
        if tensor.shape != shape:
            raise ValueError(f"moment {name} must have shape {shape}, got {tensor.shape}")
        state.setdefault(index, {})[key] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
