"""A virtual robot for tests: `with virtual_ur() as robot: ...`.

The controller is a process of its own, as it must be (clients of ur_rtde hold Python's
lock while they connect), on a loopback address that nobody else uses.
"""

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ur5_rl_ros.shared_array import SharedArrayReader
from ur5_sim.core.config import ControllerConfig

Array = NDArray[np.float64]

SIDE_DOOR_PORT = ControllerConfig().side_door_port
START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0
ATTEMPTS = 5


class VirtualUr:
    """A running virtual controller.

    Attributes:
        address: Where it listens; give it to ur_rtde.
        process: To be signalled by tests of crashes.
        pose_file: Shared array of its true joint state.
    """

    def __init__(self, address: str, folder: Path, params: dict[str, Any]) -> None:
        self.address = address
        self.pose_file = Path(params.pop("pose_file", folder / "pose"))
        self._log_file = folder / "log"
        given = {"address": address, "pose_file": str(self.pose_file), **params}
        words = [sys.executable, "-m", "ur5_sim.nodes.controller", "--ros-args"]
        for name, value in given.items():
            words += ["-p", f"{name}:={json.dumps(value)}"]
        with open(self._log_file, "wb") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        self._pose: SharedArrayReader | None = None

    def log(self) -> str:
        """Return what the controller has printed so far."""
        return self._log_file.read_text()

    def pose(self) -> tuple[Array, Array]:
        """Return the true joint positions [rad] and speeds [rad/s], shape (6,) each."""
        if self._pose is None:
            self._pose = SharedArrayReader(self.pose_file)
        (q, qd), _ = self._pose.read()
        return q, qd

    def command(self, line: str, timeout_s: float = 5.0) -> dict[str, Any]:
        """Send a line to the side door; return the robot's state after it.

        Raises:
            OSError: nobody answers.
            ValueError: the side door refuses the line.
        """
        where = (self.address, SIDE_DOOR_PORT)
        with socket.create_connection(where, timeout_s) as connection:
            connection.sendall(f"{line}\n".encode())
            with connection.makefile() as file:
                reply = file.readline()
        if not reply:
            raise ConnectionError(f"{self.address} closed the connection")
        answer: dict[str, Any] = json.loads(reply)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def state(self) -> dict[str, Any]:
        """Return the robot's state: see `ur5_sim.core.controller.side_door`."""
        return self.command("state")

    def wait_until(
        self, condition: Callable[[dict[str, Any]], object], timeout_s: float = 5.0
    ) -> dict[str, Any]:
        """Ask for the state until `condition` holds for it; return that state.

        Raises:
            TimeoutError: it never did; shows the last state.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            state = self.state()
            if condition(state):
                return state
            if time.monotonic() > deadline:
                raise TimeoutError(f"condition never held; last state: {state}")
            time.sleep(0.004)

    def stop(self) -> int:
        """Ask the controller to stop; return its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_TIMEOUT_S)
            raise

    def _await_start(self) -> bool:
        """Wait for the first answer; False if the process has given up."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.process.poll() is None:
            with suppress(OSError, ValueError):
                self.state()
                return True
            if time.monotonic() > deadline:
                raise TimeoutError(f"the virtual controller is silent: {self.log()}")
            time.sleep(0.01)
        return False


@contextmanager
def virtual_ur(**params: Any) -> Iterator[VirtualUr]:
    """Run a virtual controller with these parameters; stop it at the end of the block.

    Without `address` it is a free one. `side_door_port` has to stay as it is.
    """
    with tempfile.TemporaryDirectory(prefix="virtual_ur_") as folder:
        robot = _started(Path(folder), params)
        try:
            yield robot
        finally:
            robot.stop()


def free_loopback_address() -> str:
    """Return a loopback address on which nothing listens on the side door port."""
    source = random.Random(time.monotonic_ns() ^ os.getpid())
    while True:
        address = ".".join(str(source.randint(2, 254)) for _ in range(3))
        address = f"127.{address}"
        with socket.socket() as probe, suppress(OSError):
            probe.bind((address, SIDE_DOOR_PORT))
            return address


def _started(folder: Path, params: dict[str, Any]) -> VirtualUr:
    for _ in range(ATTEMPTS):
        address = params.get("address") or free_loopback_address()
        rest = {name: value for name, value in params.items() if name != "address"}
        robot = VirtualUr(address, folder, rest)
        if robot._await_start():
            return robot
        if "cannot listen" not in robot.log() or "address" in params:
            break
    raise RuntimeError(f"the virtual controller did not start: {robot.log()}")
