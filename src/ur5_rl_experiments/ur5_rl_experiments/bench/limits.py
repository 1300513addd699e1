"""`./ur5rl bench limits`: adversarial policies against the limits of a virtual arm."""

import argparse
import itertools
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ur5_rl_bringup.core.report import write_json
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.safety import Limited, limited_motion
from ur5_sim.core.adversaries import ADVERSARIES
from ur5_sim.core.limit_trial import LimitTrial, Outcome, wide_arm

ARMS: dict[str, Callable[[], ArmConfig]] = {"task": ArmConfig, "wide": wide_arm}
STALLS = {"steady": 0.0, "stalls": 0.02}  # probability after each cycle
MOST = 1.01  # of what acceleration and jerk may be
CONDITIONS = list(itertools.product(ARMS, STALLS))


class TimedLimiter:
    """`limited_motion`, and how long each call of it took.

    Attributes:
        free_ns, changed_ns: Of calls that no wall changed, and of the others.
    """

    def __init__(self) -> None:
        self.free_ns = array("q")
        self.changed_ns = array("q")

    def __call__(self, *words: Any, **options: Any) -> Limited:
        """Call it."""
        start_ns = time.perf_counter_ns()
        motion = limited_motion(*words, **options)
        elapsed_ns = time.perf_counter_ns() - start_ns
        (self.free_ns if motion.is_step else self.changed_ns).append(elapsed_ns)
        return motion


def main(root: Path, words: Sequence[str]) -> int:  # noqa: ARG001  as every command
    """Drive every policy on both arms, with and without stalls; return 1 past a bar.

    Raises:
        ValueError: an option is out of range.
    """
    options = _parser().parse_args(words)
    if options.steps < len(CONDITIONS):
        raise ValueError(f"steps must be at least {len(CONDITIONS)}, got {options.steps}")
    limiter, rows = TimedLimiter(), []
    print(_HEADER)
    for policy in ADVERSARIES:
        for arm, stalls in CONDITIONS:
            outcome = _run(policy, arm, stalls, options, limiter)
            rows.append({"policy": policy, "arm": arm, "stalls": stalls, **_row(outcome)})
            print(_line(rows[-1]), flush=True)
    costs = {"free": _cost(limiter.free_ns), "changed": _cost(limiter.changed_ns)}
    for kind, cost in costs.items():
        print(_cost_line(kind, cost))
    is_kept = all(row["meets_bar"] for row in rows)
    print("bar: no excursion, acceleration and jerk within 1 %:", end=" ")
    print("met" if is_kept else "missed")
    if options.report:
        report = {"steps_per_policy": options.steps, "rows": rows, "cost": costs}
        write_json(options.report, report)
    return 0 if is_kept else 1


def _run(
    policy: str,
    arm: str,
    stalls: str,
    options: argparse.Namespace,
    limiter: TimedLimiter,
) -> Outcome:
    trial = LimitTrial(
        ARMS[arm](),
        ADVERSARIES[policy],
        stalls=STALLS[stalls],
        seed=options.seed,
        limiter=limiter,
    )
    return trial.run(options.steps // len(CONDITIONS))


def _row(outcome: Outcome) -> dict[str, Any]:
    jerk = outcome.jerk_rad_s3 / ArmConfig().jerk_rad_s3
    is_kept = not outcome.excursions and outcome.acceleration <= MOST and jerk <= MOST
    return {
        "cycles": outcome.cycles,
        "limited_cycles": outcome.limited,
        "excursions": outcome.excursions,
        "least_margin": vars(outcome.margins),
        "acceleration_over_percent": 100.0 * (outcome.acceleration - 1.0),
        "jerk_rad_s3": outcome.jerk_rad_s3,
        "speed_rad_s": outcome.speed_rad_s,
        "meets_bar": is_kept,
    }


def _cost(elapsed_ns: "array[int]") -> dict[str, float]:
    """Return what a call takes [us]."""
    elapsed_us = np.array(elapsed_ns, np.float64) / 1e3
    if not elapsed_us.size:
        return {"calls": 0}
    return {
        "calls": elapsed_us.size,
        "mean_us": float(elapsed_us.mean()),
        "p50_us": float(np.percentile(elapsed_us, 50)),
        "p99_us": float(np.percentile(elapsed_us, 99)),
    }


_HEADER = (
    f"{'':34}  cycles limited excur-  least margin [mrad, mm]             "
    f"acceler-  jerk\n{'policy':21} {'arm':4} {'process':7} {'':>7}     [%]  sions"
    "  joint  tool elbow wrist  self   ation [%] [rad/s3]"
)


def _line(row: dict[str, Any]) -> str:
    left = row["least_margin"]
    margins = (
        f"{1e3 * left['joint_rad']:6.2f} {1e3 * left['tool_m']:5.2f} "
        f"{1e3 * left['elbow_m']:5.1f} {1e3 * left['wrist_m']:5.1f} "
        f"{1e3 * left['self_collision_m']:5.2f}"
    )
    return (
        f"{row['policy']:21} {row['arm']:4} {row['stalls']:7} {row['cycles']:7}   "
        f"{100.0 * row['limited_cycles'] / row['cycles']:5.1f} {row['excursions']:6} "
        f"{margins}   {row['acceleration_over_percent']:+9.4f} {row['jerk_rad_s3']:8.3f}"
    )


def _cost_line(kind: str, cost: dict[str, float]) -> str:
    if not cost["calls"]:
        return f"limiter, {kind}: never"
    return (
        f"limiter, {kind}: mean {cost['mean_us']:.0f}, median {cost['p50_us']:.0f}, "
        f"99 % {cost['p99_us']:.0f} us of {cost['calls']} calls"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ur5rl bench limits", description=__doc__)
    text = "actions of each policy, shared among two arms, with and without stalls"
    parser.add_argument("--steps", type=int, default=20_000, help=text)
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--report", type=Path, help="write what was measured as JSON")
    return parser
