"""A table on a machine of any size: cores, memory, GPUs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_results import result

from sac_learner.core.config import LearnerConfig
from ur5_rl_experiments import commands, experiment
from ur5_rl_experiments.core import thesis
from ur5_rl_experiments.core.jobs import bytes_of, jobs_for, runs_here
from ur5_rl_experiments.core.run_result import changed, to_json
from ur5_rl_experiments.core.virtual_run import RunConfig, VirtualRun
from ur5_sim.core.observer import Seen

ROOT = Path(__file__).parents[3]
GB = 10**9
FULL = list(thesis.runs(thesis.SCALES["full"], seeds=1, tasks=["reaching"]))


def test_a_full_run_is_known_to_fill_its_replay_buffer():
    largest = {run.group: bytes_of(run.config) / GB for run in FULL}
    assert largest["reaching/baseline/async_2"] == pytest.approx(5.4, abs=0.1)
    assert largest["reaching/high_resolution/async_2"] == pytest.approx(18.5, abs=0.1)
    few = replace(FULL[0].config, env_steps=2000)
    assert bytes_of(few) < 1.3 * GB
    learner = replace(FULL[0].config.learner, replay_device="cuda:0")
    assert bytes_of(replace(FULL[0].config, learner=learner)) == GB


def test_no_more_runs_start_than_cores_and_memory_carry():
    assert jobs_for(FULL, cpus=64, memory_bytes=128 * GB) == 3  # sequential: 32 GB
    assert jobs_for(FULL, cpus=2, memory_bytes=128 * GB) == 2
    assert jobs_for(FULL, cpus=2, memory_bytes=8 * GB) == 1  # it may work out
    four_threads = runs_here(FULL, threads=4)
    assert jobs_for(four_threads, cpus=16, memory_bytes=900 * GB) == 4


def test_where_a_run_computes_is_an_option_and_no_other_run():
    words = ["thesis", "--device", "cuda:1", "--threads", "3"]
    options = experiment.parser().parse_args(words)
    (here,) = runs_here(FULL[:1], device=options.device, threads=options.threads)
    learner = here.config.learner
    assert (learner.device, learner.threads) == ("cuda:1", 3)
    assert learner.replay_device == FULL[0].config.learner.replay_device
    assert changed(FULL[0].config, here.config) == []
    assert changed(FULL[0].config, replace(here.config, env_steps=5000)) == [
        "env_steps 5000, not 0"
    ]


def test_fault_a_device_that_does_not_exist_is_named(tmp_path, capsys):
    words = ["experiment", "reach", "--device", "gpu", "--folder", str(tmp_path)]
    assert commands.main(ROOT, words) == 2
    assert "device must be one of ('cpu', 'cuda'), got 'gpu'" in capsys.readouterr().err


def test_fault_an_array_job_writes_no_report(tmp_path, capsys):
    words = ["experiment", "reach", "--slurm=-p x", "--report", str(tmp_path / "r.json")]
    assert commands.main(ROOT, words) == 2
    assert "report: with --slurm nothing is finished yet" in capsys.readouterr().err


def test_actions_are_chosen_where_the_policy_is(monkeypatch):
    learner = LearnerConfig(
        height_px=36, width_px=64, crop_columns=1, strides=(2, 2, 1), hidden_size=8
    )
    run, seen_on = VirtualRun(RunConfig(learner=learner)), []

    def act(*inputs):
        seen_on.extend(tensor.device.type for tensor in inputs)
        return torch.zeros(5)

    monkeypatch.setattr(run.sac, "device", torch.device("meta"))
    monkeypatch.setattr(run.sac.policy, "act", act)
    frames, joints = np.zeros((9, 36, 64), np.uint8), np.zeros(15, np.float32)
    action = run.act(Seen(frames, joints), deterministic=False)
    assert seen_on == ["meta"] * 3
    np.testing.assert_array_equal(action, np.zeros(5))


def test_a_table_that_ran_elsewhere_is_shown_here(tmp_path, capsys):
    (run,) = experiment.runs_of(experiment.parser().parse_args(["reach", "--seeds", "1"]))
    (there,) = runs_here([run], device="cuda")
    (tmp_path / run.name).mkdir()
    (tmp_path / run.name / "result.json").write_text(to_json(result(there)))
    words = ["experiment", "reach", "--seeds", "1", "--figures-only"]
    assert commands.main(ROOT, [*words, "--folder", str(tmp_path)]) == 0
    assert "| reach/best " in capsys.readouterr().out
