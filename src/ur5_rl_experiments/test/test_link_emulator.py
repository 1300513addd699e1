"""The emulated link: what it does to frames, and that nothing of it stays behind."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import Random

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_experiments.faults import link_emulator
from ur5_rl_experiments.faults.link_emulator import (
    FAR,
    MAX_ON_THE_WAY,
    DelayLine,
    Quality,
    emulated_link,
    inside,
)

pytestmark = pytest.mark.realtime

PORT = 5000


def frames(count):
    return [index.to_bytes(4, "big") for index in range(count)]


def sent(quality, count, period_s=0.001, seed=0):
    """Return a line with frames in it, and when the last one was sent [s]."""
    line = DelayLine(Random(seed))
    for index, frame in enumerate(frames(count)):
        line.send(frame, quality, index * period_s)
    return line, (count - 1) * period_s


def test_a_frame_takes_its_delay_and_comes_once():
    line = DelayLine(Random(0))
    line.send(b"a", Quality(delay_s=0.02), now_s=1.0)
    assert list(line.arrived(1.0199)) == []
    assert line.wait_s(1.0) == pytest.approx(0.02)
    assert list(line.arrived(1.0201)) == [b"a"]
    assert list(line.arrived(2.0)) == []
    assert line.wait_s(2.0) is None


def test_a_late_look_is_no_longer_wait():
    line, _ = sent(Quality(delay_s=0.01), 1)
    assert line.wait_s(5.0) == 0.0


def test_a_perfect_link_hands_on_at_once_and_in_order():
    line, end_s = sent(Quality(), 100)
    assert list(line.arrived(end_s)) == frames(100)
    assert line.lost == 0


@given(seed=st.integers(0, 1000), jitter_s=st.floats(0.0, 0.1))
def test_jitter_delays_within_its_range_and_nobody_overtakes(seed, jitter_s):
    quality = Quality(delay_s=0.05, jitter_s=jitter_s)
    line, end_s = sent(quality, 50, seed=seed)
    assert list(line.arrived(0.0499)) == []
    assert list(line.arrived(end_s + 0.05 + jitter_s)) == frames(50)


def test_the_share_that_is_lost_is_the_one_that_was_asked_for():
    line, end_s = sent(Quality(loss=0.05), 10_000)
    arrived = list(line.arrived(end_s))
    assert len(arrived) + line.lost == 10_000
    assert 0.04 < line.lost / 10_000 < 0.06
    assert arrived == sorted(arrived)


def test_an_outage_loses_what_is_sent_in_it_and_nothing_else():
    line = DelayLine(Random(0))
    up, down = Quality(delay_s=0.02), Quality(delay_s=0.02, is_up=False)
    for now_s, quality, frame in ((0.0, up, b"a"), (0.01, down, b"b"), (0.02, up, b"c")):
        line.send(frame, quality, now_s)
    assert list(line.arrived(1.0)) == [b"a", b"c"]
    assert line.lost == 1


def test_one_seed_loses_the_same_frames():
    first, end_s = sent(Quality(loss=0.3), 200, seed=3)
    again, _ = sent(Quality(loss=0.3), 200, seed=3)
    other, _ = sent(Quality(loss=0.3), 200, seed=4)
    arrived = list(first.arrived(end_s))
    assert arrived == list(again.arrived(end_s)) != list(other.arrived(end_s))


def test_fault_a_link_that_nobody_empties_stays_bounded():
    line, end_s = sent(Quality(delay_s=1e6), MAX_ON_THE_WAY + 7)
    assert line.lost == 7
    assert list(line.arrived(end_s)) == []


def udp_socket(network, address=""):
    with inside(network):
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.settimeout(2.0)
        end.bind((address, PORT))
    return end


def test_the_two_networks_hear_each_other_and_nobody_else(link):
    home = os.readlink("/proc/thread-self/ns/net")
    with udp_socket(link.near) as near, udp_socket(link.far) as far:
        near.sendto(b"hello", (FAR, PORT))
        data, address = far.recvfrom(100)
        far.sendto(data + b" back", address)
        assert near.recv(100) == b"hello back"
        with inside(link.near):
            assert os.readlink("/proc/thread-self/ns/net") != home
            devices = Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
    assert os.readlink("/proc/thread-self/ns/net") == home
    names = {line.split(":")[0].strip() for line in devices}
    assert link_emulator.DEVICE in names
    assert not names & {"eth0", "wlan0"}


def comes_through(near, far, timeout_s):
    """Whether one of the datagrams that are sent for so long arrives."""
    far.settimeout(0.05)
    for _ in range(round(timeout_s / 0.05)):
        near.sendto(b"?", (FAR, PORT))
        with suppress(TimeoutError):
            return bool(far.recv(100))
    return False


def test_an_outage_lasts_until_the_link_is_up(link):
    with udp_socket(link.near) as near, udp_socket(link.far) as far:
        assert comes_through(near, far, 5.0)
        link.set(Quality(is_up=False))
        assert any(not comes_through(near, far, 0.1) for _ in range(100))
        assert not comes_through(near, far, 0.3)
        link.set(Quality())
        assert comes_through(near, far, 5.0)


def test_fault_a_killed_owner_leaves_no_relay(link):
    code = (
        "from ur5_rl_experiments.faults.link_emulator import emulated_link\n"
        "with emulated_link() as link: print(link.relay.pid, flush=True); input()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    relay = psutil.Process(int(owner.stdout.readline()))
    owner.kill()
    owner.communicate()
    relay.wait(timeout=5.0)


def test_fault_a_machine_without_rights_says_so_in_one_line(monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "network namespaces: unshare: Operation not permitted")

    monkeypatch.setattr(link_emulator, "_call", refuse)
    with pytest.raises(OSError, match="network namespaces"), emulated_link():
        pass
