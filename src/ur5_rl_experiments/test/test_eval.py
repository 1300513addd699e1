"""`./ur5rl eval`: tiny checkpoints in, table, report and pictures out."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from sac_learner.core.checkpoint import RunState, newest_checkpoint, write_checkpoint
from sac_learner.core.networks import NetworkConfig, PolicyNetwork, initialise_
from sac_learner.core.parameters import encode_policy, parameters_of
from ur5_rl_bringup import cli
from ur5_rl_experiments import commands, pictures
from ur5_rl_experiments.core.checkpoint_search import checkpoints_in
from ur5_rl_experiments.core.contender import Contender, learned, name_of, yardstick
from ur5_rl_experiments.core.origin import Origin, origin_of
from ur5_sim.core.observer import Seen

NETWORK = NetworkConfig(
    height_px=36, width_px=64, crop_rows=1, crop_columns=2, hidden_size=8,
    strides=(2, 2, 1, 1),
)  # fmt: skip


def state_after(updates, **config):
    return RunState(
        updates=updates, env_steps=0, next_version=2, limiter=(0, 0.0), generator={},
        commit="", config=config,
    )  # fmt: skip


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a checkpoint with new weights, and its path."""

    def write(run="run", updates=7, network=NETWORK, **config):
        torch.manual_seed(updates)
        policy = PolicyNetwork(network)
        initialise_(policy)
        encoded = encode_policy(parameters_of(policy), network, version=1)
        tensors = {"x": torch.zeros(1)}
        state = state_after(updates, **config)
        return write_checkpoint(tmp_path / run, state, tensors, encoded)

    return write


@pytest.fixture
def evaluate(tmp_path, capsys):
    """Return a function that runs the command: exit code, output, errors."""

    def evaluate(*words):
        code = commands.main(tmp_path, ["eval", *map(str, words), "--episodes", "2"])
        return code, *capsys.readouterr()

    return evaluate


def test_checkpoints_and_yardsticks_stand_in_one_table(write, evaluate, tmp_path):
    first, second = write(updates=7), write(updates=12)
    report = tmp_path / "report.json"
    code, out, errors = evaluate(first, second, "--report", report)
    assert (code, errors) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("2 episodes of reaching from number 1000000 on")
    names = ["run/00000007", "run/00000012", "servo", "zero"]
    assert [line.split()[0] for line in lines[2:6]] == names
    assert "on the same episodes" in out
    values = json.loads(report.read_text())
    assert [policy["policy"] for policy in values["policies"]] == names
    assert values["episodes"] == [1_000_000, 1_000_001]
    assert values["best"] in names[:2]
    assert len(values["differences_to_best"]) == 3
    assert values["problems"] == []
    servo = values["policies"][2]
    assert servo["centred"] == 1.0 and servo["mean_return"] > 200.0


def test_the_same_words_give_the_same_numbers(write, evaluate):
    path = write()
    words = (path, "--policy", "random")
    assert evaluate(*words)[1] == evaluate(*words)[1]


def test_yardsticks_alone(evaluate):
    code, out, _ = evaluate("--policy", "zero", "--policy", "random")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ["zero", "random"]


def test_the_task_is_what_the_policy_learnt_unless_one_is_named(write, evaluate):
    path = write(task="tracking")
    assert evaluate(path)[1].startswith("2 episodes of tracking")
    assert evaluate(path, "--task", "reaching")[1].startswith("2 episodes of reaching")
    code, _, errors = evaluate(path, write(run="other", task="reaching"))
    assert code == 2 and "learnt reaching and tracking: use --task" in errors


def test_the_pictures_are_of_the_best(write, evaluate, tmp_path):
    words = ("--policy", "zero", "--pictures", tmp_path / "img")
    code, out, _ = evaluate(write(), write(updates=9), *words)
    assert code == 0 and "pictures of run/0000000" in out
    for name in ("filmstrip.png", "attention.png"):
        data = (tmp_path / "img" / name).read_bytes()
        assert data.startswith(b"\x89PNG") and len(data) > 10_000
    assert len(list((tmp_path / "img").iterdir())) == 2  # nothing half written


