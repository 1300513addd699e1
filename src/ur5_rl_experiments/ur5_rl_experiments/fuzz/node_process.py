"""A node under test as a process of its own, and what it shows of itself."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ur5_rl_ros.testing import node_environment

STOP_S = 15.0
SHOWN_LINES = 15


class NodeProcess:
    """One node that runs under `fuzz.host`.

    Attributes:
        name: Of the node.
        process: Its process.
    """

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], folder: Path, topics: list[str]
    ) -> None:
        self.name, self.process = name, process
        self._log_path = folder / f"{name}.log"
        self._rows = {topic: row for row, topic in enumerate(topics)}
        shape = (max(1, len(topics)), 2)
        self._counts = np.memmap(folder / f"{name}.counts", np.int64, "r", shape=shape)

    def taken(self, topic: str) -> tuple[int, int]:
        """Return how many messages of a topic it took, and could not decode."""
        taken, undecodable = self._counts[self._rows[topic]]
        return int(taken), int(undecodable)

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    @property
    def log_bytes(self) -> int:
        """What it has logged so far."""
        return self._log_path.stat().st_size

    def last_lines(self) -> str:
        """Return the end of its log."""
        lines = self._log_path.read_text(errors="replace").splitlines()
        return "\n".join(line[:400] for line in lines[-SHOWN_LINES:])


@contextmanager
def node_process(
    module: str,
    parameters: Mapping[str, Any],
    *,
    domain: int,
    folder: Path,
    topics: Sequence[str] = (),
    remapped: Sequence[str] = (),
) -> Iterator[NodeProcess]:
    """Run the node of a module for as long as the block lasts.

    Args:
        module: The node.
        parameters: What it is given.
        domain: Of DDS.
        folder: For its log and its counts.
        topics: Whose messages are counted.
        remapped: Topics that are called `aside/NAME` for this node alone.
    """
    name = module.rpartition(".")[2]
    counts = folder / f"{name}.counts"
    counts.write_bytes(bytes(16 * max(1, len(topics))))
    words = [sys.executable, "-m", "ur5_rl_experiments.fuzz.host"]
    words += [str(counts), ",".join(topics), module, "--ros-args"]
    for key, value in parameters.items():
        words += ["-p", f"{key}:={json.dumps(value)}"]
    for topic in remapped:
        words += ["-r", f"{topic}:=aside/{topic}"]
    with open(folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen(
            words, env=node_environment(domain), stdout=log, stderr=log
        )
    try:
        yield NodeProcess(name, process, folder, list(topics))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
