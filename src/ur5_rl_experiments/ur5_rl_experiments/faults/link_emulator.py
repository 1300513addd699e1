"""Two networks on this machine, and a link between them that delays, loses and fails.

Each network is a namespace without a name: it is gone with the last process in it,
however that ends. A TAP device in each hands its Ethernet frames to a process of its own,
which passes them on: netem does the same inside of the kernel, where the kernel has it.
"""

import ctypes
import fcntl
import json
import os
import selectors
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from random import Random

NEAR, FAR = "10.25.0.1", "10.25.0.2"  # addresses of the two ends
DEVICE = "wire"
MAX_CONTROL = 4096  # bytes of lines that nobody has read yet
MAX_FRAME = 2048  # above the MTU of a TAP device and its Ethernet header
MAX_ON_THE_WAY = 20_000  # frames in one direction; more are lost, as in any router
RELAY_NICE = -15
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP_WITHOUT_HEADER = 0x400454CA, 0x1002


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How a link treats the frames of both directions.

    Attributes:
        delay_s: Least time on the way [s].
        jitter_s: Up to so much more [s], evenly spread; no frame overtakes another.
        loss: Share of frames that never arrive.
        is_up: Whether anything is taken at all.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    is_up: bool = True


class DelayLine:
    """The frames on their way in one direction. Instants are arguments [s].

    Attributes:
        lost: Frames that will never arrive.
    """

    def __init__(self, rng: Random) -> None:
        self.lost = 0
        self._rng = rng
        self._frames: deque[tuple[float, bytes]] = deque()

    def send(self, frame: bytes, quality: Quality, now_s: float) -> None:
        """Take a frame, or lose it."""
        is_lost = not quality.is_up or self._rng.random() < quality.loss
        if is_lost or len(self._frames) >= MAX_ON_THE_WAY:
            self.lost += 1
            return
        due_s = now_s + quality.delay_s + self._rng.uniform(0.0, quality.jitter_s)
        if self._frames:
            due_s = max(due_s, self._frames[-1][0])
        self._frames.append((due_s, frame))

    def arrived(self, now_s: float) -> Iterator[bytes]:
        """Yield the frames that have arrived by now, oldest first, once each."""
        while self._frames and self._frames[0][0] <= now_s:
            yield self._frames.popleft()[1]

    def wait_s(self, now_s: float) -> float | None:
        """Return how long it takes until the next one arrives; None: none is coming."""
        return max(0.0, self._frames[0][0] - now_s) if self._frames else None


class Relay:
    """Passes frames between two devices, as the lines that `control` brings say."""

    def __init__(self, ends: tuple[int, int], control: int, seed: int) -> None:
        near, far = ends
        self._quality = Quality()
        self._lines = {near: DelayLine(Random(seed)), far: DelayLine(Random(seed + 1))}
        self._other_end = {near: far, far: near}
        self._selector = selectors.DefaultSelector()
        for source in (near, far, control):
            os.set_blocking(source, False)
            self._selector.register(source, selectors.EVENT_READ)

    def run(self) -> None:
        """Pass frames until `control` is closed."""
        while self._take(self._selector.select(self._wait_s())):
            now_s = time.monotonic()
            for source, line in self._lines.items():
                for frame in line.arrived(now_s):
                    _write(self._other_end[source], frame)

    def _wait_s(self) -> float | None:
        now_s = time.monotonic()
        waits_s = [line.wait_s(now_s) for line in self._lines.values()]
        return min((s for s in waits_s if s is not None), default=None)

    def _take(self, ready: list[tuple[selectors.SelectorKey, int]]) -> bool:
        """Take what there is; return whether to go on."""
        for key, _ in ready:
            if key.fd in self._lines:
                self._take_frames(key.fd)
            elif lines := os.read(key.fd, MAX_CONTROL).splitlines():
                self._quality = Quality(**json.loads(lines[-1]))
            else:
                return False
        return True

    def _take_frames(self, source: int) -> None:
        with suppress(BlockingIOError):
            while True:
                frame = os.read(source, MAX_FRAME)
                self._lines[source].send(frame, self._quality, time.monotonic())


def _write(device: int, frame: bytes) -> None:
    with suppress(BlockingIOError):  # a full device loses frames
        os.write(device, frame)


@dataclass(frozen=True)
class Link:
    """The two networks, as file descriptors of their namespaces, and what joins them."""

    near: int
    far: int
    relay: subprocess.Popen[str]

    def set(self, quality: Quality) -> None:
        """Treat all further frames so."""
        assert self.relay.stdin is not None  # noqa: S101  it was asked for
        self.relay.stdin.write(json.dumps(asdict(quality)) + "\n")
        self.relay.stdin.flush()


@contextmanager
def emulated_link(seed: int = 0) -> Iterator[Link]:
    """Join two new networks for as long as the block lasts.

    Raises:
        OSError: the kernel or the rights of this process do not allow it.
    """
    with ExitStack() as stack:
        near, near_device = _new_network(NEAR, stack)
        far, far_device = _new_network(FAR, stack)
        devices = (near_device, far_device)
        words = [sys.executable, "-m", __spec__.name, *map(str, (*devices, seed))]
        relay = subprocess.Popen(
            words, stdin=subprocess.PIPE, text=True, pass_fds=devices
        )
        stack.callback(relay.wait)
        stack.callback(relay.kill)
        yield Link(near, far, relay)


def _new_network(address: str, stack: ExitStack) -> tuple[int, int]:
    """Return a new namespace and its device's other end; `stack` closes both."""
    with _back_home():
        _call("unshare", CLONE_NEWNET)
        namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        stack.callback(os.close, namespace)
        device = os.open("/dev/net/tun", os.O_RDWR)
        stack.callback(os.close, device)
        request = struct.pack("16sH22x", DEVICE.encode(), IFF_TAP_WITHOUT_HEADER)
        fcntl.ioctl(device, TUNSETIFF, request)
        for words in (
            ("link", "set", "lo", "up"),
            ("address", "add", f"{address}/24", "dev", DEVICE),
            ("link", "set", DEVICE, "up"),
        ):
            _ip(*words)
        return namespace, device


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


@contextmanager
def inside(namespace: int) -> Iterator[None]:
    """Be in a network for the block: this thread, its sockets and what it starts."""
    with _back_home():
        _call("setns", namespace, CLONE_NEWNET)
        yield


@contextmanager
def _back_home() -> Iterator[None]:
    """Bring this thread back to its present network after the block."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        yield
    finally:
        _call("setns", home, CLONE_NEWNET)
        os.close(home)


def _call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"network namespaces: {name}: {os.strerror(number)}")


def main() -> None:
    """Relay between the two devices that are named by their descriptors."""
    near, far, seed = map(int, sys.argv[1:])
    with suppress(OSError):  # first in line only where it is allowed
        os.setpriority(os.PRIO_PROCESS, 0, RELAY_NICE)
    Relay((near, far), sys.stdin.fileno(), seed).run()


if __name__ == "__main__":
    main()
