"""`./ur5rl eval`: compare checkpoints by noise-free episodes of the in-process world."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ur5_rl_bringup.core.report import write_json
from ur5_rl_env.core.task import MAX_JOINT_SPEED_RAD_S
from ur5_rl_experiments.core.checkpoint_search import checkpoints_in
from ur5_rl_experiments.core.comparison import (
    EXPLANATION,
    Comparison,
    Entry,
    as_json,
    compare,
    header,
    row,
    sentences,
)
from ur5_rl_experiments.core.contender import (
    TASKS,
    YARDSTICKS,
    Contender,
    learned,
    yardstick,
)
from ur5_rl_experiments.core.costs import THESIS_COSTS
from ur5_rl_experiments.core.evaluation import evaluation_episodes, run_episode
from ur5_rl_experiments.pictures import save_pictures
from ur5_sim.core.observer import Observer
from ur5_sim.core.one_core import use_one_core
from ur5_sim.core.world import World

EXIT_INCOMPLETE = 2
DELAY_S = THESIS_COSTS["baseline"].response_s  # from an observation to the arm's answer


def main(root: Path, words: Sequence[str]) -> int:  # noqa: ARG001  as every command
    """Evaluate what `words` name; return the exit code.

    Raises:
        ValueError: an option is out of range, or nothing is left to evaluate.
    """
    options = _parser().parse_args(words)
    episodes = evaluation_episodes(options.episodes)
    use_one_core()  # the same numbers on every machine, and faster so
    torch.set_num_threads(1)
    checkpoints, problems = _learned(options.checkpoints)
    if problems:
        print(*(f"ur5rl: error: {text}" for text in problems), sep="\n", file=sys.stderr)
    if not checkpoints and (options.checkpoints or not options.policy):
        raise ValueError("eval: no checkpoint to evaluate")
    contenders = [*checkpoints, *_yardsticks(options.policy, checkpoints)]
    task = options.task or _task(checkpoints)
    entries = list(_evaluated(contenders, task, episodes))
    comparison = compare(entries, candidates=len(checkpoints) or len(entries))
    print(EXPLANATION, "", *sentences(comparison), sep="\n")
    if options.report:
        about = {"task": task, "episodes": list(episodes), "delay_s": DELAY_S}
        document = about | as_json(comparison) | {"problems": problems}
        write_json(options.report, document)
    if options.pictures and checkpoints:
        _draw(options.pictures, checkpoints, comparison)
    return EXIT_INCOMPLETE if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ur5rl eval",
        description=__doc__,
        epilog="--real-time CHECKPOINT: run it through the whole graph instead; "
        "`ur5rl eval --real-time --help` has the options.",
    )
    add = parser.add_argument
    add(
        "checkpoints",
        nargs="*",
        type=Path,
        metavar="CHECKPOINT",
        help="run_dir/checkpoints/NUMBER, all of run_dir/checkpoints, a run's newest, "
        "or the newest of each run in a folder",
    )
    add("--episodes", type=int, default=20, help="default: 20")
    add("--task", choices=TASKS, help="default: what the checkpoints learnt from")
    add("--report", type=Path, metavar="FILE.json", help="results for other programs")
    add(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="draw the best of each task: films, attention",
    )
    add(
        "--policy",
        choices=YARDSTICKS,
        action="append",
        help="a yardstick to compare with, may be repeated; default: servo and zero",
    )
    return parser


def _learned(paths: Sequence[Path]) -> tuple[list[Contender], list[str]]:
    """Return what can be evaluated, and one line about each that cannot."""
    contenders, problems = [], []
    for path in paths:
        try:
            found = checkpoints_in(path)
        except ValueError as error:
            problems.append(str(error))
            continue
        for checkpoint in found:
            try:
                contenders.append(learned(checkpoint))
            except ValueError as error:
                problems.append(str(error))
    return contenders, problems


def _task(checkpoints: Sequence[Contender]) -> str:
    """Return what all checkpoints learnt from; "reaching" where none says it.

    Raises:
        ValueError: they differ.
    """
    tasks = sorted({c.task for c in checkpoints} & set(TASKS))
    if len(tasks) > 1:
        raise ValueError(
            f"eval: the checkpoints learnt {' and '.join(tasks)}: use --task"
        )
    return tasks[0] if tasks else TASKS[0]


def _yardsticks(
    names: Sequence[str] | None, checkpoints: Sequence[Contender]
) -> Iterator[Contender]:
    """Yield the yardsticks; they see images as large as the first checkpoint does."""
    for name in dict.fromkeys(("servo", "zero") if names is None else names):
        if checkpoints:
            first = checkpoints[0]
            yield yardstick(name, first.height_px, first.width_px)
        else:
            yield yardstick(name)


def _evaluated(
    contenders: Sequence[Contender], task: str, episodes: Sequence[int]
) -> Iterator[Entry]:
    """Evaluate one after the other, print the table as it grows."""
    width = max(len(contender.name) for contender in contenders)
    print(
        f"{len(episodes)} episodes of {task} from number {episodes[0]} on, noise-free",
        header(width),
        sep="\n",
    )
    for contender in contenders:
        world, observer = World(contender.world(task)), Observer(MAX_JOINT_SPEED_RAD_S)
        results = tuple(
            run_episode(
                world, observer, contender.act_in(episode), episode,
                steps=contender.steps, delay_s=DELAY_S, period_s=contender.period_s,
            )
            for episode in episodes
        )  # fmt: skip
        entry = Entry(contender.name, results)
        print(row(entry, width), flush=True)
        yield entry


def _draw(folder: Path, checkpoints: Sequence[Contender], comparison: Comparison) -> None:
    """Draw in each task the best of those that learnt it, or of all if none did."""
    ranked = sorted(
        zip(comparison.entries, checkpoints, strict=False),  # yardsticks come after them
        key=lambda pair: -pair[0].summary.mean_return,
    )
    best = [contender for _, contender in ranked]
    policies = {
        task: next((c for c in best if c.task == task), best[0]) for task in TASKS
    }
    paths = save_pictures(folder, policies, delay_s=DELAY_S)
    names = " and ".join(dict.fromkeys(c.name for c in policies.values()))
    print(f"pictures of {names}: {', '.join(map(str, paths))}")
