"""Log lines that repeat."""

import ast
import time
from pathlib import Path

import pytest
from rclpy.clock import Clock
from rclpy.impl.rcutils_logger import Throttle
from rclpy.logging import get_logger
from rclpy.time import Time

from ur5_rl_ros.throttle import at_most_every

SRC = Path(__file__).parents[2]
NODES = sorted(SRC.glob("*/*/nodes/*.py"))


class WallClock(Clock):
    """System time, as somebody sets it."""

    seconds = 1e9

    def now(self):
        return Time(seconds=self.seconds)


def test_a_line_comes_once_a_period(capfd):
    logger = get_logger("test")
    for _ in range(3):
        logger.warning("again", **at_most_every(60.0))
    assert capfd.readouterr().err.count("again") == 1


def test_fault_a_wall_clock_that_is_set_back_silences_no_line(monkeypatch, capfd):
    logger, wall = get_logger("test"), WallClock()
    monkeypatch.setitem(Throttle.params, "throttle_time_source_type", wall)
    for _ in range(3):
        logger.warning("again", **at_most_every(0.02))
        wall.seconds -= 3600.0
        time.sleep(0.03)
    assert capfd.readouterr().err.count("again") == 3


@pytest.mark.parametrize("path", NODES, ids=lambda path: str(path.relative_to(SRC)))
def test_fault_no_node_repeats_its_lines_by_system_time(path):
    words = {
        keyword.arg
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        for keyword in call.keywords
    }
    assert "throttle_duration_sec" not in words
