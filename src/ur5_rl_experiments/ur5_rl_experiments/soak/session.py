"""One soak: starts the graph as a user does, samples it, appends that to a file."""

import os
import platform
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml

from sac_learner.core.time_step import COLOURS
from ur5_rl_experiments.bench.graph_run import GraphRun, graph_run
from ur5_rl_experiments.core.soak_record import (
    EPISODE,
    SAMPLE,
    Header,
    SoakRecord,
    end_line,
    header_line,
    line,
)
from ur5_rl_experiments.core.soak_text import progress_line
from ur5_rl_experiments.core.soak_verdict import GRAPH_ENDED
from ur5_rl_experiments.faults.ear import Ear, listening
from ur5_rl_experiments.soak.meter import Meter
from ur5_rl_interfaces.msg import LearnerStatus

RECORD = "soak.jsonl"
S_PER_H, S_PER_MIN, MIN_PER_H = 3600.0, 60.0, 60.0
START_S = 60.0  # until the parameters of the nodes are written
LAST_WRITTEN = "watch_node.yaml"
SPARE_MIN = 10.0  # a graph whose soak was killed with -9 ends itself so much later
MIN_LEARNING_STARTS, MAX_LEARNING_STARTS = 50, 1000  # transitions
NICE_METER = 10
REACHED = "its time was up"


@dataclass(frozen=True)
class Plan:
    """What a soak shall do.

    Attributes:
        hours: How long [h].
        warm_up_s: Growth before that is not judged [s].
        replay_capacity: Transitions that the replay buffer may hold.
        period_s: Between two samples [s].
        line_s: Between two lines on the console [s].
        words: Options of `ur5rl sim`.
    """

    hours: float
    warm_up_s: float
    replay_capacity: int
    period_s: float
    line_s: float
    words: tuple[str, ...]


def soak(root: Path, folder: Path, plan: Plan) -> None:
    """Run the graph as planned, until SIGINT or SIGTERM at most; fill `folder`.

    Raises:
        ValueError: the folder holds a soak; its run would be resumed, its record lost.
        RunFailedError: the graph did not start.
    """
    if (folder / RECORD).exists():
        raise ValueError(f"{folder} holds a soak: --read it, or name another --folder")
    folder.mkdir(parents=True, exist_ok=True)
    params = folder / "soak.yaml"
    params.write_text(yaml.safe_dump(parameters(plan.replay_capacity)))
    minutes = plan.hours * MIN_PER_H + SPARE_MIN
    words = [*plan.words, "--params", str(params), "--minutes", f"{minutes:g}"]
    with (
        _asked_to_end() as stop,
        graph_run(root, words, folder / "run", log_path=folder / "printed.log") as run,
        open(folder / RECORD, "w", buffering=1) as file,
    ):
        header = _header(run, plan, stop)
        file.write(header_line(header))
        # Beside the graph, not before it; the threads of DDS inherit this one's.
        os.setpriority(os.PRIO_PROCESS, 0, NICE_METER)
        with listening(root, run.domain) as ear:
            _await_learner(run, ear, stop)
            ended_by = _watch(plan, Meter(run, ear), SoakRecord(header), file, stop)
        file.write(end_line(ended_by, is_complete=ended_by == REACHED))


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into an event for as long as the block lasts."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def parameters(capacity: int) -> dict[str, Any]:
    """Return parameters for a replay buffer that is small enough to be full soon."""
    starts = min(MAX_LEARNING_STARTS, max(MIN_LEARNING_STARTS, capacity // 4))
    learner = {"replay_capacity": capacity, "learning_starts": starts}
    return {"/**/learner_node": {"ros__parameters": learner}}


def _header(run: GraphRun, plan: Plan, stop: threading.Event) -> Header:
    """Return the header, once the graph has written what its nodes were told."""
    folder, deadline_s = run.run_dir / "parameters", time.monotonic() + START_S
    while not (folder / LAST_WRITTEN).is_file():
        run.check()
        if stop.wait(0.1):
            run.fail("asked to end before the graph had started")
        if time.monotonic() > deadline_s:
            run.fail(f"{folder / LAST_WRITTEN} was not written in {START_S:g} s")
    document = yaml.safe_load((folder / "learner_node.yaml").read_text())
    values = document["/**/learner_node"]["ros__parameters"]
    return Header(
        hours=plan.hours,
        warm_up_s=plan.warm_up_s,
        replay_capacity=plan.replay_capacity,
        bytes_per_transition=COLOURS * values["height_px"] * values["width_px"],
        words=plan.words,
        machine={"cpus": os.cpu_count(), "platform": platform.platform()},
    )


def _await_learner(run: GraphRun, ear: Ear, stop: threading.Event) -> None:
    """Wait for the node that starts last: until then the graph grows, as it should."""
    deadline_s = time.monotonic() + START_S
    while ear.newest(LearnerStatus) is None and time.monotonic() < deadline_s:
        if run.child.poll() is not None or stop.wait(0.1):
            return


def _watch(
    plan: Plan, meter: Meter, record: SoakRecord, file: TextIO, stop: threading.Event
) -> str:
    """Sample until the end; return what ended the soak."""
    end_s, next_s, line_due_s = plan.hours * S_PER_H, 0.0, plan.line_s
    while True:
        _take_sample(meter, record, file)
        if meter.time_s >= end_s:
            return REACHED
        if meter.time_s >= line_due_s:
            print(progress_line(record), flush=True)
            line_due_s += plan.line_s
        next_s = min(next_s + plan.period_s, end_s)
        if stop.wait(max(0.0, next_s - meter.time_s)):
            return "asked to end"
        if meter.exit_code is not None:
            return f"{GRAPH_ENDED} with exit code {meter.exit_code}"


def _take_sample(meter: Meter, record: SoakRecord, file: TextIO) -> None:
    sample, episodes = meter.look()
    record.samples.append(sample)
    record.episodes += episodes
    file.write(line(SAMPLE, sample.as_json()))
    for episode in episodes:
        file.write(line(EPISODE, episode._asdict()))
