"""One run of the graph as a child process, on an address and a DDS domain of its own."""

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
    where = ["--headless", "--robot-ip", address, "--run-dir", str(run_dir)]
    command = [sys.executable, "-m", "ur5_rl_bringup.cli", str(root), "sim"]
    log_path = log_path or run_dir.with_suffix(".log")
    with claimed_domain() as domain, open(log_path, "w") as log:
        child = subprocess.Popen(
            [*command, *words, *where],
            env={**os.environ, "ROS_DOMAIN_ID": str(domain), **(variables or {})},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield GraphRun(child, domain, address, run_dir, log_path)
        finally:
            _end(child)


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
