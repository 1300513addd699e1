"""The four components of an agent, as our nodes run them, each measured on its own."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from sac_learner.core.actor_config import ActorConfig
from sac_learner.core.config import LearnerConfig
from sac_learner.core.networks import PolicyNetwork, initialise_
from sac_learner.core.observation import Observation
from sac_learner.core.replay_buffer import ReplayBuffer
from sac_learner.core.sac import Sac
from sac_learner.core.sac_policy import action_of, prepare
from ur5_rl_env.core.env_config import EnvConfig
from ur5_rl_env.core.episode import Answer, Episode
from ur5_rl_env.core.reward import Reward
from ur5_rl_env.core.sensors import Frame, JointSample, Sensors
from ur5_rl_env.core.task import NUM_ACTIONS, NUM_JOINTS, NUM_PROPRIOCEPTION
from ur5_rl_experiments.bench.update_cost import (
    STORED_BYTES,
    episode_steps,
    random_batch,
    stored_in,
)

WARM_UP_CALLS = 10


class Effort(NamedTuple):
    """How often each component runs in a lap, and how many laps there are.

    Attributes:
        laps: Of each component; the median of the laps counts.
        calls: Actions and ticks of the environment in a lap.
        batches: Mini-batches in a lap.
        pairs: Of updates in a lap: one moves the critic alone, one the actor too.
        stored_bytes: Of the frames in the replay buffer.
    """

    laps: int = 3
    calls: int = 300
    batches: int = 20
    pairs: int = 3
    stored_bytes: int = STORED_BYTES


class Durations(NamedTuple):
    """Of one component: the medians over laps of a lap's statistics [s]."""

    mean_s: float
    p50_s: float
    p99_s: float


def action(config: LearnerConfig, effort: Effort) -> Durations:
    """Measure the policy's answer to one observation, as actor_node computes it."""
    torch.set_num_threads(1)  # as `make_sac_policy` does
    rng, shape = np.random.default_rng(0), config.network
    network = PolicyNetwork(shape)
    initialise_(network)
    actor = ActorConfig(height_px=shape.height_px, width_px=shape.width_px)
    prepare(network, actor)
    size = (shape.channels, shape.height_px, shape.width_px)
    frames = rng.integers(0, 256, size, np.uint8)
    joints = rng.normal(size=NUM_PROPRIOCEPTION).astype(np.float32)
    observation = Observation(1, 1, 0, 0, frames, joints)
    noise = rng.standard_normal(NUM_ACTIONS, np.float32)
    return _measured(
        lambda: action_of(network, observation, noise), effort.laps, effort.calls
    )


def sampling(config: LearnerConfig, effort: Effort) -> Durations:
    """Measure drawing and cropping a mini-batch, as the sampler does."""
    rng = np.random.default_rng(0)
    stored = stored_in(effort.stored_bytes, config.width_px, config.height_px)
    buffer = ReplayBuffer(
        stored, config.network, discount=config.discount, n_step=config.n_step
    )
    for step in episode_steps(config, rng, stored + 1):
        buffer.add(step)
    batch = buffer.empty_batch(config.batch_size)
    return _measured(lambda: buffer.sample_into(batch, rng), effort.laps, effort.batches)


def update(config: LearnerConfig, effort: Effort, threads: int) -> Durations:
    """Measure a gradient update: pairs of them, because every second does more."""
    torch.set_num_threads(threads)
    sac, batch = Sac(config), random_batch(config)

    def pair() -> None:
        sac.update(batch)
        sac.update(batch)
        sac.metrics()  # waits for the device

    durations = _measured(pair, effort.laps, effort.pairs, warm_up=1)
    return Durations(*(0.5 * value for value in durations))


def environment(config: LearnerConfig, effort: Effort) -> Durations:
    """Measure what env_node computes in a tick, without the messages around it."""
    ticks = _ticks(config, np.random.default_rng(0))
    return _measured(lambda: next(ticks), effort.laps, effort.calls)


def _ticks(config: LearnerConfig, rng: np.random.Generator) -> Iterator[None]:
    """Yield after each tick: image in; observation, proprioception and reward out."""
    env = EnvConfig(height_px=config.height_px, width_px=config.width_px)
    size = (env.height_px, env.width_px, 3)
    image = rng.integers(0, 256, size, np.uint8)
    reward = Reward(env.reward(), env.height_px, env.width_px, env.action_period_s)
    still = np.zeros(NUM_JOINTS)
    sensors, episode, number = Sensors(env), Episode(env, reward, 1), 0
    while True:
        number += 1
        sensors.on_joint_sample(JointSample(number, number, still, still))
        sensors.on_frame(_frame(image, number))
        if number < 3:  # a stack has three frames
            continue
        answer = Answer(1, episode.step, np.zeros(NUM_ACTIONS, np.float32))
        episode.begin_step(sensors.snapshot(), answer)
        b"".join(frame.planes.data for frame in episode.snapshot.frames)
        episode.proprioception()
        episode.finish_step(limited=False)
        if episode.is_over:
            episode = Episode(env, reward, 1)
        yield


def _frame(image: np.ndarray, number: int) -> Frame:
    """Return a frame made as `env_convert.frame` makes it from a message."""
    own = image.copy()
    planes = np.ascontiguousarray(own.transpose(2, 0, 1))
    return Frame(number, number, number, own, planes)


def _measured(
    call: Callable[[], object], laps: int, calls: int, warm_up: int = WARM_UP_CALLS
) -> Durations:
    for _ in range(warm_up):
        call()
    statistics_of_laps = [_statistics(_lap(call, calls)) for _ in range(laps)]
    return Durations(*map(statistics.median, zip(*statistics_of_laps, strict=True)))


def _lap(call: Callable[[], object], calls: int) -> list[float]:
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def _statistics(times: list[float]) -> Durations:
    p50, p99 = np.percentile(times, (50, 99))
    return Durations(statistics.fmean(times), float(p50), float(p99))
