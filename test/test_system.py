"""The whole graph on the virtual robot, started the way a user starts it."""

import json
import signal
import socket
import time

import numpy as np
import psutil
import pytest

from running_graph import free_address, speed
from sac_learner.core.checkpoint import checkpoint_paths

pytestmark = pytest.mark.system

AT_REST_RAD_S = 0.01
# The limits of docs/safety.md hold on a quiet machine; a shared one delays any process.
SLACK_S = 0.15


def test_servo_solves_the_task_through_the_whole_graph(start, tmp_path):
    report_path = tmp_path / "report.json"
    run = start(
        "sim", "--policy", "servo", "--episodes", "5", "--report", str(report_path)
    )
    assert run.finish(timeout_s=90.0) == 0, run.output
    report = json.loads(report_path.read_text())
    # A machine that stands still for a while costs an episode, by name.
    whole = [e for e in report["episodes"] if e["end"] == "time_limit"]
    assert len(whole) >= 3
    assert {e["steps"] for e in whole} == {100}
    assert np.mean([e["return"] for e in whole]) > 230.0
    assert report["cycle_ms"]["mean"] == pytest.approx(40.0, abs=2.0)
    assert report["joint_states_hz"] > 115.0
    assert report["transitions"]["lost"] == 0
    assert (run.run_dir / "picture.png").stat().st_size > 10_000
    assert run.episodes_shown() == 5, run.output


def test_a_learner_learns_from_every_transition_and_resumes(start, tmp_path):
    soon = tmp_path / "soon.yaml"
    settings = {"learning_starts": 100, "batch_size": 16}
    soon.write_text(json.dumps({"/**/learner_node": {"ros__parameters": settings}}))
    run = start("sim", "--episodes", "8", "--params", str(soon))  # it may start in four
    assert run.finish(timeout_s=120.0) == 0, run.output
    report = run.report()
    assert report["transitions"]["lost"] == 0
    assert report["transitions"]["stored"] == report["transitions"]["sent"] > 100
    assert report["updates"] > 0
    assert any((run.run_dir / "checkpoints").iterdir())
    again = start("sim", "--resume", str(run.run_dir), "--episodes", "3")
    assert again.finish(timeout_s=120.0) == 0, again.output
    resumed = json.loads((run.run_dir / "report.json").read_text())
    assert resumed["env_steps"] > report["env_steps"]
    assert resumed["updates"] >= report["updates"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_nothing_behind(start, number):
    run = start("sim", "--policy", "servo")
    run.wait_until(lambda: _is_moving(run), timeout_s=30.0)
    children = run.children()
    took_s = run.stop(number)
    assert run.process.returncode == 0, run.output
    assert took_s < 5.0
    assert not [c for c in children if c.is_running() and c.status() != "zombie"]
    assert "Traceback" not in run.output


@pytest.mark.parametrize("node", ["actor_node", "env_node"])
def test_fault_the_arm_rests_when_its_commander_is_killed(start, node):
    run = start("sim", "--policy", "servo")
    run.wait_until(lambda: _is_moving(run), timeout_s=30.0)
    pose = run.pose_reader()
    run.wait_until(lambda: speed(pose) > 0.3, timeout_s=30.0)
    psutil.Process(run.pid_of(node)).kill()
    killed = time.monotonic()
    run.wait_until(lambda: speed(pose) < AT_REST_RAD_S, timeout_s=5.0)
    assert time.monotonic() - killed < 0.25 + SLACK_S
    shown = run.episodes_shown()
    run.wait_until(lambda: run.episodes_shown() >= shown + 2, timeout_s=40.0)
    assert run.stop() < 5.0


@pytest.mark.parametrize("node", ["camera_node", "display_node", "arm_node"])
def test_fault_the_graph_goes_on_after_a_kill(start, node):
    run = start("sim", "--policy", "servo")
    run.wait_until(lambda: run.episodes_shown() >= 1, timeout_s=40.0)
    run.wait_until(lambda: _is_moving(run), timeout_s=30.0)
    pose = run.pose_reader()
    psutil.Process(run.pid_of(node)).kill()
    killed = time.monotonic()
    run.wait_until(lambda: speed(pose) < AT_REST_RAD_S, timeout_s=5.0)
    # Input silent, or the robot's own watchdog; on its way home it arrives first.
    assert time.monotonic() - killed < 3.0
    shown = run.episodes_shown()
    run.wait_until(lambda: run.episodes_shown() >= shown + 2, timeout_s=60.0)
    assert run.stop() < 5.0


def _is_moving(run) -> bool:
    try:
        return speed(run.pose_reader()) > 0.2
    except (OSError, ValueError, TimeoutError):
        return False


@pytest.mark.parametrize(
    ("node", "line", "words"),
    [
        ("env_node", "action_perid_s: 0.04", "action_perid_s"),
        ("env_node", "action_period_s: -1.0", "-1.0"),
        ("env_node", "height_px: tall", "height_px must be int"),
        ("learner_nod", "seed: 1", "learner_nod"),
        ("actor_node", "field_of_view_deg: 500.0", "field_of_view_deg"),
    ],
)
def test_fault_a_wrong_parameter_is_one_clear_line(start, tmp_path, node, line, words):
    path = tmp_path / "mine.yaml"
    path.write_text(f"/**/{node}:\n  ros__parameters:\n    {line}\n")
    run = start("sim", "--policy", "servo", "--params", str(path))
    assert run.finish(timeout_s=20.0) != 0
    errors = [line for line in run.lines if "error" in line]
    assert len(errors) == 1, run.output
    assert words in errors[0]
    assert "Traceback" not in run.output


def test_fault_a_robot_that_is_not_there(start):
    run = start("robot", "--policy", "zero", address=free_address())
    assert run.finish(timeout_s=30.0) != 0
    errors = [line for line in run.lines if "error" in line]
    assert errors, run.output
    assert "Traceback" not in run.output


def test_fault_a_port_in_use(start):
    address = free_address()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((address, 30004))
        squatter.listen()
        run = start("sim", "--policy", "zero", address=address)
        assert run.finish(timeout_s=20.0) != 0
    errors = [line for line in run.lines if "error" in line]
    assert any(f"{address}:30004" in line for line in errors), run.output
    assert "Traceback" not in run.output


def test_fault_a_killed_learner_comes_back_and_has_lost_nothing(start, tmp_path):
    soon = tmp_path / "soon.yaml"
    settings = {"learning_starts": 100, "checkpoint_period_s": 5.0, "batch_size": 16}
    soon.write_text(json.dumps({"/**/learner_node": {"ros__parameters": settings}}))
    run = start("sim", "--params", str(soon))
    run.wait_until(lambda: checkpoint_paths(run.run_dir), timeout_s=60.0)
    run.wait_until(lambda: run.episodes_shown() >= 2, timeout_s=60.0)
    psutil.Process(run.pid_of("learner_node")).kill()
    shown = run.episodes_shown()
    run.wait_until(lambda: "starting it again" in run.output, timeout_s=10.0)
    run.wait_until(lambda: run.episodes_shown() >= shown + 8, timeout_s=90.0)
    assert run.stop() < 5.0
    report = run.report()
    assert report["transitions"]["lost"] == 0
    assert report["learner"]["env_steps"] >= report["transitions"]["sent"] - 110
