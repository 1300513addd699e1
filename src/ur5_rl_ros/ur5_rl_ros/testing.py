"""Fixtures of the node tests: a private context and DDS domain each, no sleeping."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor

from ur5_rl_ros.domain import claimed_domain, profiles_variable

FAST_DDS_PROFILE = Path(__file__).parents[3] / "config" / "fastdds.xml"


@pytest.fixture
def ros_domain() -> Iterator[int]:
    """Reserve a DDS domain on this machine: two tests never hear each other."""
    with claimed_domain() as domain:
        yield domain


@pytest.fixture
def ros(
    ros_domain: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SingleThreadedExecutor]:
    """Yield an executor in a private context and domain."""
    for name, value in ros_variables(ros_domain).items():
        monkeypatch.setenv(name, value)
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=ros_domain)
    executor = SingleThreadedExecutor(context=context)
    yield executor
    executor.shutdown()
    rclpy.try_shutdown(context=context)


@pytest.fixture
def spin_until(ros: SingleThreadedExecutor) -> Callable[..., None]:
    """Spin until a condition holds; fail, rather than hang, after a deadline."""

    def spin_until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "condition never held"
            ros.spin_once(timeout_sec=0.02)

    return spin_until


def node_environment(domain: int) -> dict[str, str]:
    """Return the environment for a node started as a process of a test."""
    return {**os.environ, **ros_variables(domain)}


def ros_variables(domain: int) -> dict[str, str]:
    """Return what makes ROS speak on one domain of this machine, as in the graph."""
    variables = {
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    if FAST_DDS_PROFILE.is_file():  # not where the package is installed alone
        variables[profiles_variable()] = str(FAST_DDS_PROFILE)
    return variables
