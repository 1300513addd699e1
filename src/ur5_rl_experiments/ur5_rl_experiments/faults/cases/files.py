"""Files that are half written or hostile, and a learner killed again and again."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from sac_learner.core.checkpoint import (
    POLICY,
    TRAINING,
    newest_checkpoint,
    read_checkpoint,
    read_policy,
    replay_dir,
)
from sac_learner.core.parameters import decode_policy
from sac_learner.core.replay_log import ReplayLog
from sac_learner.core.segment_file import segment_path
from ur5_rl_experiments.core.fault_outcome import Outcome
from ur5_rl_experiments.faults.case import Case, Verdict

KILLS = 10  # of a run
FIRST_S = 30.0  # for the writer to load
RESUME_TIMEOUT_S = 900.0
WRITER = """
import sys
from pathlib import Path
import torch
from sac_learner.core.checkpoint import RunState, prune, write_checkpoint
from sac_learner.core.networks import NetworkConfig, PolicyNetwork
from sac_learner.core.parameters import encode_policy, parameters_of

run_dir, updates = Path(sys.argv[1]), int(sys.argv[2])
shape = NetworkConfig(height_px=36, width_px=64, strides=(2, 2, 1), hidden_size=64)
policy = encode_policy(parameters_of(PolicyNetwork(shape)), shape, 1)
tensors = {"weights": torch.zeros(500_000)}
while True:
    updates += 1
    tensors["weights"].fill_(updates)
    state = RunState(updates, updates, 2, (0, 0.0), {}, "", {})
    write_checkpoint(run_dir, state, tensors, policy)
    prune(run_dir, 3)
    print(updates, flush=True)
"""


def killed_while_saving(root: Path, rng: Random) -> Outcome:
    """A writer is killed at random instants; its newest finished checkpoint loads."""
    verdict = Verdict()
    with tempfile.TemporaryDirectory(prefix="ur5rl-kill-") as folder:
        run_dir, done = Path(folder), 0
        for _ in range(KILLS):
            done = _write_and_kill(run_dir, done, rng)
            checkpoint, problems = newest_checkpoint(run_dir)
            newest = checkpoint.state.updates
            verdict.true(
                newest >= done, f"checkpoint {done} was whole, {newest} is newest"
            )
            verdict.true(not problems, f"a finished checkpoint is broken: {problems}")
            weights = checkpoint.tensors["weights"]
            verdict.true(bool((weights == newest).all()), "it holds another's weights")
            done = newest
    return Outcome(
        detector="checkpoint: manifest written last",
        failures=tuple(verdict.failures),
        notes={"kills": KILLS, "checkpoints": done},
    )


def _write_and_kill(run_dir: Path, done: int, rng: Random) -> int:
    """Let a writer write for a while, kill it; return the newest that it finished."""
    words = [sys.executable, "-c", WRITER, str(run_dir), str(done)]
    writer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None  # noqa: S101  it was asked for
    lines = [writer.stdout.readline()]
    time.sleep(rng.uniform(0.0, 0.3))
    writer.kill()
    lines += writer.stdout.read().splitlines()
    writer.wait()
    finished = [int(line) for line in lines if line.strip().isdigit()]
    return max(finished, default=done)


class Canary:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self._path}",)


def malicious_files(root: Path, rng: Random) -> Outcome:
    """A pickle in the place of every file that is read, checksums made to fit."""
    verdict = Verdict()
    with tempfile.TemporaryDirectory(prefix="ur5rl-pickle-") as folder:
        canary = Path(folder) / "canary"
        payload = pickle.dumps(Canary(canary), protocol=rng.randrange(2, 6))
        for name in (TRAINING, POLICY):
            path = _checkpoint(Path(folder), rng)
            (path / name).write_bytes(payload)
            _fit_checksums(path)
            verdict.true(_is_refused(path), f"a pickle passed for {name}")
        replay = replay_dir(Path(folder))
        replay.mkdir()
        segment_path(replay, 1).write_bytes(payload)
        problems: list[str] = []
        steps = list(ReplayLog(replay, 100).read(problems))
        verdict.true(not steps and problems, "a pickle passed for a segment")
        verdict.true(not canary.exists(), "code in a file was executed")
    return Outcome(
        detector="safetensors, checksums, record headers",
        failures=tuple(verdict.failures),
        notes={"files": 3},
    )


def _checkpoint(folder: Path, rng: Random) -> Path:
    """Write a whole checkpoint with the writer of the other case; return its path."""
    run_dir = folder / str(rng.random())
    _write_and_kill(run_dir, 0, rng)
    return newest_checkpoint(run_dir)[0].path


def _fit_checksums(path: Path) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    for name in manifest["sha256"]:
        data = (path / name).read_bytes()
        manifest["sha256"][name] = hashlib.sha256(data).hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest))


def _is_refused(path: Path) -> bool:
    """Whether a checkpoint is refused, by the learner or by the actor."""
    try:
        read_checkpoint(path)
        decode_policy(read_policy(path))
    except ValueError:
        return True
    return False


def killed_and_resumed(root: Path, rng: Random) -> Outcome:
    """`ur5rl bench resume`: a real learner killed ten times, its disk read each time."""
    with tempfile.TemporaryDirectory(prefix="ur5rl-resume-") as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "ur5_rl_bringup.cli", str(root)]
        command += ["bench", "resume", "--kills", str(KILLS)]
        command += ["--seed", str(rng.randrange(10_000)), "--report", str(report)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=RESUME_TIMEOUT_S,
            check=False,
        )
        verdict = Verdict()
        verdict.true(done.returncode == 0, f"bench resume: {done.stdout[-300:]}")
        values = json.loads(report.read_text()) if report.is_file() else {}
    for what in ("lost", "twice"):
        count = values.get(what, -1)
        verdict.true(count == 0, f"{count} acknowledged time steps {what}")
    return Outcome(
        detector="learner_node: log and checkpoint",
        failures=tuple(verdict.failures),
        notes={"kills": values.get("kills", 0), "resumed": values.get("resumed", 0)},
    )


CASES = (
    Case(
        fault="F9b",
        title="learner dies, ten times in a row",
        injection="SIGKILL at random instants, also while it starts",
        limit="all resume, 0 acknowledged time steps lost, 0 twice",
        run=killed_and_resumed,
        spec=None,
        runs=5,
    ),
    Case(
        fault="F21",
        title="killed while it writes checkpoints",
        injection="SIGKILL at random instants, ten a run",
        limit="the newest finished checkpoint loads, bit for bit",
        run=killed_while_saving,
        spec=None,
        is_quick=True,
    ),
    Case(
        fault="F24",
        title="hostile files",
        injection="a pickle in the place of parameters and segments, checksums fit",
        limit="refused, nothing is executed",
        run=malicious_files,
        spec=None,
        is_quick=True,
    ),
)
