"""`./ur5rl bench env`: steps per second of the Gymnasium environments on one core."""

import argparse
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from ur5_rl_bringup.core.report import write_json
from ur5_rl_experiments.core.option_types import positive_int
from ur5_sim.gymnasium_env import IMAGE_SIZES, NAMES

MIN_STEPS_PER_S = 2000.0  # at BAR_SIZE, for each task
BAR_SIZE = (160, 90)
WARM_UP_STEPS = 100


class Lap(NamedTuple):
    """Steps per second of one repeat, by both clocks."""

    by_cpu: float
    by_wall: float


def main(root: Path, words: Sequence[str]) -> int:  # noqa: ARG001  as every command
    """Measure every task and image size; return 1 where a step is slower than the bar."""
    options = _parser().parse_args(words)
    rows = []
    print(f"{'':15} {'image':>9}  steps/s of CPU time   of wall time")
    with_one_core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {with_one_core})
    for name in NAMES.values():
        for size in IMAGE_SIZES:
            laps = list(_laps(name, size, options.steps, options.repeats))
            rows.append(_row(name, size, laps))
            print(_line(rows[-1]), flush=True)
    is_fast = all(row["meets_bar"] for row in rows)
    print(f"bar: {MIN_STEPS_PER_S:.0f} at {BAR_SIZE[0]} x {BAR_SIZE[1]}:", end=" ")
    print("met" if is_fast else "missed")
    if options.report:
        report = {"steps": options.steps, "repeats": options.repeats, "rows": rows}
        write_json(options.report, report)
    return 0 if is_fast else 1


def _laps(name: str, size: tuple[int, int], steps: int, repeats: int) -> Iterator[Lap]:
    """Yield one lap a repeat: uniformly random actions, episodes' resets included."""
    env = gymnasium.make(name, image_size=size)
    random = np.random.default_rng(0)
    env.reset(seed=0)
    _run(env, random, WARM_UP_STEPS)
    for _ in range(repeats):
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        _run(env, random, steps)
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
        yield Lap(steps / cpu_s, steps / wall_s)
    env.close()


def _run(env: gymnasium.Env[Any, Any], random: np.random.Generator, steps: int) -> None:
    for action in random.uniform(-1.0, 1.0, (steps, 5)).astype(np.float32):
        if env.step(action)[3]:
            env.reset()


def _row(name: str, size: tuple[int, int], laps: Sequence[Lap]) -> dict[str, Any]:
    by_cpu = [lap.by_cpu for lap in laps]
    middle = statistics.median(by_cpu)
    return {
        "name": name,
        "width_px": size[0],
        "height_px": size[1],
        "steps_per_cpu_s": middle,
        "steps_per_cpu_s_min": min(by_cpu),
        "steps_per_cpu_s_max": max(by_cpu),
        "steps_per_wall_s": statistics.median(lap.by_wall for lap in laps),
        "meets_bar": size != BAR_SIZE or middle >= MIN_STEPS_PER_S,
    }


def _line(row: dict[str, Any]) -> str:
    size = f"{row['width_px']} x {row['height_px']}"
    low, high = row["steps_per_cpu_s_min"], row["steps_per_cpu_s_max"]
    return (
        f"{row['name']:15} {size:>9}  {row['steps_per_cpu_s']:5.0f} "
        f"({low:.0f}..{high:.0f}) {row['steps_per_wall_s']:11.0f}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ur5rl bench env", description=__doc__)
    parser.add_argument("--steps", type=positive_int, default=1000, help="of a repeat")
    parser.add_argument(
        "--repeats", type=positive_int, default=7, help="the median counts"
    )
    parser.add_argument("--report", type=Path, help="write what was measured as JSON")
    return parser
