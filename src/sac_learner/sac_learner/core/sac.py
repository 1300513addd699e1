"""Soft actor-critic from pixels: the training state and its one update.

Yuan 2021, chapter 5: encoder trained by the critic's loss alone, actor and targets
updated every second time. Three encoder passes per update instead of the published five:
the actor reuses the features that the critic has just computed, as in Yarats 2021,
arXiv:2107.09645.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sac_learner.core.batch import AnyBatch, TensorBatch, on_device
from sac_learner.core.captured_update import CapturedUpdate, Moves, fastest
from sac_learner.core.config import LearnerConfig
from sac_learner.core.descent import Descent
from sac_learner.core.device import usable_device
from sac_learner.core.losses import (
    actor_loss,
    critic_loss,
    critic_target,
    squashed_sample,
    temperature_loss,
)
from sac_learner.core.networks import (
    Encoder,
    PolicyNetwork,
    TwinCritics,
    as_pixels,
    computing_copy,
    initialise_,
)
from sac_learner.core.parameters import check_finite
from sac_learner.core.precision import computing_type, name_of


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


class Networks(NamedTuple):
    """Everything that holds weights, by the name it has in a checkpoint."""

    policy: PolicyNetwork
    critics: TwinCritics
    target_encoder: Encoder
    target_critics: TwinCritics


class Sac:
    """Networks, targets, optimisers and temperature. Owned by the thread that updates.

    There are two of each network: `modules` with the fp32 weights that are learned, and a
    copy in the type and layout that compute fast (`LearnerConfig.precision`).
    """

    def __init__(self, config: LearnerConfig) -> None:
        self._config = config
        self.device = usable_device(config.device, "device")
        self._generator = torch.Generator(self.device).manual_seed(config.seed)
        torch.manual_seed(config.seed)  # the weights are drawn from the global generator
        self._networks = _initial_networks(config)
        for network in self._networks:
            network.to(self.device)
        self.policy, self.critics, self.target_encoder, self.target_critics = (
            self._networks
        )
        self._dtype = computing_type(config.precision, self.device)
        self._fast = Networks._make(
            computing_copy(network, self._dtype) for network in self._networks
        )
        start = torch.tensor(config.initial_temperature, device=self.device)
        self.log_temperature = start.log().requires_grad_()
        self._descents = self._make_descents()
        self._run = fastest(self._update, self._generator)
        self.updates = 0
        self._metrics = Metrics(
            *(torch.zeros((), device=self.device) for _ in Metrics._fields)
        )

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Everything that holds weights, by the name it has in a checkpoint."""
        return self._networks._asdict()

    @property
    def optimisers(self) -> dict[str, torch.optim.Adam]:
        """The three of them, by the name that they have in a checkpoint."""
        return {name: descent.adam for name, descent in self._descents.items()}

    def _make_descents(self) -> dict[str, Descent]:
        c, fast = self._config, self._fast
        critic = [
            {"params": self.policy.encoder.parameters(), "lr": c.encoder_learning_rate},
            {"params": self.critics.parameters(), "lr": c.critic_learning_rate},
        ]
        critic_copies = [*fast.policy.encoder.parameters(), *fast.critics.parameters()]
        actor = [{"params": self.policy.actor.parameters(), "lr": c.actor_learning_rate}]
        temperature = [
            {
                "params": [self.log_temperature],
                "lr": c.temperature_learning_rate,
                "betas": (0.5, 0.999),
            }
        ]
        return {
            "critic": Descent(critic, critic_copies),
            "actor": Descent(actor, list(fast.policy.actor.parameters())),
            "temperature": Descent(temperature, [self.log_temperature]),
        }

    def update(self, batch: AnyBatch) -> None:
        """Take one gradient step; every second one moves actor and targets too."""
        self.updates += 1
        moves = Moves(
            actor=self.updates % self._config.actor_update_period == 0,
            targets=self.updates % self._config.target_update_period == 0,
        )
        self._run(on_device(batch, self.device), moves)

    def _update(self, batch: TensorBatch, moves: Moves) -> None:
        latent = self.update_critic(self.with_pixels(batch))
        if moves.actor:
            self.update_actor_and_temperature(latent)
        if moves.targets:
            self.update_targets()

    @property
    def computes_in(self) -> str:
        """The number type of the passes, for people: "bfloat16" or "float32"."""
        return name_of(self._dtype)

    @property
    def graph_refusal(self) -> str:
        """Why updates run without a CUDA graph on a GPU, for people; "" = they do not."""
        return getattr(self._run, "refusal", "")

    def with_pixels(self, batch: TensorBatch) -> TensorBatch:
        """Return the batch, its frames converted once for all encoder passes."""
        return batch._replace(
            frames=as_pixels(batch.frames, self._dtype),
            next_frames=as_pixels(batch.next_frames, self._dtype),
        )

    def update_critic(self, batch: TensorBatch) -> Tensor:
        """Descend the critic loss; return the features of o without gradient, (B, L)."""
        target = self.target_values(batch)
        latent: Tensor = self._fast.policy.encoder(batch.frames, batch.proprioception)
        values = self._fast.critics(latent, batch.action)
        loss = critic_loss(values, target)
        self._descents["critic"].descend(loss)
        reward = reward_per_cycle(batch, self._config.cycle_discount, self._config.n_step)
        self._record(batch_reward=reward, critic_loss=loss, q_mean=values.mean())
        return latent.detach()

    @torch.no_grad()
    def target_values(self, batch: TensorBatch) -> Tensor:
        """Return the critics' regression target, (B,)."""
        frames, proprioception = batch.next_frames, batch.next_proprioception
        latent = self._fast.policy.encoder(frames, proprioception)
        gaussian = self._fast.policy.actor(latent)
        action, log_probability = squashed_sample(gaussian, self._noise(gaussian.mean))
        if self._config.target_encoder:
            latent = self._fast.target_encoder(frames, proprioception)
        values = self._fast.target_critics(latent, action)
        temperature = self.log_temperature.exp()
        return critic_target(
            batch.reward, batch.discount, values, log_probability, temperature
        )

    def update_actor_and_temperature(self, latent: Tensor) -> None:
        """Descend actor and temperature loss on features without gradient, (B, L)."""
        temperature = self.log_temperature.exp()
        gaussian = self._fast.policy.actor(latent)
        action, log_probability = squashed_sample(gaussian, self._noise(gaussian.mean))
        values = self._fast.critics(latent, action)
        loss = actor_loss(values, log_probability, temperature.detach())
        self._descents["actor"].descend(loss)

        entropy = -log_probability.detach()
        slack = temperature_loss(temperature, -entropy, self._config.target_entropy)
        self._descents["temperature"].descend(slack)
        self._record(
            actor_loss=loss,
            entropy=entropy.mean(),
            temperature_loss=slack,
            temperature=temperature,
        )

    @torch.no_grad()
    def update_targets(self) -> None:
        """Let the target networks follow: Polyak averaging."""
        c = self._config
        _follow(self.target_critics, self.critics, c.critic_target_ratio)
        if c.target_encoder:
            _follow(self.target_encoder, self.policy.encoder, c.encoder_target_ratio)
        self._refresh_targets()

    @torch.no_grad()
    def _refresh_targets(self) -> None:
        for copy, target in zip(self._fast[2:], self._networks[2:], strict=True):
            torch._foreach_copy_(list(copy.parameters()), list(target.parameters()))

    def refresh(self) -> None:
        """Compute with the weights in `modules`, after somebody else has set them."""
        for descent in self._descents.values():
            descent.refresh()
        self._refresh_targets()

    def metrics(self) -> dict[str, float]:
        """Return the newest update's scalars by name; waits for the device."""
        norms = self._metrics._replace(
            critic_gradient_norm=self._descents["critic"].gradient_norm(),
            actor_gradient_norm=self._descents["actor"].gradient_norm(),
        )
        values: list[float] = torch.stack(norms).tolist()
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
        for name, descent in self._descents.items():
            for key, tensor in descent.moments().items():
                tensors[f"optimiser.{name}.{key}"] = tensor
        return {
            key: tensor.to("cpu", copy=True).contiguous()
            for key, tensor in tensors.items()
        }

    def load_state(self, tensors: Mapping[str, Tensor], updates: int) -> list[str]:
        """Go on from what `state` returned after so many updates.

        Returns:
            What could not be taken over, for people: noise drawn on another device.

        Raises:
            ValueError: names or shapes are not those of this configuration, or a value is
                not finite.
        """
        check_finite(tensors)
        left, problems = dict(tensors), []
        try:
            for name, module in self.modules.items():
                module.load_state_dict(_taken(left, f"{name}."))
            self.log_temperature.data.copy_(left.pop("log_temperature"))
            noise = left.pop("generator")
            if noise.shape == self._generator.get_state().shape:
                self._generator.set_state(noise)
            else:
                problems.append("the noise begins anew: it was drawn on another device")
            for name, descent in self._descents.items():
                descent.load_moments(_taken(left, f"optimiser.{name}."))
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"checkpoint does not fit the parameters: {error}") from None
        if left:
            raise ValueError(f"checkpoint holds unknown tensors: {sorted(left)}")
        self.refresh()
        if isinstance(self._run, CapturedUpdate):
            self._run.forget()
        self.updates = updates
        return problems

    def _noise(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self._generator, device=self.device)

    @torch.no_grad()
    def _record(self, **values: Tensor) -> None:
        """Keep scalars for `metrics`, on the device."""
        for name, value in values.items():
            getattr(self._metrics, name).copy_(value)


