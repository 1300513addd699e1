"""One run of the graph as a child process, on an address and a DDS domain of its own."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ur5_rl_bringup.supervisor import PR_SET_PDEATHSIG
from ur5_rl_ros.domain import claimed_domain

STOP_S = 15.0
UR_PORT = 30004
SHOWN_LINES = 15


class RunFailedError(RuntimeError):
    """The graph ended otherwise than it was asked to."""


@dataclass(frozen=True)
class GraphRun:
    """A graph that runs.

    Attributes:
        child: The `ur5rl sim` command.
        domain: DDS domain of its own.
        address: Where its virtual robot listens.
        run_dir, log_path: What it leaves, and what it printed.
    """

    child: subprocess.Popen[bytes]
    domain: int
    address: str
    run_dir: Path
    log_path: Path

    def check(self) -> None:
        """Raise `RunFailedError` with its last lines if it has ended."""
        if self.child.poll() is not None:
            self.fail(f"exit code {self.child.returncode}")

    def fail(self, why: str) -> None:
        """Raise `RunFailedError` with what the run said last."""
        tail = "\n".join(self.log_path.read_text().splitlines()[-SHOWN_LINES:])
        raise RunFailedError(f"{why}; the last lines of the run:\n{tail}")


@contextmanager
def graph_run(
    root: Path,
    words: Sequence[str],
    run_dir: Path,
    variables: Mapping[str, str] | None = None,
    log_path: Path | None = None,
) -> Iterator[GraphRun]:
    """Run `ur5rl sim` with `words` off screen for as long as the block lasts.

    `variables` are added to the environment of all of its processes; what it prints goes
    to `log_path`, by default beside `run_dir`.
    """
    address = free_address()
    words = ["sim", *words, "--headless", "--robot-ip", address]
    log_path = log_path or run_dir.with_suffix(".log")
    with claimed_domain() as domain:
        more = {"ROS_DOMAIN_ID": str(domain), **(variables or {})}
        with _command(root, words, run_dir, more, log_path) as child:
            yield GraphRun(child, domain, address, run_dir, log_path)


@contextmanager
def learner_run(
    root: Path, words: Sequence[str], run_dir: Path, domain: int
) -> Iterator[None]:
    """Run `ur5rl learner` with `words` for as long as the block lasts."""
    variables = {"ROS_DOMAIN_ID": str(domain)}
    words, log_path = ["learner", *words], run_dir.with_suffix(".log")
    with _command(root, words, run_dir, variables, log_path):
        yield


@contextmanager
def _command(
    root: Path,
    words: Sequence[str],
    run_dir: Path,
    variables: Mapping[str, str],
    log_path: Path,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of `ur5rl` for as long as the block lasts."""
    command = [sys.executable, "-m", "ur5_rl_bringup.cli", str(root)]
    with open(log_path, "w") as log:
        child = subprocess.Popen(
            [*command, *words, "--run-dir", str(run_dir)],
            env={**os.environ, **variables},
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  a system call, no lock
        )
        try:
            yield child
        finally:
            _end(child)


def _end_with_parent() -> None:
    """Have the kernel stop this process when the one that started it dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Stop the run; the kernel tells the children of one that must be killed."""
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def free_address() -> str:
    """Return a loopback address on which nobody serves the UR ports."""
    while True:
        address = f"127.0.{random.randint(1, 254)}.{random.randint(2, 254)}"
        with socket.socket() as probe:
            if probe.connect_ex((address, UR_PORT)) != 0:
                return address
