"""The report: the keys that programs read, numbers by hand, whole at any moment."""

import json
import math
import os
import signal
import subprocess
import sys

import pytest

from ur5_rl_bringup.core.monitor_config import MonitorConfig
from ur5_rl_bringup.core.report import check_writable, report, write_json
from ur5_rl_bringup.core.run_record import RunRecord

NUMBERS = ("seed", "wall_s", "env_steps", "updates", "num_episodes", "num_complete")
DISTRIBUTIONS = ("cycle_ms", "lateness_ms", "obs_to_command_ms", "policy_age_s")
MEANS = ("mean_return", "standard_error", "minimum", "mean_return_last_20")

NO_DISTRIBUTION = {"mean": None, "p50": None, "p99": None, "max": None, "count": 0}


def empty_report():
    record = RunRecord(100)
    return report(record, MonitorConfig(), wall_s=1.5, ended_by=None)


def test_an_empty_report_has_every_key_and_no_made_up_number():
    document = empty_report()
    for name in NUMBERS:
        assert isinstance(document[name], int | float), name
    for name in DISTRIBUTIONS:
        assert document[name] == dict.fromkeys(("mean", "p50", "p99", "max")) | {
            "count": 0
        }
    for name in (*MEANS, "joint_states_hz", "joint_states_hz_minimum", "learner"):
        assert document[name] is None, name
    assert document["episodes"] == []
    assert document["transitions"] == {
        "sent": 0,
        "stored": 0,
        "lost": 0,
        "time_steps_sent": 0,
    }


def test_it_survives_json(tmp_path):
    path = tmp_path / "new" / "report.json"
    write_json(path, empty_report())
    assert json.loads(path.read_text()) == empty_report()
    assert os.listdir(path.parent) == ["report.json"]


def test_fault_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "report.json"
    write_json(path, {"whole": True})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"filler": "x" * 100_000, "bad": math.nan})
    assert json.loads(path.read_text()) == {"whole": True}
    assert os.listdir(tmp_path) == ["report.json"]


def test_a_reader_that_came_before_the_writer_reads_the_old_report_whole(tmp_path):
    path = tmp_path / "report.json"
    write_json(path, {"number": 1})
    with open(path) as reader:
        write_json(path, {"number": 2})
        assert json.load(reader) == {"number": 1}
    assert json.loads(path.read_text()) == {"number": 2}


def test_a_place_that_can_be_written_stays_as_it_was(tmp_path):
    path = tmp_path / "new" / "report.json"
    check_writable(path)
    assert os.listdir(path.parent) == []
    write_json(path, {"number": 1})
    check_writable(path)
    assert os.listdir(path.parent) == ["report.json"]
    assert json.loads(path.read_text()) == {"number": 1}


@pytest.mark.parametrize("place", ["a folder", "a file/report.json", "/dev/null"])
def test_fault_a_place_that_cannot_be_written_is_named(tmp_path, place):
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a file").touch()
    path = tmp_path / place
    with pytest.raises(OSError, match=f"cannot write {path}: "):
        check_writable(path)
    assert sorted(os.listdir(tmp_path)) == ["a file", "a folder"]


WRITER = """
import sys
from pathlib import Path
from ur5_rl_bringup.core.report import write_json

number = 0
while True:
    number += 1
    write_json(Path(sys.argv[1]), {"number": number, "filler": [number] * 20_000})
    print(number, flush=True)
"""


def test_fault_a_kill_in_the_middle_of_writing_leaves_a_whole_report(tmp_path):
    path = tmp_path / "report.json"
    command = [sys.executable, "-c", WRITER, str(path)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    seen = 0
    for _ in range(10):
        number = int(writer.stdout.readline())
        document = json.loads(path.read_text())
        assert document["number"] >= number > seen
        assert document["filler"] == [document["number"]] * 20_000
        seen = number
    writer.send_signal(signal.SIGKILL)
    writer.wait(timeout=5.0)
    writer.stdout.close()
    document = json.loads(path.read_text())
    assert document["filler"] == [document["number"]] * 20_000