def test_each_task_is_drawn_by_what_learnt_it(write, evaluate, tmp_path):
    reaching, tracking = write("a", task="reaching"), write("b", task="tracking")
    words = ("--task", "reaching", "--pictures", tmp_path / "img")
    code, out, _ = evaluate(reaching, tracking, *words)
    assert code == 0
    assert "pictures of a/00000007 and b/00000007: " in out


def test_a_picture_of_what_a_policy_did_not_learn_says_so(write, tmp_path, monkeypatch):
    rows = []

    def drawn(_, films):
        rows.extend(film.title for film in films)

    monkeypatch.setattr(pictures, "draw_filmstrip", drawn)
    monkeypatch.setattr(pictures, "draw_attention", lambda *_: None)
    for task in ("reaching", ""):
        contender = learned(write(run=f"run_{task}", task=task))
        both = dict.fromkeys(("reaching", "tracking"), contender)
        pictures.save_pictures(tmp_path / "img", both, delay_s=0.008)
    assert rows == ["Reaching", "Tracking (learnt reaching)", "Reaching", "Tracking"]


def test_a_run_is_its_newest_and_a_folder_of_runs_all_of_theirs(write, tmp_path):
    older, newer = write("a", 7), write("a", 12)
    other = write("b", 5)
    (tmp_path / "notes").mkdir()
    assert checkpoints_in(newer) == [newer]
    assert checkpoints_in(tmp_path / "a") == [newer]
    assert checkpoints_in(tmp_path / "a" / "checkpoints") == [older, newer]
    assert checkpoints_in(tmp_path) == [newer, other]


def test_a_name_says_run_and_number(tmp_path):
    assert name_of(tmp_path / "a" / "checkpoints" / "00000007") == "a/00000007"
    assert name_of(tmp_path / "copied") == "copied"


def test_a_slower_policy_takes_fewer_steps(write):
    slow = learned(write(action_period_s=0.08))
    assert (slow.period_s, slow.steps) == (0.08, 50)
    assert slow.world("reaching").arm.action_period_s == 0.08
    assert learned(write(run="b")).steps == 100


@pytest.mark.parametrize(
    ("name", "part"), [("run.json", "options"), ("result.json", "config")]
)
def test_the_run_says_what_the_state_does_not(write, name, part):
    path = write()
    assert origin_of(path) == Origin("", 0.04)
    (path.parents[1] / name).write_text(json.dumps({part: {"task": "tracking"}}))
    assert origin_of(path) == Origin("tracking", 0.04)


def test_a_policy_acts_by_its_mean(write):
    contender = learned(write())
    rng = np.random.default_rng(0)
    seen = Seen(rng.integers(0, 255, (9, 36, 64), np.uint8), np.ones(15, np.float32))
    mean = contender.network.act(*map(torch.from_numpy, seen), torch.zeros(5))
    for episode in (5, 6):
        np.testing.assert_array_equal(contender.act_in(episode)(seen), mean)


def test_random_draws_the_same_actions_in_the_same_episode():
    random = yardstick("random", 36, 64)
    first = [random.policy_of(episode).act(None).tolist() for episode in (5, 5, 6)]
    assert first[0] == first[1] != first[2]


def test_a_policy_is_told_how_time_goes_on():
    told = []

    class Listener:
        def act(self, observation):
            told.append((observation.episode, observation.step, observation.steady_ns))
            return np.zeros(5, np.float32)

    contender = Contender(name="x", policy_of=lambda _: Listener(), period_s=0.08)
    act = contender.act_in(3)
    for _ in range(3):
        act(Seen(np.zeros((9, 36, 64), np.uint8), np.zeros(15, np.float32)))
    assert told == [(3, 0, 0), (3, 1, 80_000_000), (3, 2, 160_000_000)]


