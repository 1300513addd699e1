"""The command that runs a graph, with a supervisor that starts nothing."""

from pathlib import Path

import pytest

from ur5_rl_bringup import cli
from ur5_rl_ros.domain import claim_for_run

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(ros_domain, tmp_path, monkeypatch):
    """Return a way to run a command; `run.meanwhile` happens while its graph runs."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(ros_domain))

    class Supervisor:
        def __init__(self, *_, **__):
            run.started = True

        async def run(self):
            run.meanwhile()
            return 0

    def run(*words):
        with pytest.raises(SystemExit) as end:
            cli.main([str(ROOT), *words, "--run-dir", str(tmp_path / "run")])
        return end.value.code

    monkeypatch.setattr(cli, "Supervisor", Supervisor)
    run.started, run.meanwhile, run.domain = False, lambda: None, ros_domain
    return run


@pytest.mark.parametrize("command", ["sim", "robot", "dry-run"])
def test_fault_a_second_run_in_the_same_domain_is_one_line_and_exit_code_2(
    run, command, tmp_path, capsys
):
    with claim_for_run("robot"):
        assert run(command) == 2
    assert capsys.readouterr().err == (
        f"ur5rl: error: ROS domain {run.domain} is in use by another run on this "
        f"machine: end it, or set ROS_DOMAIN_ID\n"
    )
    assert not run.started
    assert not (tmp_path / "run").exists()


def test_fault_a_run_folder_that_cannot_be_is_one_line(run, tmp_path, capsys):
    (tmp_path / "run").write_text("a file")
    assert run("sim", "--policy", "servo") == 2
    error = capsys.readouterr().err
    assert error == f"ur5rl: error: run folder: {tmp_path / 'run'}: File exists\n"
    assert not run.started


def test_fault_a_run_holds_its_domain_until_its_end(run):
    def meanwhile():
        with pytest.raises(ValueError, match="is in use by another run"):
            claim_for_run("robot")

    run.meanwhile = meanwhile
    assert run("sim", "--policy", "servo") == 0
    assert run.started
    claim_for_run("robot").close()


def test_a_learner_of_another_machine_stands_beside_a_graph_of_this_one(run):
    with claim_for_run("robot"):
        assert run("learner", "--robot", "127.0.0.3") == 0
    run.meanwhile = lambda: claim_for_run("learner").close()
    assert run("sim", "--learner", "127.0.0.2") == 0


def test_fault_a_second_learner_in_the_same_domain_is_refused(run):
    with claim_for_run("learner"):
        assert run("learner", "--robot", "127.0.0.3") == 2
