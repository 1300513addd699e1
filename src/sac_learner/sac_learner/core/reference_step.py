"""The update written for reading: what `Sac` must equal, and what it is measured against.

Whole fp32, default layouts, one encoder pass wherever the formulas name one, ordinary
Adam. Only tests and benchmarks import it.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the name everybody knows

from sac_learner.core.batch import TensorBatch
from sac_learner.core.config import LearnerConfig
from sac_learner.core.losses import (
    actor_loss,
    critic_loss,
    critic_target,
    squashed_sample,
    temperature_loss,
)
from sac_learner.core.networks import Actor, Encoder, TwinCritics


class PlainEncoder(Encoder):
    """The same weights; pixels in [0, 1], then layer after layer as in the paper."""

    def forward(self, frames: Tensor, proprioception: Tensor) -> Tensor:
        x = self.first(frames.float() / 255.0)
        for convolution in self.others:
            x = convolution(F.relu(x))
        attention = torch.softmax(x.flatten(2), dim=2)  # (B, F, H W)
        places = (attention @ self.softmax.places).flatten(1)
        return torch.cat([places, proprioception], dim=1)


class ReferenceSac:
    """Five encoder passes where the actor moves, three where it does not.

    Begins with the weights of `Sac.state()` before the first update. Where
    `reuses_features`, actor and temperature see the features of o from before the
    critic's step, as `Sac` and DrQ-v2 do. Else it is the published order: the features
    are computed anew, by the encoder that has just moved, for the actor and the critics.
    """

    def __init__(
        self,
        config: LearnerConfig,
        tensors: Mapping[str, Tensor],
        *,
        reuses_features: bool = True,
    ) -> None:
        self._config, self._reuses_features = config, reuses_features
        self.device = torch.device(config.device)
        network, norm = config.network, config.critic_layer_norm
        self.encoder, self.actor = PlainEncoder(network), Actor(network)
        self.critics = TwinCritics(network, norm)
        self.target_encoder = PlainEncoder(network)
        self.target_critics = TwinCritics(network, norm)
        for name, module in self.modules.items():
            module.load_state_dict(_named(tensors, f"{name}."))
            module.to(self.device)
        temperature = tensors["log_temperature"].to(self.device, copy=True)
        self.log_temperature = temperature.requires_grad_()
        self._generator = torch.Generator(self.device)
        self._generator.set_state(tensors["generator"])
        self.critic_adam, self.actor_adam, self.temperature_adam = self._make_adams()
        self.updates = 0
        self.losses: dict[str, float] = {}

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Everything that holds weights, by the name it has in a checkpoint."""
        return {
            "policy.encoder": self.encoder,
            "policy.actor": self.actor,
            "critics": self.critics,
            "target_encoder": self.target_encoder,
            "target_critics": self.target_critics,
        }

    def _make_adams(self) -> tuple[torch.optim.Adam, ...]:
        c = self._config
        groups = [
            {"params": self.encoder.parameters(), "lr": c.encoder_learning_rate},
            {"params": self.critics.parameters(), "lr": c.critic_learning_rate},
        ]
        actor = torch.optim.Adam(self.actor.parameters(), c.actor_learning_rate)
        temperature = torch.optim.Adam(
            [self.log_temperature], c.temperature_learning_rate, betas=(0.5, 0.999)
        )
        return torch.optim.Adam(groups), actor, temperature

    def update(self, batch: TensorBatch) -> None:
        """Take one gradient step; every second one moves actor and targets too."""
        features = self._features(batch) if self._reuses_features else None
        self.update_critic(batch)
        self.updates += 1
        if self.updates % self._config.actor_update_period == 0:
            if features is not None:
                self.update_actor(features, features)
            else:
                self.update_actor(self._features(batch), self._features(batch))
        if self.updates % self._config.target_update_period == 0:
            self.update_targets()

    @torch.no_grad()
    def _features(self, batch: TensorBatch) -> Tensor:
        features: Tensor = self.encoder(batch.frames, batch.proprioception)
        return features

    def update_critic(self, batch: TensorBatch) -> None:
        """Descend the critic loss."""
        with torch.no_grad():
            frames, proprioception = batch.next_frames, batch.next_proprioception
            action, log_probability = self._sample(self.encoder(frames, proprioception))
            slow = self.target_encoder if self._config.target_encoder else self.encoder
            values = self.target_critics(slow(frames, proprioception), action)
            temperature = self.log_temperature.exp()
            target = critic_target(
                batch.reward, batch.discount, values, log_probability, temperature
            )
        latent = self.encoder(batch.frames, batch.proprioception)
        loss = critic_loss(self.critics(latent, batch.action), target)
        _descend(self.critic_adam, loss)
        self.losses["critic_loss"] = loss.item()

    def update_actor(self, actor_latent: Tensor, critic_latent: Tensor) -> None:
        """Descend actor and temperature loss on features without gradient, (B, L)."""
        temperature = self.log_temperature.exp()
        action, log_probability = self._sample(actor_latent)
        values = self.critics(critic_latent, action)
        loss = actor_loss(values, log_probability, temperature.detach())
        _descend(self.actor_adam, loss)
        slack = temperature_loss(
            temperature, log_probability.detach(), self._config.target_entropy
        )
        _descend(self.temperature_adam, slack)
        self.losses |= {"actor_loss": loss.item(), "temperature_loss": slack.item()}

    @torch.no_grad()
    def update_targets(self) -> None:
        """Let the target networks follow: Polyak averaging."""
        c = self._config
        for target, source, ratio in (
            (self.target_critics, self.critics, c.critic_target_ratio),
            (self.target_encoder, self.encoder, c.encoder_target_ratio),
        ):
            pairs = zip(target.parameters(), source.parameters(), strict=True)
            for slow, fast in pairs:
                slow.copy_((1.0 - ratio) * slow + ratio * fast)

    def _sample(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        gaussian = self.actor(latent)
        noise = torch.randn(
            gaussian.mean.shape, generator=self._generator, device=self.device
        )
        return squashed_sample(gaussian, noise)


def _descend(adam: torch.optim.Adam, loss: Tensor) -> None:
    adam.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    adam.step()


def _named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors named `prefix`... by the rest of their name."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
