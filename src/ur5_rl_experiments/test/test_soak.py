"""`./ur5rl soak`: what is typed, what is read again, and the whole of it (system)."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from soaks import soak, steady

from sac_learner.core.config import LearnerConfig
from ur5_rl_experiments.core.soak_record import SAMPLE, header_line, line
from ur5_rl_experiments.soak import command
from ur5_rl_experiments.soak.session import RECORD, parameters

ROOT = Path(__file__).parents[3]
SAMPLES = 20  # one a second: 9 s of warm-up, 11 s to be judged
# Memory grows while buffers fill: half a minute says nothing; an hour was asked for.
UNMET = ("resident memory", "it runs for as long")


def plan(*words):
    return command.plan(command.parser().parse_args(words))


def test_by_default_the_replay_buffer_is_full_within_the_warm_up():
    two_hours = plan()
    assert (two_hours.hours, two_hours.warm_up_s) == (2.0, 1200.0)
    slowest_s = two_hours.replay_capacity / command.TRANSITIONS_PER_S
    assert 2.0 * slowest_s < two_hours.warm_up_s  # its ring holds twice as many steps
    assert plan("--hours", "0.5").warm_up_s == pytest.approx(600.0)
    assert plan("--hours", "0.1").replay_capacity >= command.MIN_CAPACITY


def test_what_is_typed_is_stronger_and_reaches_the_graph(tmp_path):
    words = ["--hours", "1", "--warm-up", "5", "--replay-capacity", "900"]
    asked = plan(*words, "--task", "tracking", "--params", str(tmp_path / "mine.yaml"))
    assert (asked.warm_up_s, asked.replay_capacity) == (300.0, 900)
    assert asked.words[:2] == ("--task", "tracking")
    assert asked.words[-2:] == ("--params", str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hours", "0"], "--hours must be > 0"),
        (["--hours", "nan"], "--hours must be > 0"),
        (["--hours", "1", "--warm-up", "60"], "--warm-up must be"),
        (["--period-s", "-1"], "--period-s must be > 0"),
        (["--replay-capacity", "10"], "--replay-capacity must be"),
    ],
)
def test_fault_numbers_that_do_not_fit_are_refused(words, said):
    with pytest.raises(ValueError, match=said):
        plan(*words)


@pytest.mark.parametrize("capacity", [command.MIN_CAPACITY, 1000, 7200, 100_000])
def test_a_buffer_of_any_size_is_one_that_the_learner_takes(capacity):
    values = parameters(capacity)["/**/learner_node"]["ros__parameters"]
    config = LearnerConfig(**values)  # refuses nonsense
    assert config.replay_capacity == capacity
    assert config.learning_starts <= LearnerConfig.learning_starts


def test_a_soak_that_was_killed_is_read_and_judged(tmp_path, capsys):
    record = soak(processes=lambda t: steady(t, threads=15 + (t > 4000.0)))
    samples = (line(SAMPLE, sample.as_json()) for sample in record.samples)
    (tmp_path / RECORD).write_text("".join([header_line(record.header), *samples]))
    report_path = tmp_path / "else" / "where.json"
    words = ["--read", str(tmp_path), "--report", str(report_path)]
    assert command.main(ROOT, words) == 1
    said = capsys.readouterr().out
    assert "MISSED     threads do not become more: env_node +1" in said
    assert json.loads(report_path.read_text())["is_met"] is False
    assert (tmp_path / command.PICTURE).is_file()


def test_fault_a_folder_without_a_soak_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"soak\.jsonl"):
        command.main(ROOT, ["--read", str(tmp_path)])


def test_fault_a_soak_is_not_written_over(tmp_path):
    (tmp_path / RECORD).write_text("hours of work\n")
    with pytest.raises(ValueError, match="holds a soak"):
        command.main(ROOT, ["--folder", str(tmp_path)])
    assert (tmp_path / RECORD).read_text() == "hours of work\n"


@pytest.mark.system
@pytest.mark.realtime
@pytest.mark.timeout(200)
def test_ctrl_c_ends_graph_and_soak_with_a_report_of_what_ran(tmp_path):
    words = ["soak", "--hours", "1", "--warm-up", "0.15", "--period-s", "1"]
    child = subprocess.Popen(
        [sys.executable, "-m", "ur5_rl_bringup.cli", str(ROOT), *words]
        + ["--folder", str(tmp_path)],
        start_new_session=True,
    )
    try:
        await_samples(child, tmp_path / RECORD)
        family = psutil.Process(child.pid).children(recursive=True)
        child.send_signal(signal.SIGINT)
        code = child.wait(timeout=30.0)
    finally:
        child.kill()
    assert not psutil.wait_procs(family, timeout=1.0)[1], "processes are left"
    assert code == 1
    report = json.loads((tmp_path / command.REPORT).read_text())
    assert (report["ended_by"], report["is_complete"]) == ("asked to end", False)
    missed = [bar for bar in report["bars"] if not bar["is_met"]]
    assert all(bar["name"].startswith(UNMET) for bar in missed), missed
    assert len(report["processes"]) == 10
    assert report["messages"]["transitions_received"] > 200
    assert report["cycle"]["cycle_ms"]["mean"] == pytest.approx(40.0, abs=2.0)
    assert (tmp_path / command.PICTURE).is_file()


def await_samples(child, path):
    """Wait until a running soak has written enough samples."""
    deadline_s = time.monotonic() + 110.0
    while not path.is_file() or path.read_text().count('{"sample"') < SAMPLES:
        assert child.poll() is None, "the soak has ended"
        assert time.monotonic() < deadline_s, "too few samples"
        time.sleep(0.2)
