"""The bench that kills the learner: it sees what is broken, and finds nothing broken."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sac_learner.core.checkpoint import checkpoint_paths, replay_dir
from sac_learner.core.config import LearnerConfig
from sac_learner.core.learner import Learner
from sac_learner.core.replay_log import ReplayLog
from sac_learner.core.segment_file import segment_path
from sac_learner.nodes.learner_convert import time_step
from ur5_rl_experiments.bench.disk_record import Counters, DiskRecord
from ur5_rl_experiments.bench.numbered_steps import EPISODE_STEPS, is_right, message
from ur5_rl_experiments.bench.resume import SETTINGS, Outcome

ROOT = Path(__file__).parents[3]
RUN = 2**63 + 5


def step(sequence, run_id=RUN):
    return time_step(message(run_id, sequence))


def write(run_dir, sequences, **kwargs):
    """Log steps in a file of their own, as one life of a learner would."""
    log = ReplayLog(replay_dir(run_dir), capacity=10**6)
    list(log.read([]))
    for sequence in sequences:
        log.append(step(sequence, **kwargs), env_steps=sequence)
    log.flush()
    log.close()


@pytest.fixture
def config(tmp_path):
    return LearnerConfig(run_dir=str(tmp_path), **SETTINGS)


@pytest.fixture
def disk(tmp_path, config):
    return DiskRecord(tmp_path, RUN, config)


@pytest.mark.parametrize(
    "sequence", [1, 2, EPISODE_STEPS, EPISODE_STEPS + 1, 999, 1000, 123_456]
)
def test_a_numbered_step_is_right_and_no_mixture_of_two_is(sequence):
    good, later = step(sequence), step(sequence + EPISODE_STEPS)
    assert is_right(good)
    for name in ("episode", "stack_ids", "frame_ids", "frames", "proprioception",
                 "action", "reward", "sequence"):  # fmt: skip
        mixture = object.__new__(type(good))  # unchecked
        mixture.__dict__.update(vars(good) | {name: getattr(later, name)})
        assert not is_right(mixture), name


def test_it_finds_all_that_is_there(tmp_path, disk):
    write(tmp_path, range(1, 60))
    write(tmp_path, range(60, 70))
    found = disk.read()
    assert found.stored == frozenset(range(1, 70))
    assert (found.twice, found.wrong, found.torn, found.problems) == (0, 0, 0, ())
    assert found.counters == Counters()  # no checkpoint yet
    write(tmp_path, range(70, 80))
    assert disk.read().stored == frozenset(range(1, 80))


def test_fault_it_sees_what_is_missing_doubled_or_wrong(tmp_path, disk):
    write(tmp_path, [1, 2, 3, 5])
    write(tmp_path, [6, 7], run_id=RUN + 1)
    first, third = (segment_path(replay_dir(tmp_path), n) for n in (1, 3))
    third.write_bytes(first.read_bytes() + b"STEP")
    found = disk.read()
    assert found.stored == {1, 2, 3, 5, 6, 7}
    assert (found.twice, found.wrong, found.torn) == (4, 2, 1)


def test_it_loads_the_newest_checkpoint_and_reads_its_counters(tmp_path, config, disk):
    learner = Learner(config)
    with learner:
        learner.save()
    found = disk.read()
    assert found.problems == ()
    assert found.counters.next_version > 1
    training = checkpoint_paths(tmp_path)[0] / "training.safetensors"
    training.write_bytes(training.read_bytes()[:-1])
    with pytest.raises(ValueError, match="broken"):
        disk.read()


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"resumed": 2}, False),
        ({"lost": {7}}, False),
        ({"failures": ["x"]}, False),
    ],
)
def test_a_broken_promise_is_no_success(change, good):
    outcome = Outcome(**({"kills": 3, "resumed": 3} | change))
    assert outcome.is_good == good


@pytest.mark.system
@pytest.mark.realtime
@pytest.mark.timeout(400)
def test_fault_a_learner_killed_three_times_keeps_what_it_acknowledged(tmp_path):
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "ur5_rl_bringup.cli", str(ROOT), "bench", "resume"]
    words = ["--kills", "3", "--report", str(report)]
    assert subprocess.run([*command, *words], check=False, timeout=380).returncode == 0
    values = json.loads(report.read_text())
    assert (values["kills"], values["resumed"]) == (3, 3)
    assert values["acknowledged"] == values["sent"] > 0
    assert (values["lost"], values["twice"], values["wrong"]) == (0, 0, 0)
