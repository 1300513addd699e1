"""`ur5rl experiment` as a user runs it: real workers, killed, failed and resumed."""

import json
import os
import re
import shlex
import signal
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from fake_results import result, table

from sac_learner.core.checkpoint import read_policy
from sac_learner.core.config import LearnerConfig
from sac_learner.core.parameters import decode_policy
from sac_learner.core.precision import computing_type
from sac_learner.core.run_lock import RunLock
from ur5_rl_experiments import array_job, commands, experiment, run_pool
from ur5_rl_experiments.core.costs import Costs
from ur5_rl_experiments.core.origin import Origin, origin_of
from ur5_rl_experiments.core.run_result import changed, to_json
from ur5_rl_experiments.core.thesis import Run
from ur5_rl_experiments.core.virtual_run import RunConfig
from ur5_rl_experiments.run_pool import RunPool, finished

ROOT = Path(__file__).parents[3]
TINY = LearnerConfig(
    height_px=36,
    width_px=64,
    crop_columns=1,
    strides=(2, 2, 1, 1),
    hidden_size=8,
    batch_size=2,
    learning_starts=100,
    updates_per_transition=0.1,
    threads=1,
)


def tiny(group, **changed):
    return Run(group=group, config=RunConfig(learner=TINY, minutes=0.1, **changed))


def parsed(*words):
    return experiment.parser().parse_args(words)


def test_a_table_is_run_resumed_and_one_failed_run_does_not_stop_the_rest(tmp_path):
    broken = tiny("b")
    learner = replace(TINY, device="cuda:7")  # there is none
    broken = Run(group="b", config=replace(broken.config, learner=learner))
    runs = [tiny("a"), broken, tiny("c")]
    with RunPool(tmp_path, 2, "abc") as pool:
        failures = pool.execute(runs)
        assert len(failures) == 1
        assert failures[0].startswith("b__0: exit code 1")
        assert "log.txt" in failures[0]
        found, others = finished(tmp_path, runs)
        assert [r.group for r in found] == ["a", "c"]
        assert others == []
        assert all(len(r.evaluation) == 10 and r.commit == "abc" for r in found)
        computes_in = str(computing_type("auto", torch.device("cpu")))
        assert {f"torch.{r.computes_in}" for r in found} == {computes_in}
        assert [run.group for run in pool.missing(runs)] == ["b"]
        before = (tmp_path / "a__0" / "result.json").stat().st_mtime_ns
        assert pool.execute([runs[0]]) == []  # done is done
        assert (tmp_path / "a__0" / "result.json").stat().st_mtime_ns == before
    policy = decode_policy(read_policy(tmp_path / "a__0"))
    assert policy.config == TINY.network


def test_fault_a_killed_worker_is_named_and_run_again(tmp_path):
    long = Run(group="long", config=replace(tiny("").config, minutes=500.0))
    failures = []
    with RunPool(tmp_path, 1, "abc") as pool:
        thread = threading.Thread(target=lambda: failures.extend(pool.execute([long])))
        thread.start()
        worker = _only_child()
        os.kill(worker, signal.SIGKILL)
        thread.join(20.0)
        assert failures == ["long__0: killed by SIGKILL"]
        assert pool.missing([long]) == [long]


def test_fault_after_ctrl_c_no_worker_is_started(tmp_path, monkeypatch):
    """The workers share the terminal: it kills them, and their threads want the next."""
    begun, runs = [], [tiny(f"run{k}") for k in range(30)]

    class Interrupted:
        def __init__(self, *_, **__):
            begun.append(self)

        def wait(self):
            time.sleep(0.05)
            return -signal.SIGINT

        def terminate(self):
            pass

    def interrupted(_):
        while not begun:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(run_pool.subprocess, "Popen", Interrupted)
    monkeypatch.setattr(run_pool, "as_completed", interrupted)
    with pytest.raises(KeyboardInterrupt), RunPool(tmp_path, 1, "abc") as pool:
        pool.execute(runs)
    assert len(begun) < len(runs)
    count = len(begun)
    time.sleep(0.2)
    assert len(begun) == count  # nor later


def test_fault_a_run_that_cannot_be_started_is_one_line(tmp_path):
    (tmp_path / "a__0").write_text("a file where a folder must be")
    with RunPool(tmp_path, 1, "abc") as pool:
        (failure,) = pool.execute([tiny("a")])
    assert failure.startswith("a__0: FileExistsError")


