"""Fixtures of the system tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from running_graph import Run, free_address
from ur5_rl_ros.testing import ros_domain  # noqa: F401


@pytest.fixture
def start(tmp_path: Path, ros_domain: int) -> Iterator[Callable[..., Run]]:  # noqa: F811
    """Start `ur5rl` commands, each on an address of its own; leave nothing behind."""
    runs: list[Run] = []

    def start(*words: str, address: str | None = None) -> Run:
        run_dir = tmp_path / f"run{len(runs)}"
        where = ["--robot-ip", address or free_address(), "--run-dir", str(run_dir)]
        run = Run([*words, "--headless", *where], run_dir, ros_domain)
        runs.append(run)
        return run

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()  # its children are told by the kernel
            run.finish(timeout_s=10.0)