def reward_per_cycle(batch: TensorBatch, discount: float, n_step: int) -> Tensor:
    """Return the mean reward of one action cycle in a batch of n-step sums, scalar.

    A sum of n rewards weighs 1 + g + ... + g^(n-1) = (1 - g^n) / (1 - g), where g^n is
    the batch's discount; n is smaller where an episode ended. Where the task did, or g is
    1, the discount does not tell n: the sum counts as whole.
    """
    weight = torch.full_like(batch.reward, sum(discount**k for k in range(n_step)))
    if discount < 1.0:
        told = (1.0 - batch.discount) / (1.0 - discount)
        weight = torch.where(batch.discount > 0.0, told, weight)
    return batch.reward.sum() / weight.sum()


def _initial_networks(config: LearnerConfig) -> Networks:
    """Draw the weights that learning starts from; the targets begin as copies."""
    policy = PolicyNetwork(config.network)
    critics = TwinCritics(config.network, config.critic_layer_norm)
    initialise_(policy)
    initialise_(critics)
    target_encoder = deepcopy(policy.encoder).requires_grad_(False)
    target_critics = deepcopy(critics).requires_grad_(False)
    return Networks(policy, critics, target_encoder, target_critics)


def _follow(target: nn.Module, source: nn.Module, ratio: float) -> None:
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), ratio)


def _taken(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Remove the tensors named `prefix`...; return them by the rest of their name."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}