def test_fault_a_run_that_another_process_finished_or_has_is_not_begun_again(tmp_path):
    """It counts what is missing when it starts; much may have changed since."""
    finished_meanwhile, has = tiny("a"), tiny("b")
    with RunPool(tmp_path, 1, "first") as pool:
        pool.execute([finished_meanwhile])
    with (
        closing(RunLock(tmp_path / has.name)),
        RunPool(tmp_path, 1, "second") as pool,
        pytest.MonkeyPatch.context() as patch,
    ):
        missing = iter([[finished_meanwhile, has]])  # counted before
        count = pool.missing
        patch.setattr(pool, "missing", lambda runs: next(missing, None) or count(runs))
        failures = pool.execute([finished_meanwhile, has])
    (failure,) = failures
    assert failure.startswith("b__0: ")
    assert f"process id {os.getpid()}" in failure
    (found,), _ = finished(tmp_path, [finished_meanwhile, has])
    assert found.commit == "first"
    with RunPool(tmp_path, 1, "third") as pool:
        assert pool.execute([finished_meanwhile, has]) == []


def _only_child():
    deadline_s = time.monotonic() + 20.0
    while time.monotonic() < deadline_s:
        for child in psutil.Process().children():
            if "ur5_rl_experiments.worker" in child.cmdline():
                return child.pid
        time.sleep(0.02)
    raise AssertionError("no worker was started")


def report_of(folder):
    """Return what the command reports on the runs that are finished in a folder."""
    report = folder / "report.json"
    words = ["experiment", "thesis", "--scale", "small", "--figures-only"]
    words += ["--folder", str(folder), "--report", str(report)]
    assert commands.main(ROOT, words) == 0
    return json.loads(report.read_text())


def test_figures_and_report_of_what_is_finished(tmp_path, capsys):
    for run in table(seeds=2, tasks=["reaching"]):
        (tmp_path / run.name).mkdir()
        (tmp_path / run.name / "result.json").write_text(to_json(result(run)))
    document = report_of(tmp_path)
    said = capsys.readouterr().out
    assert "reaching/large_mini_batch/async_2" in said
    assert "reaching/high_resolution: async_2 - sequential" in said
    assert "commits of the program: 000000000" in said
    rows, differences = document["groups"], document["differences"]
    assert len(rows) == len(differences) == 9
    keys = {"group", "overall", "overall_interval", "evaluation_minimum", "commits"}
    assert keys <= rows[0].keys()
    assert differences[0]["group"] == "reaching/baseline/async_2"
    assert differences[0]["less"] == "reaching/baseline/async_1"
    assert len(differences[0]["overall_interval"]) == 2
    assert (tmp_path / "figures" / "figure_8_3.png").is_file()


def test_one_seed_is_told_without_a_number_that_it_does_not_give(tmp_path):
    (run,) = table(seeds=1, tasks=["reaching"], settings=["baseline"])[:1]
    (tmp_path / run.name).mkdir()
    (tmp_path / run.name / "result.json").write_text(to_json(result(run)))
    (row,) = report_of(tmp_path)["groups"]
    assert row["overall_interval"] == [None, None]
    assert row["overall_standard_error"] is None


def test_fault_a_broken_result_is_named(tmp_path):
    (tmp_path / "x__0").mkdir()
    (tmp_path / "x__0" / "result.json").write_text("{")
    found, others = finished(tmp_path, [tiny("x"), tiny("y")])
    assert found == []
    assert len(others) == 1 and "x__0 holds an unreadable result.json: " in others[0]
    with pytest.raises(ValueError, match="x__0 holds .*; name another folder"):
        RunPool(tmp_path, 1, "abc").missing([tiny("x")])  # it is not written over


def test_fault_one_broken_result_does_not_hide_the_others(tmp_path, capsys):
    runs = experiment.runs_of(parsed("ablation", "--seeds", "1"))
    stored(tmp_path, runs)
    (tmp_path / runs[1].name / "result.json").write_text("{")
    assert ablation(tmp_path, "--seeds", "1", "--figures-only") == 0
    said = capsys.readouterr()
    assert "| ablation/best " in said.out
    assert f"not run: {runs[1].group}" in said.out
    assert f"{runs[1].name} holds an unreadable result.json" in said.err


