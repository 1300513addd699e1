"""A part of the fuzzing of messages and files; all of it: `./ur5rl fuzz`."""

import json
import subprocess
import sys

import pytest

from running_graph import ROOT

pytestmark = [pytest.mark.system, pytest.mark.realtime]

NUMBER = 150
MOST = 0.5  # of a storm: the arm would have followed a command
# Each valid stop request disarms it for half a second.
ARMED = {"stop_request": 0.1}


def fuzz(*words, timeout_s=110.0):
    command = [sys.executable, "-m", "ur5_rl_bringup.cli", str(ROOT), "fuzz", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, check=False
    )


@pytest.mark.parametrize(
    ("node", "topics"),
    [
        ("arm_node", ["velocity_command", "stop_request"]),
        ("env_node", ["joint_states", "image_raw"]),
        ("actor_node", ["observation", "policy_parameters"]),
        ("learner_node", ["transition"]),
        ("dry_run_node", ["arm_status", "joint_states"]),
    ],
)
def test_fault_mutated_messages_crash_no_node_and_move_no_robot(tmp_path, node, topics):
    report = tmp_path / "report.json"
    words = ["--nodes", node, "--topics", *topics, "--number", str(NUMBER)]
    done = fuzz("messages", *words, "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(report.read_text())["topics"]
    assert [row["topic"] for row in rows] == topics
    for row in rows:
        assert row["published"] == NUMBER
        assert row["delivered"] + row["dropped"] == NUMBER + row["valid"]
        assert row["undecodable"] == row["undecodable_counted"] > 0
        assert row["refused"] > 0
        assert row["is_alive"]
        assert row["armed"] > ARMED.get(row["topic"], MOST)  # else it could not move


def test_a_file_kind_from_the_command_line(tmp_path):
    report = tmp_path / "report.json"
    words = ["--kinds", "parameters", "--number", "30", "--report", str(report)]
    done = fuzz("files", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(report.read_text())["kinds"]
    assert row["files"] == 30 and row["failures"] == []


@pytest.mark.parametrize(
    "words", [["nothing"], ["messages", "--topics", "gone"], ["files", "--number", "0"]]
)
def test_fault_an_unknown_word_is_one_clear_line(words):
    done = fuzz(*words)
    assert done.returncode == 2
    assert words[-1] in done.stderr
    assert "Traceback" not in done.stderr
