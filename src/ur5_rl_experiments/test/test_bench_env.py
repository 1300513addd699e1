"""The speed of the Gymnasium environments is measured for each task and size."""

import json
import os

import pytest

from ur5_rl_experiments.bench import env as bench
from ur5_sim.gymnasium_env import IMAGE_SIZES, NAMES


@pytest.fixture(autouse=True)
def _all_cores_again():
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def test_each_task_and_size_gets_a_row(tmp_path):
    report = tmp_path / "env.json"
    words = ["--steps", "20", "--repeats", "3", "--report", str(report)]
    code = bench.main(tmp_path, words)
    rows = json.loads(report.read_text())["rows"]
    assert len(rows) == len(NAMES) * len(IMAGE_SIZES)
    for row in rows:
        low, high = row["steps_per_cpu_s_min"], row["steps_per_cpu_s_max"]
        assert 0.0 < low <= row["steps_per_cpu_s"] <= high
    assert code == (0 if all(row["meets_bar"] for row in rows) else 1)


@pytest.mark.parametrize("name", ["steps", "repeats"])
def test_fault_nothing_to_measure_is_refused(name, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        bench.main(tmp_path, [f"--{name}", "0"])
    assert f"--{name}: must be at least 1, got 0" in capsys.readouterr().err
