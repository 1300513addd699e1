"""Which action period a policy from a checkpoint acts at, and what is said about it."""

import json
from pathlib import Path

import pytest

from ur5_rl_bringup.cli import options_from, parser
from ur5_rl_bringup.graph import graph
from ur5_rl_bringup.options import RunOptions
from ur5_rl_bringup.resolved import write_run_description

ROOT = Path(__file__).parents[3]


@pytest.fixture
def checkpoint(tmp_path):
    """Return a function that writes the state of a checkpoint and returns its folder."""

    def checkpoint(name="00000012", **config):
        folder = tmp_path / "run" / "checkpoints" / name
        folder.mkdir(parents=True)
        (folder / "state.json").write_text(json.dumps({"config": config}))
        return folder

    return checkpoint


def acting(folder, **more):
    return RunOptions(root=ROOT, run_dir=ROOT, checkpoint=str(folder), **more)


def test_a_policy_acts_at_the_period_that_it_learnt_at(checkpoint, tmp_path):
    words = ["eval", "--real-time", str(checkpoint(action_period_s=0.08))]
    chosen = options_from(parser().parse_args(words), tmp_path)
    assert chosen.action_period_ms == 80.0
    nodes = {p.name: p.parameters for p in graph(chosen, tmp_path)}
    for name in ("arm_node", "env_node", "watch_node"):
        assert nodes[name]["action_period_s"] == 0.08
    assert chosen.about_period == "an action takes 80 ms, as where the policy learnt"


def test_a_policy_is_evaluated_on_the_task_that_it_learnt(checkpoint, tmp_path):
    folder = checkpoint()
    words = ["eval", "--real-time", str(folder)]
    assert options_from(parser().parse_args(words), tmp_path).task == "reaching"
    description = json.dumps({"options": {"task": "tracking"}})
    (tmp_path / "run" / "run.json").write_text(description)
    assert options_from(parser().parse_args(words), tmp_path).task == "tracking"
    words[2] = str(tmp_path / "run")
    assert options_from(parser().parse_args(words), tmp_path).task == "tracking"


def test_a_period_that_was_typed_is_stronger_and_the_difference_is_said(
    checkpoint, tmp_path, capsys
):
    chosen = acting(checkpoint(action_period_s=0.08), action_period_ms=40.0)
    assert chosen.action_period_ms == 40.0
    said = "the policy learnt at 80 ms an action, it acts at 40"
    assert chosen.about_period == said
    run = RunOptions(**vars(chosen) | {"run_dir": tmp_path})
    write_run_description(run, graph(run, tmp_path))
    assert capsys.readouterr().out == f"ur5rl: {said}\n"


def test_nothing_is_said_where_the_period_is_as_always(checkpoint, tmp_path):
    assert acting(checkpoint(action_period_s=0.04)).about_period == ""
    assert RunOptions(root=ROOT, run_dir=ROOT, action_period_ms=80.0).about_period == ""


def test_a_runs_folder_stands_for_its_newest_checkpoint(checkpoint, tmp_path):
    for name, period_s in (("00000900", 0.2), ("00001000", 0.08), ("00001000-1", 0.12)):
        checkpoint(name, action_period_s=period_s)
    assert acting(tmp_path / "run").action_period_ms == 120.0


def test_what_no_checkpoint_says_is_left_to_the_files(checkpoint, tmp_path):
    assert acting(checkpoint()).action_period_ms == 0.0
    assert acting(tmp_path).action_period_ms == 0.0


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"config": []}', '{"config": {"action_period_s": "slow"}}']
)
def test_fault_a_state_that_cannot_be_read_is_named(checkpoint, text):
    folder = checkpoint()
    (folder / "state.json").write_text(text)
    with pytest.raises(ValueError, match=r"00000012/state\.json"):
        acting(folder)


@pytest.mark.parametrize("period_s", [0.001, 5.0, float("nan")])
def test_fault_a_period_that_no_graph_keeps_is_refused(checkpoint, period_s):
    with pytest.raises(ValueError, match="action_period_ms must be"):
        acting(checkpoint(action_period_s=period_s))
