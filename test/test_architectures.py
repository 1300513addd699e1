"""The three architectures through the whole graph, chosen by one word."""

import json

import psutil
import pytest

from running_graph import ROOT, speed
from ur5_rl_experiments.faults.ear import listening
from ur5_rl_interfaces.msg import EnvStatus

pytestmark = [pytest.mark.system, pytest.mark.realtime]

STARTS = 50
AT_REST_RAD_S = 0.01


@pytest.fixture
def soon(tmp_path):
    """Return a parameter file: learn after two seconds, one update a transition."""
    return write_parameters(tmp_path, max_learner_wait_s=5.0)  # a busy machine is slow


def write_parameters(tmp_path, **env):
    path = tmp_path / "soon.json"
    learner = {"learning_starts": STARTS, "updates_per_transition": 1.0}
    learner |= {"checkpoint_period_s": 5.0}
    monitor = {"report_period_s": 1.0}
    values = {"/**/learner_node": learner, "/**/env_node": env}
    values |= {"/**/monitor_node": monitor}
    path.write_text(json.dumps({k: {"ros__parameters": v} for k, v in values.items()}))
    return str(path)


@pytest.mark.parametrize("architecture", ["async_1", "async_2"])
def test_asynchronous_ones_keep_the_cycle_whatever_the_learner_does(
    start, soon, architecture
):
    run = start("sim", "--architecture", architecture, "--params", soon)
    run.wait_until(lambda: _updates(run) > 0, timeout_s=90.0)
    shown = run.episodes_shown()
    run.wait_until(lambda: run.episodes_shown() >= shown + 2, timeout_s=40.0)
    assert run.stop() < 5.0
    report = run.report()
    assert report["learner"]["architecture"] == architecture
    assert report["cycle_ms"]["mean"] == pytest.approx(40.0, abs=2.0)
    assert report["learner_wait_ms"]["count"] == 0
    assert report["transitions"]["lost"] == 0
    assert report["learner"]["update_to_data_ratio"] <= 1.0


def test_sequential_takes_one_update_a_transition_and_acts_by_it(start, soon):
    run = start("sim", "--architecture", "sequential", "--params", soon)
    run.wait_until(lambda: run.episodes_shown() >= 3, timeout_s=110.0)
    assert run.stop() < 5.0
    report = run.report()
    learner = report["learner"]
    behind = learner["env_steps"] - STARTS - learner["updates"]
    assert behind in (0, 1)  # the status may come between step and update
    assert report["transitions"]["lost"] == 0
    assert report["learner_wait_ms"]["count"] == report["cycle_ms"]["count"]
    assert report["policy_age_s"]["p50"] < 0.1  # by the newest update, each time
    assert report["cycle_ms"]["mean"] >= 39.5


def test_fault_sequential_a_killed_learner_rests_the_arm_and_comes_back(start, tmp_path):
    params = write_parameters(tmp_path, max_learner_wait_s=1.0)  # it needs longer
    run = start("sim", "--architecture", "sequential", "--params", params)
    run.wait_until(lambda: run.episodes_shown() >= 1, timeout_s=90.0)
    pose = run.pose_reader()
    with listening(ROOT, run.domain) as ear:
        run.wait_until(lambda: _is_in_an_episode(ear), timeout_s=60.0)
        psutil.Process(run.pid_of("learner_node")).kill()
    run.wait_until(lambda: speed(pose) < AT_REST_RAD_S, timeout_s=8.0)
    run.wait_until(lambda: "END: learner did not finish" in run.output, timeout_s=20.0)
    shown = run.episodes_shown()
    run.wait_until(lambda: run.episodes_shown() >= shown + 2, timeout_s=90.0)
    assert run.stop() < 5.0
    assert run.report()["transitions"]["lost"] == 0


def test_one_number_changes_the_action_cycle_of_every_node(start):
    words = ["--policy", "servo", "--action-period-ms", "80", "--episodes", "2"]
    run = start("sim", *words)
    assert run.finish(timeout_s=60.0) == 0, run.output
    report = run.report()
    whole = [e for e in report["episodes"] if e["end"] == "time_limit"]
    assert {e["steps"] for e in whole} == {50}
    assert report["cycle_ms"]["mean"] == pytest.approx(80.0, abs=2.0)
    # The same 4 s are worth the same: rewards scale with the cycle.
    assert all(e["return"] > 200.0 for e in whole)


def _is_in_an_episode(ear) -> bool:
    """Whether most of an episode still lies ahead: the next reset is far away."""
    status = ear.newest(EnvStatus)
    return status is not None and status.phase == EnvStatus.RUNNING and status.step < 50


def _updates(run):
    try:
        return run.report()["updates"]
    except (OSError, ValueError):
        return 0
