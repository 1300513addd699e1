"""One run of an experiment, in a process of its own: `worker SPECIFICATION FOLDER`.

The folder gets curves for TensorBoard as the run goes on, `result.json` when all is done,
written whole or not at all, and the final policy as a checkpoint for `./ur5rl eval`.
"""

import gc
import json
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TextIO

import torch

from sac_learner.core.config import LearnerConfig
from sac_learner.core.precision import computing_type, name_of
from ur5_rl_bringup.nodes.event_file import EventFile
from ur5_rl_env.core.task import MAX_JOINT_SPEED_RAD_S
from ur5_rl_experiments.core.evaluation import (
    EpisodeResult,
    evaluate,
    evaluation_episodes,
)
from ur5_rl_experiments.core.run_result import RunResult, config_from, to_json
from ur5_rl_experiments.core.virtual_run import EpisodeRecord, VirtualRun
from ur5_rl_experiments.final_policy import save_policy
from ur5_sim.core.observer import Observer
from ur5_sim.core.one_core import use_one_core
from ur5_sim.core.world import World

RESULT = "result.json"
PROGRESS = "progress.txt"
CURVES = "events"
EVALUATION_EPISODES = 10  # as in the thesis
REPORT_EPISODES = 10
NICE = 10  # a running graph goes first
EXIT_ORPHANED = 3


def main(words: list[str]) -> None:
    """Run what the specification says and write what came of it."""
    specification, folder, parent = Path(words[0]), Path(words[1]), os.getppid()
    os.nice(NICE)
    values = json.loads(specification.read_text())
    config = config_from(values["config"])
    torch.set_num_threads(max(1, config.learner.threads))
    use_one_core()
    begin_s = time.monotonic()
    run = VirtualRun(config)
    gc.freeze()  # what is here stays; what comes is short-lived
    shutil.rmtree(folder / CURVES, ignore_errors=True)  # of a run that did not finish
    with (
        open(folder / PROGRESS, "w") as progress,
        closing(EventFile(folder / CURVES, print)) as curves,
    ):
        episodes = tuple(_followed(_drawn(run, curves), parent, progress))
    result = RunResult(
        group=values["group"],
        config=config,
        episodes=episodes,
        evaluation=_evaluation(run, values.get("evaluation", EVALUATION_EPISODES)),
        wall_s=time.monotonic() - begin_s,
        commit=values["commit"],
        computes_in=_number_type(config.learner),
    )
    save_policy(folder, run, values["commit"])
    partial = folder / f".{RESULT}"
    partial.write_text(to_json(result))
    os.replace(partial, folder / RESULT)


def _number_type(learner: LearnerConfig) -> str:
    """Return what this machine computes in, as "bfloat16"."""
    dtype = computing_type(learner.precision, torch.device(learner.device))
    return name_of(dtype)


def _drawn(run: VirtualRun, curves: EventFile) -> Iterator[EpisodeRecord]:
    """Run; yield each episode once its points are on the curves."""
    for episode in run.episodes():
        for name, value in _points(episode, run.sac.metrics()).items():
            curves.add_scalar(name, value, episode.env_steps)
        curves.tick(time.monotonic())
        yield episode


def _points(episode: EpisodeRecord, metrics: dict[str, float]) -> dict[str, float]:
    """Return what is drawn of an episode, under the names that a graph's run has."""
    learner = {"updates": float(episode.updates)} | metrics
    return {
        "episode/return": episode.return_sum,
        "episode/limited_steps": float(episode.limited_steps),
        "timing/policy_age_mean_s": episode.policy_age_s,
    } | {f"learner/{name}": value for name, value in learner.items()}


def _followed(
    episodes: Iterator[EpisodeRecord], parent: int, progress: TextIO
) -> Iterator[EpisodeRecord]:
    """Yield the episodes and write how they go; leave once `parent` has gone."""
    recent: deque[float] = deque(maxlen=REPORT_EPISODES)
    for count, episode in enumerate(episodes, start=1):
        yield episode
        if os.getppid() != parent:
            sys.exit(EXIT_ORPHANED)  # nobody waits for this any more
        recent.append(episode.return_sum)
        if count % REPORT_EPISODES == 0:
            print(
                f"{episode.begin_s / 60.0:.1f} min, {episode.env_steps} steps, "
                f"{episode.updates} updates, return {sum(recent) / len(recent):.1f}",
                file=progress,
                flush=True,
            )


def _evaluation(run: VirtualRun, count: int) -> tuple[EpisodeResult, ...]:
    config = run.config
    return evaluate(
        World(config.world()),
        Observer(MAX_JOINT_SPEED_RAD_S),
        lambda seen: run.act(seen, deterministic=True),
        episodes=evaluation_episodes(count),
        steps=config.steps_per_episode,
        delay_s=config.costs.response_s,
        period_s=config.period_s,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
