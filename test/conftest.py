"""Fixtures of the system tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from running_graph import Run, starting
from ur5_rl_ros.domain import claimed_domain
from ur5_rl_ros.testing import ros_domain  # noqa: F401


@pytest.fixture
def start(tmp_path: Path, ros_domain: int) -> Iterator[Callable[..., Run]]:  # noqa: F811
    """Start `ur5rl` commands, each on an address of its own; leave nothing behind."""
    with starting(tmp_path, ros_domain) as start:
        yield start


@pytest.fixture(scope="module")
def start_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Run]]:
    """Start what several tests look at, as `start` does."""
    with (
        claimed_domain() as domain,
        starting(tmp_path_factory.mktemp("runs"), domain) as start,
    ):
        yield start
