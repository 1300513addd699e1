"""`./ur5rl bench timing`: the components of thesis table 5.2, measured on this machine.

The report is a costs file for `./ur5rl experiment thesis --costs FILE.json`.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sac_learner.core.config import LearnerConfig
from sac_learner.core.process_environment import restart_with_allocator
from ur5_rl_bringup.core.report import write_json
from ur5_rl_experiments.bench import components
from ur5_rl_experiments.bench.components import Durations, Effort
from ur5_rl_experiments.core.costs import THESIS_COSTS, Costs
from ur5_rl_experiments.core.option_types import positive_int
from ur5_rl_experiments.core.thesis import SCALES

MAX_ACTION_P99_S = 0.003  # in the setting BAR_SETTING, on a CPU
BAR_SETTING = "baseline"
QUICK = Effort(laps=1, calls=20, batches=2, pairs=1, stored_bytes=10**6)


class Timing(NamedTuple):
    """The four components of one setting."""

    action: Durations
    sampling: Durations
    update: Durations
    environment: Durations

    @property
    def costs(self) -> Costs:
        """What virtual time advances by: middle values, of updates the mean of pairs."""
        return Costs(
            action_s=self.action.p50_s,
            sampling_s=self.sampling.p50_s,
            update_s=self.update.mean_s,
            environment_s=self.environment.p50_s,
        )


def main(root: Path, words: Sequence[str]) -> int:  # noqa: ARG001  as every command
    """Measure, print the table, write the report; return 1 where acting is too slow."""
    options = _parser().parse_args(words)
    restart_with_allocator(sys.orig_argv[1:])
    learners = SCALES["small" if options.quick else "full"].learners
    effort = QUICK if options.quick else Effort()
    timings = {
        name: timing(learner, effort, options.threads)
        for name, learner in learners.items()
    }
    print(table({name: timing.costs for name, timing in timings.items()}))
    p99_s = timings[BAR_SETTING].action.p99_s
    is_fast = p99_s <= MAX_ACTION_P99_S
    print(
        f"bar: an action of {BAR_SETTING} in {1e3 * MAX_ACTION_P99_S:g} ms at p99; "
        f"measured {1e3 * p99_s:.2f} ms: {'met' if is_fast else 'missed'}"
    )
    if options.report:
        write_json(options.report, report(timings, options.threads))
    return 0 if is_fast else 1


def timing(learner: LearnerConfig, effort: Effort, threads: int) -> Timing:
    """Measure the four components of one setting."""
    return Timing(
        action=components.action(learner, effort),
        sampling=components.sampling(learner, effort),
        update=components.update(learner, effort, threads),
        environment=components.environment(learner, effort),
    )


def report(timings: Mapping[str, Timing], threads: int) -> dict[str, Any]:
    """Return a costs file: costs by setting, and all else under "details"."""
    costs: dict[str, Any] = {name: vars(t.costs) for name, t in timings.items()}
    details: dict[str, Any] = {
        name: {part: durations._asdict() for part, durations in t._asdict().items()}
        for name, t in timings.items()
    }
    p99_s = timings[BAR_SETTING].action.p99_s
    details |= {
        "threads_of_update": threads,
        "action_p99_s": p99_s,
        "action_p99_bar_s": MAX_ACTION_P99_S,
        "meets_bar": p99_s <= MAX_ACTION_P99_S,
    }
    return costs | {"details": details}


def table(measured: Mapping[str, Costs]) -> str:
    """Return the components of each setting beside the thesis', and what follows."""
    lines = ["[ms]; update: mean of a pair; period: shortest sequential action period"]
    lines.append(
        f"{'':25} {'action':>7} {'sampling':>8} {'update':>7} {'environment':>11}"
        f" {'total':>7} {'period':>6}   updates/s: async_1 async_2"
    )
    for name, costs in measured.items():
        lines.append(_line(f"{name} here", costs))
        if name in THESIS_COSTS:
            lines.append(_line(f"{'':{len(name)}} thesis", THESIS_COSTS[name]))
    return "\n".join(lines)


def _line(title: str, costs: Costs) -> str:
    async_1, async_2 = updates_per_s(costs)
    return (
        f"{title:25} {1e3 * costs.action_s:7.2f} {1e3 * costs.sampling_s:8.2f}"
        f" {1e3 * costs.update_s:7.1f} {1e3 * costs.environment_s:11.2f}"
        f" {1e3 * costs.in_line_s():7.1f} {1e3 * costs.sequential_period_s():6.0f}"
        f" {async_1:20.1f} {async_2:7.1f}"
    )


def updates_per_s(costs: Costs) -> tuple[float, float]:
    """Return the update rate without a limit [1/s]: async_1 and async_2.

    async_1 samples and updates in turn; async_2 does both at once, and the slower of the
    two sets the rate.
    """
    in_turn_s = costs.sampling_s + costs.update_s
    return 1.0 / in_turn_s, 1.0 / max(costs.sampling_s, costs.update_s)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ur5rl bench timing", description=__doc__)
    parser.add_argument("--report", type=Path, metavar="FILE.json")
    parser.add_argument(
        "--quick", action="store_true", help="does it run? small sizes, few calls"
    )
    parser.add_argument(
        "--threads", type=positive_int, default=os.cpu_count() or 1, help="of the update"
    )
    return parser