@pytest.mark.parametrize(
    ("words", "ours"),
    [(["eval", "a", "b"], True), (["eval", "--real-time", "a"], False), (["sim"], False)],
)
def test_the_command_line_asks_this_package_unless_time_is_to_be_real(
    words, ours, monkeypatch, tmp_path
):
    monkeypatch.setattr(commands, "main", lambda root, words: 40 + len(words))
    monkeypatch.setattr(cli, "run_graph", lambda options, *, verbose: 7)
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        cli.main([str(tmp_path), *words])
    assert end.value.code == (43 if ours else 7)


def test_fault_real_time_has_room_for_one_checkpoint(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["/", "eval", "--real-time", "a", "b"])
    assert end.value.code == 2
    assert "unrecognized arguments: b" in capsys.readouterr().err


def test_fault_no_such_folder(evaluate, tmp_path):
    code, out, errors = evaluate(tmp_path / "nowhere")
    assert code == 2 and out == ""
    assert f"checkpoint {tmp_path / 'nowhere'}: there is no such folder" in errors


@pytest.mark.parametrize("folder", ["empty", "run/checkpoints"])
def test_fault_a_folder_with_nothing_in_it(evaluate, tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True)
    for path in {tmp_path / folder, tmp_path / folder.split("/")[0]}:
        code, _, errors = evaluate(path)
        assert code == 2 and str(path) in errors


@pytest.mark.parametrize("name", ["policy.safetensors", "state.json", "manifest.json"])
def test_fault_a_torn_file_is_named_and_the_others_go_on(write, evaluate, name, tmp_path):
    torn, whole = write("torn"), write("whole")
    data = (torn / name).read_bytes()
    (torn / name).write_bytes(data[: len(data) // 2])
    report = tmp_path / "report.json"
    code, out, errors = evaluate(torn, whole, "--report", report)
    assert code == 2
    assert len(errors.splitlines()) == 1 and str(torn) in errors
    assert "whole/00000007" in out and "torn" not in out
    assert json.loads(report.read_text())["problems"] == [
        errors.strip().removeprefix("ur5rl: error: ")
    ]


def test_fault_one_torn_run_in_a_folder_of_runs(write, evaluate, tmp_path):
    write("whole")
    (write("torn") / "policy.safetensors").unlink()
    code, out, errors = evaluate(tmp_path)
    assert code == 2
    assert len(errors.splitlines()) == 1 and str(tmp_path / "torn") in errors
    assert "whole/00000007" in out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 3}, "channels 3"),
        ({"actions": 6}, "actions 6"),
        ({"height_px": 2160, "width_px": 40}, "height_px"),
    ],
)
def test_fault_a_policy_for_other_images(write, evaluate, change, message):
    path = write(network=replace(NETWORK, **change))
    code, _, errors = evaluate(path)
    assert code == 2
    assert str(path) in errors and message in errors


def test_fault_an_action_period_that_no_world_has(write, evaluate):
    for value in (0.05, "soon"):
        path = write(run=f"run_{value}", action_period_s=value)
        code, _, errors = evaluate(path)
        assert code == 2 and str(path) in errors and "action_period_s" in errors


def test_fault_a_run_file_that_is_no_json(write, evaluate):
    path = write()
    (path.parents[1] / "run.json").write_text("{")
    code, _, errors = evaluate(path)
    assert code == 2 and "run.json" in errors


def test_fault_no_episodes_and_nothing_named(tmp_path, capsys):
    assert commands.main(tmp_path, ["eval", "--policy", "zero", "--episodes", "0"]) == 2
    assert "episodes must be at least 1, got 0" in capsys.readouterr().err
    assert commands.main(tmp_path, ["eval"]) == 2
    assert "no checkpoint" in capsys.readouterr().err


def test_fault_the_newest_checkpoint_is_torn(write, tmp_path):
    older, newer = write(updates=7), write(updates=12)
    (newer / "policy.safetensors").unlink()
    assert checkpoints_in(tmp_path / "run") == [older]
    shutil.rmtree(newer)
    assert newest_checkpoint(tmp_path / "run")[0].path == older
