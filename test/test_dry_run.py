"""A dry run on the virtual robot, started the way a user starts it."""

import re
import signal

import numpy as np
import psutil
import pytest

pytestmark = [pytest.mark.system, pytest.mark.realtime]

WOULD_SEND = re.compile(r"would send ((?:[-+]\d\.\d+ ){6})rad/s")
STILL_RAD = 1e-3


def velocities(run):
    """Return what would have been sent [rad/s], a row for each line that tells."""
    found = (WOULD_SEND.search(line) for line in run.lines)
    rows = [[float(word) for word in match[1].split()] for match in found if match]
    return np.array(rows).reshape(-1, 6)


def is_asked_to_move(run):
    return (np.abs(velocities(run)) > 0.1).any(axis=1).sum() >= 3


def test_a_dry_run_tells_what_it_would_send_and_moves_nothing(start):
    run = start("dry-run", "--world", "sim", "--policy", "servo", "--minutes", "0.2")
    run.wait_until(lambda: "| dry |" in run.output, timeout_s=30.0)
    pose = run.pose_reader()
    before = pose.read()[0][0]
    run.wait_until(lambda: is_asked_to_move(run), timeout_s=30.0)
    joints, joint_velocities = pose.read()[0]
    np.testing.assert_allclose(joints, before, atol=STILL_RAD)
    np.testing.assert_allclose(joint_velocities, 0.0, atol=STILL_RAD)
    assert run.finish(timeout_s=40.0) == 0, run.output
    assert "PASSED" in run.output
    assert "Traceback" not in run.output


def test_fault_a_dry_run_that_lost_a_sensor_says_so_and_fails(start):
    run = start("dry-run", "--world", "sim", "--policy", "servo", "--minutes", "0")
    run.wait_until(lambda: is_asked_to_move(run), timeout_s=40.0)
    psutil.Process(run.pid_of("camera_node")).send_signal(signal.SIGSTOP)
    run.wait_until(lambda: "FAULT env_node: " in run.output, timeout_s=5.0)
    run.wait_until(lambda: "FAULT watch_node: camera_node has" in run.output, 5.0)
    psutil.Process(run.pid_of("camera_node")).send_signal(signal.SIGCONT)
    run.wait_until(lambda: "watch_node is in order again" in run.output, timeout_s=5.0)
    run.stop()
    assert run.process.returncode == 1, run.output
    assert "FAILED" in run.lines
