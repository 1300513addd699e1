"""One measurement of the learner, in a process of its own; prints it as JSON."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from sac_learner.core.batch import Batch, TensorBatch, empty_batch, on_device
from sac_learner.core.config import LearnerConfig
from sac_learner.core.frame_store import HOST
from sac_learner.core.precision import computing_type
from sac_learner.core.reference_step import ReferenceSac
from sac_learner.core.replay_buffer import ReplayBuffer
from sac_learner.core.sac import Sac
from sac_learner.core.time_step import COLOURS, TimeStep
from ur5_rl_experiments.bench.published import StackedReplay

STORED_BYTES = 2**27
SAMPLES_PER_PAIR = 5  # mini-batches drawn for each pair of updates


class Wanted(NamedTuple):
    """What a child process measures. Crops are those of table 5.3, scaled.

    Attributes:
        kind: "ours", or else the published structure.
        shape: Width and height of a camera frame [px].
        batch: Transitions in a mini-batch.
        threads: Of the numerical kernels.
        device: Where both sides update.
        pairs: Of updates; the fastest counts.
        hidden: Units in a hidden layer.
        stored_bytes: Of the frames in our buffer; six times as many in the published one.
            More than a processor's cache holds, as every buffer of a run.
        product: Side of the square matrices whose product tells the machine's peak.
    """

    kind: str
    shape: tuple[int, int]
    batch: int
    threads: int
    device: str = "cpu"
    pairs: int = 2
    hidden: int = 1024
    stored_bytes: int = STORED_BYTES
    product: int = 1024

    @property
    def config(self) -> LearnerConfig:
        """The learner that this describes."""
        width, height = self.shape
        return LearnerConfig(
            width_px=width, height_px=height,
            crop_rows=max(1, round(0.01 * height)),
            crop_columns=max(1, round(0.01 * width)),
            hidden_size=self.hidden, batch_size=self.batch, device=self.device,
            replay_device=HOST if self.device == "cpu" else self.device,
            learning_starts=1, replay_capacity=self.stored,
        )  # fmt: skip

    @property
    def stored(self) -> int:
        """Transitions in the buffers."""
        return stored_in(self.stored_bytes, *self.shape)

    @property
    def dtype(self) -> torch.dtype:
        """What ours computes in."""
        return computing_type(self.config.precision, torch.device(self.device))


def main() -> int:
    """Measure what the one argument asks for, a `Wanted` as JSON."""
    wanted = Wanted(**json.loads(sys.argv[1]))
    torch.set_num_threads(wanted.threads)
    print(json.dumps(measured(wanted)))
    return 0


def measured(wanted: Wanted) -> dict[str, float]:
    """Return times [ms], the first loss, and the peak of the device [GFLOP/s]."""
    measure = _ours if wanted.kind == "ours" else _plain
    most = peak(wanted.device, wanted.product, wanted.dtype)
    return measure(wanted) | {"peak_gflop_s": most}


def _ours(wanted: Wanted) -> dict[str, float]:
    config, rng = wanted.config, np.random.default_rng(0)
    sac = Sac(config)
    sac.update(random_batch(config))
    loss = sac.metrics()["critic_loss"]
    buffer = ReplayBuffer(
        wanted.stored,
        config.network,
        discount=config.discount,
        replay_device=config.replay_device,
    )
    for step in episode_steps(config, rng, wanted.stored):
        buffer.add(step)
    batch = buffer.empty_batch(config.batch_size)

    def sample() -> None:
        buffer.sample_into(batch, rng)
        _wait_for(wanted.device)

    sample_ms = fastest_ms(sample, SAMPLES_PER_PAIR * wanted.pairs)
    on_its_device = on_device(batch, sac.device)
    update_ms = _pair_ms(lambda: sac.update(on_its_device), wanted) / 2
    return {"update_ms": update_ms, "sample_ms": sample_ms, "loss": loss}


def _plain(wanted: Wanted) -> dict[str, float]:
    config, rng = wanted.config, np.random.default_rng(0)
    plain = published_learner(config)
    plain.update(on_device(random_batch(config), plain.device))
    loss = plain.losses["critic_loss"]
    replay = StackedReplay(wanted.stored, config.network, rng)
    sample_ms = fastest_ms(
        lambda: replay.sample(config.batch_size), SAMPLES_PER_PAIR * wanted.pairs
    )
    batch = TensorBatch(*(t.to(plain.device) for t in replay.sample(config.batch_size)))
    update_ms = _pair_ms(lambda: plain.update(batch), wanted) / 2
    return {"update_ms": update_ms, "sample_ms": sample_ms, "loss": loss}


def published_learner(config: LearnerConfig) -> ReferenceSac:
    """Return the published order of passes, with the weights that ours begins with."""
    start = Sac(replace(config, precision="fp32")).state()
    return ReferenceSac(config, start, reuses_features=False)


def _pair_ms(update: Callable[[], None], wanted: Wanted) -> float:
    """Return the time of two updates [ms]: one of them moves actor and targets."""

    def pair() -> None:
        update()
        update()
        _wait_for(wanted.device)

    return fastest_ms(pair, wanted.pairs)


def _wait_for(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def stored_in(frame_bytes: int, width: int, height: int) -> int:
    """Return how many transitions have frames of so many bytes, one each."""
    return max(1, frame_bytes // (COLOURS * width * height))


def fastest_ms(action: Callable[[], object], repeats: int) -> float:
    """Return the shortest of so many wall times [ms], after one call for nothing."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def peak(device: str, size: int, dtype: torch.dtype) -> float:
    """Return what a product of square matrices reaches on the device [GFLOP/s]."""
    a = torch.randn(size, size, device=device, dtype=dtype)

    def multiply() -> float:
        return (a @ a)[0, 0].item()  # waits for the device

    ms = fastest_ms(multiply, 8)
    return 2.0 * size**3 / ms / 1e6


def random_batch(config: LearnerConfig) -> Batch:
    """Return the batch on which both sides' losses are compared."""
    rng, batch = np.random.default_rng(1), empty_batch(config.batch_size, config.network)
    for array in batch:
        is_image = array.dtype == np.uint8
        array[:] = (
            rng.integers(0, 256, array.shape)
            if is_image
            else rng.uniform(-1.0, 1.0, array.shape)
        )
    batch.discount[:] = 0.99
    return batch


def episode_steps(
    config: LearnerConfig, rng: np.random.Generator, count: int
) -> list[TimeStep]:
    """Return so many steps of one long episode, one new frame each."""
    network = config.network
    shape = (3, network.height_px, network.width_px)
    steps = []
    for i in range(count):
        new = tuple(range(i, i + 3)) if i == 0 else (i + 2,)
        steps.append(
            TimeStep(
                run_id=1, sequence=i + 1, episode=1, step=i, is_first=i == 0,
                is_last=False, is_terminal=False,
                action=rng.uniform(-1.0, 1.0, network.actions).astype(np.float32),
                reward=0.0, stack_ids=(i, i + 1, i + 2), frame_ids=new,
                frames=rng.integers(0, 256, (len(new), *shape), np.uint8),
                proprioception=rng.normal(size=network.proprioception).astype(np.float32),
            )
        )  # fmt: skip
    return steps


if __name__ == "__main__":
    sys.exit(main())
