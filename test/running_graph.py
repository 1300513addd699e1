"""A graph started the way a user starts it, and the virtual robot's own truth."""

import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil
import yaml

from ur5_rl_experiments.faults.graph_under_test import (
    GraphSpec,
    GraphUnderTest,
    graph_under_test,
)
from ur5_rl_ros.shared_array import SharedArrayReader
from ur5_rl_ros.testing import node_environment

ROOT = Path(__file__).parents[1]
POLL_S = 0.05  # what runs needs the processor more than who waits


def free_address() -> str:
    """Return a loopback address on which nobody serves the UR ports."""
    while True:
        address = f"127.0.{random.randint(1, 254)}.{random.randint(2, 254)}"
        with socket.socket() as probe:
            if probe.connect_ex((address, 30004)) != 0:
                return address


class Run:
    """One `ur5rl` command, its output and the processes behind it."""

    def __init__(self, words: list[str], run_dir: Path, domain: int) -> None:
        self.run_dir = run_dir
        self.domain = domain
        command = [sys.executable, "-m", "ur5_rl_bringup.cli", str(ROOT), *words]
        self.started_s = time.monotonic()
        self.process = subprocess.Popen(
            command,
            env=node_environment(domain),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_until(self, condition: Callable[[], object], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self.process.poll() is None, f"the run ended early:\n{self.output}"
            assert time.monotonic() < deadline, f"condition never held:\n{self.output}"
            time.sleep(POLL_S)

    def episodes_shown(self) -> int:
        return sum(line.startswith(("| train |", "| eval |")) for line in self.lines)

    def finish(self, timeout_s: float) -> int:
        try:
            code = self.process.wait(timeout=timeout_s)
        finally:
            self._reader.join(timeout=5.0)
        return code

    def stop(self, number: int = signal.SIGINT) -> float:
        """Send a signal, wait for the end; return how long it took [s]."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.finish(timeout_s=10.0)
        return time.monotonic() - started

    def report(self) -> dict:
        return json.loads((self.run_dir / "report.json").read_text())

    def told(self, count: str) -> int:
        """Return what the newest report says of the learner; 0 before the first one."""
        try:
            return (self.report()["learner"] or {}).get(count, 0)
        except (OSError, ValueError):
            return 0

    def pid_of(self, node: str) -> int:
        """Return the pid of a node's process, by its module on the command line."""
        for child in psutil.Process(self.process.pid).children():
            try:
                if any(word.endswith(f".{node}") for word in child.cmdline()):
                    return child.pid
            except psutil.NoSuchProcess:
                continue
        raise ProcessLookupError(node)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def pose_reader(self) -> SharedArrayReader:
        """Return the virtual robot's own joint positions and velocities, shape (2, 6)."""
        path = self.run_dir / "parameters" / "controller.yaml"
        parameters = yaml.safe_load(path.read_text())["/**/controller"]["ros__parameters"]
        return SharedArrayReader(Path(parameters["pose_file"]))


@contextmanager
def starting(folder: Path, domain: int) -> Iterator[Callable[..., Run]]:
    """Yield what starts `ur5rl` commands, each on an address of its own; leave none."""
    runs: list[Run] = []

    def start(*words: str, address: str | None = None) -> Run:
        run_dir = folder / f"run{len(runs)}"
        where = ["--robot-ip", address or free_address(), "--run-dir", str(run_dir)]
        run = Run([*words, "--headless", *where], run_dir, domain)
        runs.append(run)
        return run

    try:
        yield start
    finally:
        for run in runs:
            if run.process.poll() is None:
                run.process.kill()  # its children are told by the kernel
                run.finish(timeout_s=10.0)


@contextmanager
def shared_graph(
    spec: GraphSpec, run_dir: Path | None = None
) -> Iterator[Callable[[], GraphUnderTest]]:
    """Yield what returns a graph that runs: the same one again, until it has ended."""
    with ExitStack() as stack:
        graphs: list[GraphUnderTest] = []

        def running() -> GraphUnderTest:
            if not graphs or graphs[-1].run.child.poll() is not None:
                stack.close()
                graph = graph_under_test(ROOT, spec, run_dir)
                graphs.append(stack.enter_context(graph))
            return graphs[-1]

        yield running


def speed(pose: SharedArrayReader) -> float:
    """Return the fastest joint's true speed [rad/s]."""
    return float(np.abs(pose.read()[0][1]).max())