def stored(folder, runs):
    for run in runs:
        (folder / run.name).mkdir()
        (folder / run.name / "result.json").write_text(to_json(result(run)))


def ablation(folder, *words):
    there = ["--folder", str(folder)]
    return commands.main(ROOT, ["experiment", "ablation", *there, *words])


def test_fault_a_folder_of_other_runs_is_refused_by_name(tmp_path, capsys):
    runs = experiment.runs_of(parsed("ablation", "--env-steps", "2000"))
    stored(tmp_path, runs)
    assert ablation(tmp_path) == 2
    said = capsys.readouterr().err
    assert "ablation__best__0 holds another run: env_steps 2000, not 4000" in said
    assert f"(and {len(runs) - 1} more); name another folder" in said
    assert not list(tmp_path.glob("*/specification.json"))  # nothing was begun


def test_what_is_shown_is_what_was_asked_for(tmp_path, capsys):
    runs = experiment.runs_of(parsed("ablation", "--env-steps", "2000"))
    stored(tmp_path, runs)
    words = ("--figures-only", "--seeds", "2")
    assert ablation(tmp_path, *words, "--env-steps", "2000") == 0
    said = capsys.readouterr()
    assert re.search(r"\| ablation/best +\| +2 \|", said.out)
    assert (said.err, "not run" in said.out) == ("", False)
    assert ablation(tmp_path, *words) == 0
    said = capsys.readouterr()
    assert "no finished run" in said.out
    assert f"(and {len(runs) * 2 // 3 - 1} more)" in said.err  # of two seeds of three


def test_what_was_not_run_is_named(tmp_path, capsys):
    runs = experiment.runs_of(parsed("ablation", "--seeds", "1"))
    stored(tmp_path, [run for run in runs if "_" not in run.group])
    assert ablation(tmp_path, "--seeds", "1", "--figures-only") == 0
    named = capsys.readouterr().out.splitlines()[-1].removeprefix("not run: ").split(", ")
    assert named == [run.group for run in runs if "_" in run.group]


def test_a_part_of_a_table_shows_that_part(tmp_path, capsys):
    stored(tmp_path, table(seeds=1))
    words = ["experiment", "thesis", "--scale", "small", "--figures-only"]
    words += ["--folder", str(tmp_path), "--tasks", "tracking", "--settings", "baseline"]
    assert commands.main(ROOT, words) == 0
    said = capsys.readouterr().out
    assert "tracking/baseline/async_1" in said
    assert "reaching" not in said and "large_mini_batch" not in said


def test_what_differs_between_two_runs_is_named_wherever_it_is_set():
    wanted = tiny("a").config
    learner = replace(wanted.learner, seed=3)
    there = replace(wanted, task="tracking", costs=Costs(update_s=0.1), learner=learner)
    assert changed(wanted, there) == [
        "task tracking, not reaching",
        "update_s 0.1, not 0.0",
        "seed 3, not 0",
    ]
    assert changed(wanted, wanted) == []


@pytest.mark.parametrize("name", ["reach", "ablation"])
@pytest.mark.parametrize(
    "words",
    [
        ("--minutes", "5"),
        ("--tasks", "tracking"),
        ("--settings", "baseline"),
        ("--architectures", "async_1"),
        ("--scale", "small"),
        ("--costs", "here.json"),
    ],
)
def test_fault_an_option_of_the_comparison_alone_is_refused(name, words, capsys):
    with pytest.raises(SystemExit, match="2"):
        parsed(name, *words)
    assert "unrecognized arguments" in capsys.readouterr().err


def test_fault_a_length_in_steps_is_refused_where_time_counts(capsys):
    with pytest.raises(SystemExit, match="2"):
        parsed("thesis", "--env-steps", "2000")
    assert "unrecognized arguments" in capsys.readouterr().err


def test_the_length_of_a_run_is_that_of_its_experiment_unless_one_is_named():
    steps = [
        experiment.runs_of(parsed(*words))[0].config.env_steps
        for words in (["reach"], ["ablation"], ["reach", "--env-steps", "600"])
    ]
    assert steps == [25_000, 4_000, 600]


def test_fault_a_run_shorter_than_its_random_start_is_refused_in_a_line(capsys):
    assert commands.main(ROOT, ["experiment", "reach", "--env-steps", "500"]) == 2
    said = capsys.readouterr().err
    start = "env_steps must be 0 or more than the 500 of the random start"
    assert said == f"ur5rl: error: {start}, got 500\n"


