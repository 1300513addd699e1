"""The flag that signals raise: it must never be the reason that a process hangs."""

import subprocess
import sys
import threading
import time

import pytest

from ur5_rl_ros.process import Stop

pytestmark = pytest.mark.realtime

STORM = """
import signal, time
from ur5_rl_ros.process import Stop

stop = Stop()
signal.signal(signal.SIGALRM, stop._on_signal)
until_s = time.monotonic() + 1.5
while time.monotonic() < until_s:
    stop._requested = False
    signal.setitimer(signal.ITIMER_REAL, 30e-6)
    for _ in range(20):
        stop.wait(1e-6)
"""


def test_fault_a_signal_at_any_instant_of_a_wait_does_not_hang():
    # Tens of thousands of signals, some of which hit the wait in its most private parts.
    subprocess.run([sys.executable, "-c", STORM], timeout=20.0, check=True)


def test_a_wait_ends_at_once_when_another_thread_requests_a_stop():
    stop = Stop()
    timer = threading.Timer(0.05, stop.request)
    timer.start()
    started_s = time.monotonic()
    assert stop.wait(10.0)
    assert time.monotonic() - started_s < 5.0
    assert stop.requested
    timer.join()


def test_a_wait_without_a_request_lasts_as_long_as_it_was_told():
    stop = Stop()
    started_s = time.monotonic()
    assert not stop.wait(0.05)
    assert time.monotonic() - started_s >= 0.05
    assert not stop.wait(-1.0)
    assert not stop.requested
