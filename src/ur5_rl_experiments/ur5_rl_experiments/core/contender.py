"""Who is evaluated: a checkpoint's policy without exploration, or a yardstick."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sac_learner.core.actor_config import ActorConfig
from sac_learner.core.checkpoint import read_policy
from sac_learner.core.networks import PolicyNetwork
from sac_learner.core.observation import Observation
from sac_learner.core.parameters import decode_policy
from sac_learner.core.policies import Action, Policy, make_policy
from sac_learner.core.sac_policy import SacPolicy, admit
from target_display.core.motion import MotionConfig
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.task import ACTION_PERIOD_S, EPISODE_S
from ur5_rl_experiments.core.evaluation import Act
from ur5_rl_experiments.core.origin import origin_of
from ur5_sim.core.camera_config import CameraConfig
from ur5_sim.core.observer import Seen
from ur5_sim.core.world import WorldConfig

YARDSTICKS = ("servo", "zero", "random")
TASKS = ("reaching", "tracking")


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A policy, and the world that it was made for.

    Attributes:
        name: For tables.
        policy_of: Returns the policy for the episode of a number, without memory of
            others.
        height_px: Rows of its camera frames [px].
        width_px: Columns of its camera frames [px].
        period_s: Time between two actions [s].
        task: What it learnt from; "" = unknown.
        network: What acts; None for a yardstick.
    """

    name: str
    policy_of: Callable[[int], Policy]
    height_px: int = 90
    width_px: int = 160
    period_s: float = ACTION_PERIOD_S
    task: str = ""
    network: PolicyNetwork | None = None

    def __post_init__(self) -> None:
        self.world("reaching")  # checks sizes and period

    @property
    def steps(self) -> int:
        """Actions of an episode."""
        return int(EPISODE_S / self.period_s + 1e-9)

    def world(self, task: str) -> WorldConfig:
        """Return the world to evaluate in, the same targets for every contender."""
        return WorldConfig(
            motion=MotionConfig(motion=task),
            camera=CameraConfig(width_px=self.width_px, height_px=self.height_px),
            arm=ArmConfig(action_period_s=self.period_s),
        )

    def act_in(self, episode: int) -> Act:
        """Return the policy as a function, for one episode."""
        return _Acting(self.policy_of(episode), episode, self.period_s)


class _Acting:
    """A policy that is asked once an action period. Owned by one thread."""

    def __init__(self, policy: Policy, episode: int, period_s: float) -> None:
        self._policy = policy
        self._episode = episode
        self._period_ns = round(period_s * 1e9)
        self._step = 0

    def __call__(self, seen: Seen) -> Action:
        now_ns = self._step * self._period_ns
        observation = Observation(1, self._episode, self._step, now_ns, *seen)
        self._step += 1
        return self._policy.act(observation)


def yardstick(policy: str, height_px: int = 90, width_px: int = 160) -> Contender:
    """Return one of `YARDSTICKS`; `random` draws the same actions in the same episode."""
    return Contender(
        name=policy,
        policy_of=lambda episode: make_policy(ActorConfig(policy=policy, seed=episode)),
        height_px=height_px,
        width_px=width_px,
    )


def learned(checkpoint: Path) -> Contender:
    """Return the policy of a checkpoint, acting by its mean action.

    Image size and crop are those of its network; the action period is that of the
    learner's configuration where it names one.

    Raises:
        ValueError: names the checkpoint and says what is missing, broken or of another
            shape.
    """
    try:
        encoded = read_policy(checkpoint)
        shape = decode_policy(encoded).config
        actor = ActorConfig(height_px=shape.height_px, width_px=shape.width_px)
        network = admit(encoded, actor, None)
        policy = SacPolicy(seed=0, deterministic=True)
        policy.use(network, encoded.version)
        origin = origin_of(checkpoint)
        return Contender(
            name=name_of(checkpoint),
            policy_of=lambda _: policy,
            height_px=shape.height_px,
            width_px=shape.width_px,
            period_s=origin.action_period_s,
            task=origin.task,
            network=network,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = str(error)
        if str(checkpoint) not in text:
            text = f"checkpoint {checkpoint}: {text}"
        raise ValueError(text) from None


def name_of(checkpoint: Path) -> str:
    """Return RUN/NUMBER of a checkpoint in a run's folder, else the folder's name."""
    checkpoint = checkpoint.absolute()
    if checkpoint.parent.name == "checkpoints":
        return f"{checkpoint.parent.parent.name}/{checkpoint.name}"
    return checkpoint.name
