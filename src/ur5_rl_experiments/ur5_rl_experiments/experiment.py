"""`./ur5rl experiment NAME`: a table of runs in virtual time, resumable, with figures."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from sac_learner.core.architectures import ARCHITECTURES
from ur5_rl_bringup.core.report import write_json
from ur5_rl_experiments.array_job import submit
from ur5_rl_experiments.core import group_differences, reaching, table, thesis
from ur5_rl_experiments.core.costs import THESIS_COSTS, Costs
from ur5_rl_experiments.core.figures import by_group, draw_thesis_figures
from ur5_rl_experiments.core.jobs import jobs_for, memory_of_machine, runs_here
from ur5_rl_experiments.core.json_values import finite
from ur5_rl_experiments.core.option_types import positive_int
from ur5_rl_experiments.core.run_result import MACHINE, RunResult
from ur5_rl_experiments.core.thesis import Run
from ur5_rl_experiments.core.virtual_run import TASKS
from ur5_rl_experiments.run_pool import RunPool, finished, in_short
from ur5_rl_ros.code_version import commit_at

EXPERIMENTS = {  # name: what it runs
    "thesis": "sequential, Async-1 and Async-2 compared in virtual time",
    "reach": "the best settings from scratch, without latency",
    "ablation": "the best settings, and one of them taken back at a time",
}
FOLDERS = {"thesis": "thesis-SCALE[-COSTS]"}  # where it is not the name
EXIT_SOME_FAILED = 1


def main(root: Path, words: Sequence[str]) -> int:
    """Run what is missing of a table, then show and draw what there is.

    Raises:
        ValueError: an option does not fit.
    """
    options = parser().parse_args(words)
    machine = {name: getattr(options, name) for name in MACHINE}
    runs = runs_here(runs_of(options), **machine)
    folder = options.folder or root / "runs" / "experiments" / _folder_name(options)
    if options.slurm is not None:
        if options.report:
            raise ValueError("report: with --slurm nothing is finished yet; ask later, "
                             "with --figures-only --report FILE.json")  # fmt: skip
        paths = {"--folder": folder, "--costs": options.costs}
        return submit(
            root, words, count=len(runs), paths=paths, sbatch_options=options.slurm
        )
    failures = []
    if not options.figures_only:
        chosen = runs if options.only is None else [_checked(runs, options.only)]
        failures = _execute(root, folder, chosen, options.jobs)
    if options.figures_only or options.only is None:  # not each job of an array
        _show_table(runs, folder, options)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return EXIT_SOME_FAILED if failures else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the words after `experiment`; each name has its options."""
    top = argparse.ArgumentParser(prog="ur5rl experiment", description=__doc__)
    names = top.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, text in EXPERIMENTS.items():
        one = names.add_parser(name, help=text, description=text, allow_abbrev=False)
        _add_run_options(one, FOLDERS.get(name, name))
        if name in reaching.ENV_STEPS:
            _add_reaching_options(one, reaching.ENV_STEPS[name])
        else:
            _add_thesis_options(one)
    return top


def _add_reaching_options(command: argparse.ArgumentParser, env_steps: int) -> None:
    add = command.add_argument
    add("--env-steps", type=positive_int, default=env_steps, help=f"default: {env_steps}")
    command.set_defaults(seeds=reaching.SEEDS, costs=None)


def _add_thesis_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--scale", choices=tuple(thesis.SCALES), default="full", help="sizes, length")
    add("--tasks", nargs="+", choices=TASKS, default=TASKS)
    add("--settings", nargs="+", choices=thesis.SETTINGS, default=thesis.SETTINGS)
    add("--architectures", nargs="+", choices=ARCHITECTURES, default=ARCHITECTURES)
    add("--minutes", type=float, help="virtual time of a run; default: of the scale")
    add("--costs", type=Path, metavar="FILE.json",
        help="durations measured by bench timing; default: thesis table 5.2")  # fmt: skip


