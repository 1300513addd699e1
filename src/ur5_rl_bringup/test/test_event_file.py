"""The curves on disk: read back as TensorBoard reads them, also where a disk refuses."""

import os
import resource
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ur5_rl_bringup.nodes.event_file import FLUSH_S, EventFile

NAME = "episode/return"


@contextmanager
def room(size_bytes):
    """Let no file grow beyond `size_bytes`: a disk that is full within a record."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Curve:
    """One curve of values that are ten times their step, and what is said of it."""

    def __init__(self, folder):
        self.folder, self.lines = folder, []
        self.events = EventFile(folder, self.lines.append)

    def add(self, step):
        self.events.add_scalar(NAME, 10.0 * step, step)

    def tick(self, periods):
        self.events.tick(periods * FLUSH_S)

    def steps(self):
        """Return the steps that TensorBoard shows."""
        accumulator = EventAccumulator(str(self.folder)).Reload()
        if NAME not in accumulator.Tags()["scalars"]:
            return []
        points = accumulator.Scalars(NAME)
        assert all(point.value == 10.0 * point.step for point in points)
        return [point.step for point in points]

    def sizes(self):
        return [path.stat().st_size for path in sorted(self.folder.iterdir())]


@pytest.fixture
def curve(tmp_path):
    return Curve(tmp_path / "run" / "events")


def test_points_come_to_the_disk_every_ten_seconds_and_at_the_end(curve):
    curve.add(1)
    curve.tick(0.0)
    assert curve.steps() == [1]
    curve.add(2)
    curve.tick(0.99)
    assert curve.steps() == [1]
    curve.tick(1.0)
    assert curve.steps() == [1, 2]
    curve.add(3)
    curve.events.close()
    assert curve.steps() == [1, 2, 3]
    assert len(curve.sizes()) == 1
    assert curve.lines == []


def test_nobody_else_writes(tmp_path):
    before = threading.active_count()
    curve = Curve(tmp_path)
    for step in range(1000):
        curve.add(step)
    curve.tick(0.0)
    assert threading.active_count() == before
    assert curve.steps() == list(range(1000))


def test_fault_a_full_disk_is_said_once_and_costs_what_came_meanwhile(curve):
    curve.add(1)
    curve.tick(0.0)
    (size,) = curve.sizes()
    curve.add(2)
    with room(size + 20):
        curve.tick(1.0)
    assert curve.sizes() == [size + 20]  # half a record
    for period in (2, 3):
        curve.add(1 + period)
        with room(20):
            curve.tick(period)
    assert len(curve.sizes()) == 1  # no empty files, however long it lasts
    curve.add(5)
    curve.tick(4)
    curve.add(6)
    curve.events.close()
    assert curve.steps() == [1, 5, 6]
    assert curve.events.points_lost == 3
    refused, returned = curve.lines
    assert refused.startswith("| wait | curves not written: [Errno 27] File too large")
    assert returned == "| wait | curves are written again, 3 points are lost"


def test_fault_points_that_nobody_takes_are_not_kept(curve):
    with room(20):
        for step in range(1000):
            curve.add(step)
            curve.tick(step)
    curve.events.close()
    assert curve.events.points_lost == 1000
    assert curve.steps() == []


def test_fault_a_disk_that_is_full_at_the_end_is_said(curve):
    curve.add(1)
    with room(20):
        curve.events.close()
    assert len(curve.lines) == 1


def test_fault_a_disk_that_is_full_at_the_start_is_an_error(tmp_path):
    with room(20), pytest.raises(OSError, match="File too large"):
        EventFile(tmp_path, print)
    assert os.listdir(tmp_path) == []


def test_curves_do_not_cost_loading_torch(tmp_path):
    code = (
        "import sys, pathlib; from ur5_rl_bringup.nodes.event_file import EventFile; "
        "EventFile(pathlib.Path(sys.argv[1]), print).close(); "
        "import importlib.util; assert 'torch' not in sys.modules; "
        "assert importlib.util.find_spec('torch')"  # others may still load it
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=20.0, check=True)