@pytest.mark.parametrize(
    ("name", "folder"), [("thesis", "thesis-SCALE[-COSTS]"), ("reach", "reach")]
)
def test_the_help_says_where_runs_lie(name, folder, capsys):
    with pytest.raises(SystemExit, match="0"):
        parsed(name, "--help")
    assert f"runs/experiments/{folder}" in capsys.readouterr().out


def test_costs_can_be_those_measured_here(tmp_path):
    path = tmp_path / "here.json"
    names = ("baseline", "high_resolution", "large_mini_batch")
    path.write_text(json.dumps({name: {"update_s": 0.1} for name in names}))
    runs = experiment.runs_of(parsed("thesis", "--costs", str(path), "--seeds", "1"))
    assert {run.config.costs.update_s for run in runs} == {0.1}


@pytest.mark.parametrize("text", ["", "{}", '{"baseline": {"wrong_s": 1}}'])
def test_fault_a_file_that_holds_no_costs_is_named(tmp_path, text):
    path = tmp_path / "here.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"here\.json"):
        experiment.runs_of(parsed("thesis", "--costs", str(path)))


def test_one_run_of_an_array_job_neither_shows_nor_draws_the_table(tmp_path, capsys):
    stored(tmp_path, table(seeds=1))
    report = tmp_path / "report.json"
    words = ["experiment", "thesis", "--scale", "small", "--seeds", "1"]
    words += ["--folder", str(tmp_path), "--report", str(report)]
    assert commands.main(ROOT, [*words, "--only", "3"]) == 0
    assert "reaching/baseline" not in capsys.readouterr().out
    assert not report.exists() and not (tmp_path / "figures").exists()
    assert commands.main(ROOT, [*words, "--figures-only"]) == 0
    assert report.exists() and (tmp_path / "figures").exists()


def test_fault_an_index_outside_of_the_table_is_refused(capsys):
    words = ["experiment", "reach", "--seeds", "2", "--only", "2"]
    assert commands.main(ROOT, words) == 2
    assert "only must be in 0..1, got 2" in capsys.readouterr().err


def test_fault_no_cluster_is_said_in_a_line(capsys, monkeypatch):
    monkeypatch.setattr(array_job.shutil, "which", lambda _: None)
    assert commands.main(ROOT, ["experiment", "thesis", "--slurm", "-p gpu"]) == 2
    assert "sbatch" in capsys.readouterr().err


@pytest.fixture
def submitted(tmp_path, monkeypatch):
    """Return a function that runs a command and returns the words that sbatch got."""
    sbatch = tmp_path / "sbatch"
    sbatch.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\n')
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def submitted(*words):
        assert commands.main(ROOT, ["experiment", *words]) == 0
        return (tmp_path / "words").read_text().splitlines()

    return submitted


def test_a_cluster_gets_an_array_job_with_a_run_each(submitted):
    given = submitted("thesis", "--seeds", "2", "--slurm=--partition=gpu")
    assert given[:3] == ["--array=0-35", "--partition=gpu", "--wrap"]
    assert "experiment thesis --seeds 2 --jobs 1" in given[3]
    assert given[3].endswith("--only $SLURM_ARRAY_TASK_ID")


def test_the_jobs_of_a_cluster_read_and_write_where_the_command_was_typed(
    submitted, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    costs = {n: {} for n in ("baseline", "high_resolution", "large_mini_batch")}
    Path("here.json").write_text(json.dumps(costs))
    words = ("--costs", "here.json", "--folder", "mine")
    script = submitted("thesis", *words, "--slurm", "-p gpu")[-1]
    typed = script.split("experiment ")[1].replace(" --only $SLURM_ARRAY_TASK_ID", "")
    options = parsed(*shlex.split(typed))
    assert options.costs == tmp_path / "here.json"
    assert options.folder == tmp_path / "mine"
    assert options.slurm is None


def test_the_policy_of_a_run_says_what_it_learnt_from(tmp_path):
    """`./ur5rl eval` takes a run's folder as it is."""
    tracking = tiny("t", task="tracking")
    with RunPool(tmp_path, 1, "abc") as pool:
        assert pool.execute([tracking]) == []
    (checkpoint,) = (tmp_path / "t__0" / "checkpoints").iterdir()
    assert origin_of(checkpoint) == Origin("tracking", 0.04)
