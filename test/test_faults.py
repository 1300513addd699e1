"""A part of the fault matrix on the real graph; all of it: `./ur5rl faults`."""

import json
import subprocess
import sys

import pytest

from running_graph import ROOT

pytestmark = [pytest.mark.system, pytest.mark.realtime, pytest.mark.timeout(300)]

TIMEOUT_S = 240.0


def faults(*words, timeout_s=TIMEOUT_S):
    command = [sys.executable, "-m", "ur5_rl_bringup.cli", str(ROOT), "faults", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def test_fault_the_matrix_once(tmp_path):
    """One case in a graph, one without; test_system.py kills, and test_checkpoint.py."""
    names = ["F18", "F24"]
    report = tmp_path / "report.json"
    words = ["--only", *names, "--runs", "1", "--folder", str(tmp_path)]
    done = faults(*words, "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    entries = json.loads(report.read_text())
    assert [entry["fault"] for entry in entries] == names
    assert all(entry["passed"] == entry["runs"] == 1 for entry in entries)


@pytest.mark.usefixtures("link")  # needs rights that not every machine gives
def test_fault_the_network_to_a_learner_elsewhere_fails(tmp_path):
    done = faults("--only", "F25c", "--runs", "1", "--folder", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_fault_an_unknown_name_is_one_clear_line():
    done = faults("--only", "F99")
    assert done.returncode == 2
    assert "F99" in done.stderr
    assert "Traceback" not in done.stderr