def _add_run_options(command: argparse.ArgumentParser, folder: str) -> None:
    add = command.add_argument
    add("--seeds", type=positive_int, help="runs of each cell")
    jobs_help = "runs at a time; default: what cores and memory carry"
    add("--jobs", type=positive_int, help=jobs_help)
    add("--device", help='where the learner computes: "cpu" (default), "cuda:0"')
    add("--replay-device", help='where its frames lie: "host" (default), "cuda:0"')
    add("--threads", type=positive_int, help="of each run's learner; default: 1")
    add("--folder", type=Path, help=f"default: runs/experiments/{folder}")
    add("--report", type=Path, metavar="FILE.json", help="results for other programs")
    add("--figures-only", action="store_true", help="run nothing, show what is finished")
    add(
        "--only", type=int, metavar="INDEX", help="one run, nothing is shown (array jobs)"
    )
    slurm_help = "submit as an array job: sbatch OPTIONS; see it with --figures-only"
    add("--slurm", metavar="OPTIONS", help=slurm_help)


def runs_of(options: argparse.Namespace) -> list[Run]:
    """Return the table that the options describe."""
    if options.name == "reach":
        return list(reaching.reach_runs(options.seeds, options.env_steps))
    if options.name == "ablation":
        return list(reaching.ablation_runs(options.seeds, options.env_steps))
    return list(
        thesis.runs(
            thesis.SCALES[options.scale],
            tasks=options.tasks,
            settings=options.settings,
            architectures=options.architectures,
            seeds=options.seeds,
            minutes=options.minutes,
            costs=_costs(options.costs) if options.costs else THESIS_COSTS,
        )
    )


def _show_table(runs: Sequence[Run], folder: Path, options: argparse.Namespace) -> None:
    """Show what is finished of a table; name what is not, or is something else."""
    found, others = finished(folder, runs)
    show(found, folder, options)
    groups = dict.fromkeys(run.group for run in runs)
    if not_run := [group for group in groups if group not in by_group(found)]:
        print(f"not run: {', '.join(not_run)}")
    if others:
        print(f"not shown: {in_short(others)}", file=sys.stderr)


def show(found: Sequence[RunResult], folder: Path, options: argparse.Namespace) -> None:
    """Print what is finished and how it differs; draw the figures, write the report."""
    if not found:
        print(f"no finished run in {folder}")
        return
    groups = by_group(found)
    rows = table.rows(groups)
    differences = group_differences.differences(groups, _pairs(options))
    print(table.text(rows), table.commits_of(rows), sep="\n")
    if differences:
        print("", group_differences.text(differences), sep="\n")
    if options.name == "thesis":
        paths = draw_thesis_figures(found, folder / "figures")
        print(f"figures in {paths[0].parent}")
    if options.report:
        report = {
            "groups": [row.as_dict() for row in rows],
            "differences": [difference.as_dict() for difference in differences],
        }
        write_json(options.report, finite(report))


def _pairs(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield the groups of an experiment that are compared."""
    if options.name == "thesis":
        yield from thesis.pairs(options.tasks, options.settings)
    elif options.name == "ablation":
        yield from reaching.ablation_pairs()


def _execute(
    root: Path, folder: Path, runs: Sequence[Run], jobs: int | None
) -> list[str]:
    jobs = jobs or jobs_for(runs, os.cpu_count() or 1, memory_of_machine())
    with RunPool(folder, jobs, commit_at(root)) as pool:
        missing = pool.missing(runs)
        print(f"{len(runs)} runs, {len(missing)} to do, {jobs} at a time, in {folder}")
        return pool.execute(runs)


def _folder_name(options: argparse.Namespace) -> str:
    if options.name != "thesis":
        return str(options.name)
    costs = f"-{options.costs.stem}" if options.costs else ""
    return f"thesis-{options.scale}{costs}"


def _costs(path: Path) -> dict[str, Costs]:
    """Return costs by setting from `{"baseline": {"action_s": ...}, ...}`.

    Raises:
        ValueError: the file is missing, a setting or a duration is.
    """
    try:
        values = json.loads(path.read_text())
        return {name: Costs(**values[name]) for name in thesis.SETTINGS}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"costs {path}: {type(error).__name__} {error}") from None


def _checked(runs: Sequence[Run], index: int) -> Run:
    if not 0 <= index < len(runs):
        raise ValueError(f"only must be in 0..{len(runs) - 1}, got {index}")
    return runs[index]
