"""Kill a learner with -9 at random instants, resume it each time, count what is left.

The real learner_node as a process of its own, with a small network, fed with numbered
time steps. After each kill the run directory is read: whatever was acknowledged must lie
there, once and as it was sent.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rclpy

from sac_learner.core.config import LearnerConfig
from ur5_rl_bringup.graph import environment
from ur5_rl_experiments.bench.disk_record import Counters, DiskRecord, Findings
from ur5_rl_experiments.bench.numbered_steps import HEIGHT, WIDTH
from ur5_rl_experiments.bench.step_feeder import StepFeeder
from ur5_rl_experiments.core.option_types import positive_float, positive_int
from ur5_rl_ros.domain import claimed_domain
from ur5_rl_ros.process import spinning_in_background

RUN_ID = 2**63 + 11
START_TIMEOUT_S = 240.0  # on a machine that does much else
STOP_TIMEOUT_S = 30.0
POLL_S = 0.005
STARTS_PER_LIFE = 2.5  # a life ends anywhere between 0 and so many start-up times
# DDS holds 2000 time steps. Killed in each start, a learner would miss
# some that were never acknowledged, like any that is away so long: one start is spared.
MAX_STEPS_AWAY = 1000
SETTINGS: dict[str, Any] = {
    "height_px": HEIGHT, "width_px": WIDTH, "crop_rows": 0, "crop_columns": 1,
    "strides": (2, 2, 1, 1), "hidden_size": 16, "batch_size": 8, "learning_starts": 100,
    "replay_capacity": 200_000, "threads": 1, "publish_period_s": 0.1,
    "checkpoint_period_s": 0.7, "updates_per_transition": 0.5,
}  # fmt: skip


@dataclass
class Outcome:
    """What has come of the kills so far.

    Attributes:
        kills: Of them.
        resumed: Kills after which a learner came back.
        while_starting: Kills before the learner's first acknowledgement.
        lost: Numbers of acknowledged time steps that were not on disk after a kill.
        torn: Writes that a kill cut short.
        recover_s: From start to first acknowledgement, of each life that came so far.
        failures: What else was not as it must be.
        findings: The newest look at the disk.
    """

    kills: int = 0
    resumed: int = 0
    while_starting: int = 0
    lost: set[int] = field(default_factory=set)
    torn: int = 0
    recover_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    findings: Findings = Findings(frozenset(), 0, 0, 0, Counters(), ())

    @property
    def is_good(self) -> bool:
        """Whether nothing that was promised is broken."""
        broken = self.lost or self.findings.twice or self.findings.wrong
        return self.resumed == self.kills and not broken and not self.failures


def main(root: Path, words: Sequence[str]) -> int:
    """Run the bench; return 0 if nothing that was acknowledged was lost."""
    parser = argparse.ArgumentParser(prog="ur5rl bench resume", description=__doc__)
    parser.add_argument("--kills", type=positive_int, default=50)
    parser.add_argument(
        "--rate-hz", type=positive_float, default=25.0, help="of time steps"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, metavar="FILE.json")
    arguments = parser.parse_args(words)
    began_s = time.monotonic()
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="ur5rl-resume-") as folder:
        bench = ResumeBench(root, Path(folder), rng)
        with bench.feeding(arguments.rate_hz) as feeder:
            outcome = bench.run(feeder, arguments.kills)
        if not outcome.is_good:
            print(bench.log_tail(), file=sys.stderr)
    report = report_of(outcome, feeder, time.monotonic() - began_s)
    print(json.dumps(report, indent=1))
    if arguments.report:
        arguments.report.write_text(json.dumps(report, indent=1) + "\n")
    print(
        f"resume: {outcome.resumed} of {outcome.kills} resumed, "
        f"{report['lost']} acknowledged time steps lost, {report['twice']} twice"
        f"{'' if outcome.is_good else '; FAILED'}"
    )
    return 0 if outcome.is_good else 1


def report_of(outcome: Outcome, feeder: StepFeeder, took_s: float) -> dict[str, Any]:
    """Return the numbers of a run for other programs."""
    findings = outcome.findings
    recover_s = outcome.recover_s or [0.0]
    return {
        "kills": outcome.kills,
        "resumed": outcome.resumed,
        "killed_while_starting": outcome.while_starting,
        "sent": feeder.sent,
        "acknowledged": feeder.heard.acknowledged,
        "lost": len(outcome.lost),
        "twice": findings.twice,
        "wrong": findings.wrong,
        "never_arrived": feeder.sent - len(findings.stored),
        "writes_cut_short": outcome.torn,
        "recover_s": {
            "p50": round(float(np.median(recover_s)), 2),
            "max": round(max(recover_s), 2),
        },
        "updates": findings.counters.updates,
        "env_steps": findings.counters.env_steps,
        "policy_version": feeder.heard.version,
        "failures": outcome.failures,
        "took_s": round(took_s, 1),
    }


class ResumeBench:
    """One run directory, the lives of its learner, and the environment that feeds it."""

    def __init__(self, root: Path, folder: Path, rng: np.random.Generator) -> None:
        self._root = root
        self._run_dir = folder / "run"
        self._log_path = folder / "learner.log"
        self._rng = rng
        self._domain = 0
        self._start_s = 0.0  # that a learner needs here to come up, as it seems
        config = LearnerConfig(run_dir=str(self._run_dir), **SETTINGS)
        self._disk = DiskRecord(self._run_dir, RUN_ID, config)

    @contextmanager
    def feeding(self, rate_hz: float) -> Iterator[StepFeeder]:
        """Send time steps on a domain of its own within the block."""
        with claimed_domain() as self._domain:
            os.environ.update(self._variables())  # before DDS reads them
            context = rclpy.Context()
            rclpy.init(context=context, domain_id=self._domain)
            node = rclpy.create_node("feeder", context=context)
            feeder = StepFeeder(node, RUN_ID, rate_hz)
            try:
                with spinning_in_background(node), feeder:
                    yield feeder
            finally:
                node.destroy_node()
                rclpy.try_shutdown(context=context)

    def run(self, feeder: StepFeeder, kills: int) -> Outcome:
        """Let one life come up, kill it and so many more, and let the last one finish."""
        outcome, unanswered = Outcome(), 0
        for life in range(kills + 1):
            with self._learner() as learner:
                if life == kills:
                    came_up = self._finish(learner, feeder, outcome)
                else:
                    came_up = self._kill(learner, feeder, outcome)
            unanswered += life > 0
            if came_up:
                outcome.resumed += unanswered
                unanswered = 0
            self._look(feeder, outcome)
            _show(outcome, kills)
        outcome.failures += feeder.heard.backward
        return outcome

    def _kill(
        self, learner: subprocess.Popen[bytes], feeder: StepFeeder, outcome: Outcome
    ) -> bool:
        """Kill a learner at a random instant; return whether it had come up."""
        sessions, began_s = feeder.heard.sessions, time.monotonic()
        life_s = self._rng.uniform(0.0, STARTS_PER_LIFE * self._start_s)
        away = feeder.sent - feeder.heard.acknowledged
        if outcome.kills == 0 or away > MAX_STEPS_AWAY:
            _wait(lambda: feeder.heard.sessions > sessions, START_TIMEOUT_S)
            life_s = time.monotonic() - began_s + self._rng.uniform(0.0, 4.0)
        _wait(lambda: learner.poll() is not None, began_s + life_s - time.monotonic())
        if learner.poll() is not None:
            outcome.failures.append(f"a learner ended by itself: {learner.returncode}")
        learner.kill()
        learner.wait()
        outcome.kills += 1
        if feeder.heard.sessions == sessions:
            outcome.while_starting += 1
            self._start_s = max(self._start_s, time.monotonic() - began_s)
            return False
        self._start_s = feeder.heard.session_since_s - began_s
        outcome.recover_s.append(self._start_s)
        return True

    def _finish(
        self, learner: subprocess.Popen[bytes], feeder: StepFeeder, outcome: Outcome
    ) -> bool:
        """Let the last learner come up, take all that was sent and stop by itself."""
        sessions, began_s = feeder.heard.sessions, time.monotonic()
        came_up = _wait(lambda: feeder.heard.sessions > sessions, START_TIMEOUT_S)
        outcome.recover_s.append(feeder.heard.session_since_s - began_s)
        feeder.stop_sending()
        if not _wait(lambda: feeder.heard.acknowledged == feeder.sent, START_TIMEOUT_S):
            outcome.failures.append("the last time steps were not acknowledged")
        learner.send_signal(signal.SIGTERM)
        try:
            if code := learner.wait(STOP_TIMEOUT_S):
                outcome.failures.append(f"the last learner ended with {code}")
        except subprocess.TimeoutExpired:
            outcome.failures.append(f"the last learner ran on for {STOP_TIMEOUT_S} s")
        return came_up

    def _look(self, feeder: StepFeeder, outcome: Outcome) -> None:
        """Read the disk after a kill and note what is not as it must be."""
        before, acknowledged = outcome.findings.counters, feeder.heard.acknowledged
        outcome.findings = findings = self._disk.read()
        outcome.lost |= set(range(1, acknowledged + 1)) - findings.stored
        outcome.torn += findings.torn
        outcome.failures += findings.problems
        for name, old, new in zip(
            Counters._fields, before, findings.counters, strict=True
        ):
            if new < old:
                outcome.failures.append(f"{name} on disk went from {old} to {new}")

    @contextmanager
    def _learner(self) -> Iterator[subprocess.Popen[bytes]]:
        words = [sys.executable, "-m", "sac_learner.nodes.learner_node", "--ros-args"]
        for name, value in (SETTINGS | {"run_dir": self._run_dir}).items():
            text = list(value) if isinstance(value, tuple) else value
            words += ["-p", f"{name}:={text}"]
        variables = {**os.environ, **self._variables()}
        with open(self._log_path, "ab") as log:
            learner = subprocess.Popen(
                words, env=variables, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            yield learner
        finally:
            learner.kill()
            learner.wait()

    def _variables(self) -> dict[str, str]:
        return {**environment(self._root), "ROS_DOMAIN_ID": str(self._domain)}

    def log_tail(self) -> str:
        """Return the newest lines of the learners' log."""
        return "\n".join(self._log_path.read_text(errors="replace").splitlines()[-40:])


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(POLL_S)
    return True


def _show(outcome: Outcome, kills: int) -> None:
    if outcome.kills % 5 == 0 or outcome.kills == kills:
        updates = outcome.findings.counters.updates
        print(f"resume: {outcome.kills} kills, update {updates}", flush=True)
