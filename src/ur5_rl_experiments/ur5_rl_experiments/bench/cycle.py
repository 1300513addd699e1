"""How punctual the action cycle is while the learner works: the whole graph, each way.

Each architecture gets one run of the real graph on the virtual robot, with a learner that
takes as many updates as the machine lets it (sequential: one a transition, in line).
Counted are the episodes that began after its first update.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rclpy
import yaml
from rclpy.executors import SingleThreadedExecutor

from sac_learner.core.architectures import ARCHITECTURES, ASYNC_1, ASYNC_2, SEQUENTIAL
from ur5_rl_bringup.core.report import write_json
from ur5_rl_bringup.graph import environment
from ur5_rl_experiments.bench.cycle_record import CycleRecord, bar_line, late, table
from ur5_rl_experiments.bench.graph_run import GraphRun, RunFailedError, graph_run
from ur5_rl_experiments.core.option_types import positive_float
from ur5_rl_interfaces.msg import EpisodeSummary, LearnerStatus
from ur5_rl_ros import qos

Json = dict[str, Any]

LEARNING_STARTS = 50  # transitions
FREE_RUNNING, ONE_PER_TRANSITION = 0.0, 1.0
MAX_START_S = 180.0  # until the first update: a busy machine loads the learner slowly
MAX_EPISODE_S = 60.0  # beyond the minutes, for an episode that is not over


def main(root: Path, words: Sequence[str]) -> int:
    """Measure, print a table, write the report; return 1 where the bar is missed."""
    arguments = _parser().parse_args(words)
    entries: list[Json] = []
    for architecture in arguments.architectures:
        print(f"{architecture}: {arguments.minutes:g} minutes ...", flush=True)
        try:
            record = measure(root, architecture, arguments.preset, arguments.minutes)
        except RunFailedError as error:
            print(f"ur5rl: error: {architecture}: {error}", file=sys.stderr)
            return 1
        entries.append(record.entry(architecture))
        print(*table(entries[-1]), sep="\n", flush=True)
    print(bar_line(entries))
    if arguments.report:
        write_json(Path(arguments.report), _document(arguments, entries))
    return 1 if late(entries) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ur5rl bench cycle", description=__doc__)
    parser.add_argument("--report", default="", metavar="FILE.json")
    parser.add_argument("--minutes", type=positive_float, default=1.0, help="of each run")
    parser.add_argument("--preset", choices=("cpu", "thesis"), default="cpu")
    parser.add_argument(
        "--architectures", nargs="+", choices=ARCHITECTURES, metavar="NAME",
        default=[ASYNC_2, ASYNC_1, SEQUENTIAL],
    )  # fmt: skip
    return parser


def _document(arguments: argparse.Namespace, entries: list[Json]) -> Json:
    return {
        "bench": "cycle",
        "preset": arguments.preset,
        "minutes": arguments.minutes,
        "cpus": len(os.sched_getaffinity(0)),
        "load_average_1_min": os.getloadavg()[0],
        "architectures": entries,
    }


def parameters(architecture: str) -> Json:
    """Return the parameters that make the learner work as hard as it can."""
    ratio = ONE_PER_TRANSITION if architecture == SEQUENTIAL else FREE_RUNNING
    learner = {
        "learning_starts": LEARNING_STARTS,
        "updates_per_transition": ratio,
        "threads": max(1, len(os.sched_getaffinity(0)) - 1),  # one core for the graph
    }
    return {"/**/learner_node": {"ros__parameters": learner}}


def measure(root: Path, architecture: str, preset: str, minutes: float) -> CycleRecord:
    """Run the graph once; return what was heard of it.

    Raises:
        RunFailedError: it ended early, or its learner never took an update.
    """
    with tempfile.TemporaryDirectory(prefix="ur5rl-bench-") as folder:
        params = Path(folder) / "bench.yaml"
        params.write_text(yaml.safe_dump(parameters(architecture)))
        words = ["--architecture", architecture, "--preset", preset]
        words += ["--params", str(params)]
        with graph_run(root, words, Path(folder) / "run") as run:
            return _listen(root, run, 60.0 * minutes)


def _listen(root: Path, run: GraphRun, duration_s: float) -> CycleRecord:
    """Record `duration_s` [s] from the learner's first update on."""
    record = CycleRecord()
    for name, value in environment(root).items():
        os.environ.setdefault(name, value)
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=run.domain)
    try:
        node = rclpy.create_node("bench_cycle", context=context)
        node.create_subscription(
            LearnerStatus, "learner_status",
            lambda msg: record.on_status(msg, time.monotonic()), qos.STATUS,
        )  # fmt: skip
        node.create_subscription(
            EpisodeSummary, "episode_summary",
            lambda msg: record.on_episode(msg, time.monotonic()), qos.STATUS,
        )  # fmt: skip
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        _spin(executor, run, record, duration_s)
        node.destroy_node()
    finally:
        rclpy.try_shutdown(context=context)
    return record


def _spin(
    executor: SingleThreadedExecutor,
    run: GraphRun,
    record: CycleRecord,
    duration_s: float,
) -> None:
    started_s = time.monotonic()
    while True:
        executor.spin_once(timeout_sec=0.2)
        run.check()
        now_s = time.monotonic()
        if record.first is None:
            if now_s - started_s > MAX_START_S:
                run.fail(f"the learner took no update in {MAX_START_S:g} s")
            continue
        measured_s = now_s - record.first[0]
        if measured_s > duration_s and record.episodes:
            return
        if measured_s > duration_s + MAX_EPISODE_S:
            run.fail("no episode ended")
