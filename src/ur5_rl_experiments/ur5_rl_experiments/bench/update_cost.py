"""One measurement of the learner, in a process of its own; prints it as JSON."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from sac_learner.core.batch import Batch, empty_batch, on_device
from sac_learner.core.config import LearnerConfig
from sac_learner.core.reference_step import ReferenceSac
from sac_learner.core.replay_buffer import ReplayBuffer
from sac_learner.core.sac import Sac
from sac_learner.core.time_step import TimeStep
from ur5_rl_experiments.bench.published import StackedReplay

STORED = 300  # transitions; as few as this, so that 320 x 180 stacked fits small machines


def main() -> int:
    """Measure what the one argument asks for: kind, shape, batch, device, pairs."""
    wanted = json.loads(sys.argv[1])
    torch.set_num_threads(wanted["threads"])
    width, height = wanted["shape"]
    config = LearnerConfig(
        width_px=width,
        height_px=height,
        crop_rows=round(0.01 * height),
        crop_columns=round(0.01 * width),
        batch_size=wanted["batch"],
        device=wanted["device"],
        learning_starts=1,
        replay_capacity=STORED,
    )
    measure = _ours if wanted["kind"] == "ours" else _plain
    print(json.dumps(measure(config, wanted["pairs"]) | {"peak_gflop_s": peak(config)}))
    return 0


def _ours(config: LearnerConfig, pairs: int) -> dict[str, Any]:
    sac, rng = Sac(config), np.random.default_rng(0)
    sac.update(random_batch(config))
    loss = sac.metrics()["critic_loss"]
    buffer = ReplayBuffer(STORED, config.network, discount=config.discount, n_step=1)
    for step in episode_steps(config, rng, STORED):
        buffer.add(step)
    batch = buffer.empty_batch(config.batch_size)
    sample_ms = fastest_ms(lambda: buffer.sample_into(batch, rng), 5 * pairs)
    update_ms = fastest_ms(lambda: _twice(lambda: sac.update(batch), sac), pairs) / 2
    return {"update_ms": update_ms, "sample_ms": sample_ms, "loss": loss}


def _plain(config: LearnerConfig, pairs: int) -> dict[str, Any]:
    start = Sac(replace(config, device="cpu", precision="fp32")).state()
    plain = ReferenceSac(config, start, reuses_features=False)
    plain.update(on_device(random_batch(config), torch.device("cpu")))
    loss = plain.losses["critic_loss"]
    replay = StackedReplay(STORED, config.network, np.random.default_rng(0))
    batch = replay.sample(config.batch_size)
    sample_ms = fastest_ms(lambda: replay.sample(config.batch_size), pairs)
    update_ms = fastest_ms(lambda: _twice(lambda: plain.update(batch)), pairs) / 2
    return {"update_ms": update_ms, "sample_ms": sample_ms, "loss": loss}


def _twice(update: Callable[[], None], sac: Sac | None = None) -> None:
    """Take two updates: one moves actor and targets; wait for the device."""
    update()
    update()
    if sac is not None:
        sac.metrics()


def fastest_ms(action: Callable[[], object], repeats: int) -> float:
    """Return the shortest of so many wall times [ms], after one call for nothing."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def peak(config: LearnerConfig) -> float:
    """Return what a large bf16 matrix product reaches on the device [GFLOP/s]."""
    size = 1024 if config.device == "cpu" else 8192
    a = torch.randn(size, size, device=config.device, dtype=torch.bfloat16)

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
