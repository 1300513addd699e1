"""A graph started the way a user starts it, and the virtual robot's own truth."""

import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import yaml

from ur5_rl_ros.shared_array import SharedArrayReader
from ur5_rl_ros.testing import node_environment

ROOT = Path(__file__).parents[1]


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
            time.sleep(0.01)

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


def speed(pose: SharedArrayReader) -> float:
    """Return the fastest joint's true speed [rad/s]."""
    return float(np.abs(pose.read()[0][1]).max())
