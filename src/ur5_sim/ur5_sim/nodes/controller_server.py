"""Sockets and clock of the virtual controller: one thread, one `select`, one tick."""

import random
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ur5_rl_ros.shared_array import SharedArrayWriter
from ur5_sim.core.config import ControllerConfig
from ur5_sim.core.controller.dashboard import Dashboard
from ur5_sim.core.controller.robot import VirtualRobot
from ur5_sim.core.controller.side_door import SideDoor
from ur5_sim.nodes.connections import (
    Connection,
    LineConnection,
    RtdeConnection,
    ScriptConnection,
)

RTDE_PORT, SCRIPT_PORT, DASHBOARD_PORT = 30004, 30003, 29999
NANOSECONDS = 1_000_000_000
MAX_CLIENTS = 100
# Later than this: the whole machine stood still. The virtual robot did so with it and
# goes on from there; catching up would let its watchdog see a silence that nobody made.
# What is caught up with it does see: at 20 Hz a watchdog that is fed every 8 ms bears
# these 40 ms, above 25 Hz none does.
STALL_NS = 40_000_000

MakeConnection = Callable[[socket.socket], Connection]


class ControllerServer:
    """Serves one virtual robot. Owned by one thread, which is in `run`.

    Use as a context manager; the ports are open from construction to exit.
    """

    def __init__(self, config: ControllerConfig) -> None:
        """Open the ports.

        Raises:
            OSError: names the address and port that cannot be opened.
        """
        self.robot = VirtualRobot(config)
        self.late_ticks = 0  # more than one cycle late
        self._stalls, self._stalled_ns = 0, 0  # so late that robot time stood still
        self._config = config
        self._cycle_ns = round(self.robot.identity.cycle_s * NANOSECONDS)
        self._random = random.Random(config.seed)
        self._dashboard = Dashboard(self.robot)
        self._side_door = SideDoor(self.robot, self)
        self._makers: dict[int, MakeConnection] = {
            RTDE_PORT: lambda s: RtdeConnection(s, self.robot),
            SCRIPT_PORT: lambda s: ScriptConnection(s, self.robot),
            DASHBOARD_PORT: lambda s: LineConnection(
                s, self._dashboard.answer, greets=True
            ),
        }
        self._public: dict[socket.socket, MakeConnection] = {}
        self._private: dict[socket.socket, MakeConnection] = {}
        self._connections: dict[socket.socket, Connection] = {}
        self._delayed: deque[tuple[int, RtdeConnection, bytes]] = deque()
        self._refusing_until_ns = 0
        self._silent_until_ns = 0
        self._dropped_before = 0
        self._pose = _pose_writer(config.pose_file)
        self._open_ports()

    def __enter__(self) -> "ControllerServer":
        return self

    def __exit__(self, *_: object) -> None:
        for each in (*self._public, *self._private, *self._connections):
            each.close()

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Serve until `should_stop`; it is asked at least once a control cycle."""
        deadline_ns = time.monotonic_ns() + self._cycle_ns
        while not should_stop():
            self._serve_until(deadline_ns)
            now_ns = time.monotonic_ns()
            late_ns = now_ns - deadline_ns
            self.late_ticks += late_ns > self._cycle_ns
            if late_ns > STALL_NS:
                self._stalls += 1
                self._stalled_ns += late_ns
                deadline_ns = now_ns
            self._tick(now_ns)
            deadline_ns += self._cycle_ns

    @property
    def has_rtde_clients(self) -> bool:
        """Whether somebody watches or drives the robot."""
        return any(isinstance(c, RtdeConnection) for c in self._connections.values())

    # Link, as the side door commands it -------------------------------------------------

    def drop_link(self, duration_s: float) -> None:
        """Close the clients' connections and ports; open the ports after a while."""
        for each in list(self._connections.values()):
            if each.is_public:
                self._close(each)
        for listener in self._public:
            listener.close()
        self._public.clear()
        self._refusing_until_ns = time.monotonic_ns() + int(duration_s * NANOSECONDS)

    def stall_link(self, duration_s: float) -> None:
        """Let nothing through on the clients' connections for a while."""
        self._delayed.clear()
        self._silent_until_ns = time.monotonic_ns() + int(duration_s * NANOSECONDS)

    def counters(self) -> dict[str, float]:
        """Return what has gone wrong so far, and how many clients there are."""
        rtde = [c for c in self._connections.values() if isinstance(c, RtdeConnection)]
        return {
            "steady_ns": time.monotonic_ns(),
            "rtde_clients": len(rtde),
            "dropped_packages": self._dropped_before + sum(c.dropped for c in rtde),
            "ignored_packages": sum(c.session.ignored_packages for c in rtde),
            "late_ticks": self.late_ticks,
            "stalls": self._stalls,
            "stalled_s": self._stalled_ns / NANOSECONDS,
        }

    # One round --------------------------------------------------------------------------

    def _serve_until(self, deadline_ns: int) -> None:
        """Answer clients until the deadline; when late, look at each of them once."""
        while True:
            now_ns = time.monotonic_ns()
            self._send_delayed(now_ns)
            wake_ns = (
                min(deadline_ns, self._delayed[0][0]) if self._delayed else deadline_ns
            )
            timeout_s = max(0, wake_ns - now_ns) / NANOSECONDS
            readable, _, _ = select.select(self._audible(now_ns), [], [], timeout_s)
            for each in readable:
                if each in self._connections:
                    self._read(self._connections[each])
            for each in readable:
                if each not in self._connections:
                    self._accept(each)
            if time.monotonic_ns() >= deadline_ns:
                return

    def _audible(self, now_ns: int) -> list[socket.socket]:
        if now_ns >= self._silent_until_ns:
            return [*self._connections, *self._public, *self._private]
        private = [s for s, c in self._connections.items() if not c.is_public]
        return [*private, *self._private]

    def _tick(self, now_ns: int) -> None:
        if not self._public and now_ns >= self._refusing_until_ns:
            self._public = self._listen(self._makers)
        self.robot.tick(now_ns)
        if self._pose is not None:
            array = self._pose.begin()
            array[0], array[1] = self.robot.plant.q, self.robot.plant.qd
            self._pose.commit(now_ns)
        if now_ns >= self._silent_until_ns:
            self._send_packages(now_ns)

    def _send_packages(self, now_ns: int) -> None:
        config = self._config
        for each in list(self._connections.values()):
            if not isinstance(each, RtdeConnection):
                continue
            package = each.session.package()
            if package is None or self._random.random() < config.packet_skip_probability:
                continue
            if config.packet_jitter_s > 0.0:
                wait_ns = int(
                    self._random.random() * config.packet_jitter_s * NANOSECONDS
                )
                earliest_ns = self._delayed[-1][0] if self._delayed else 0  # keeps order
                self._delayed.append((max(now_ns + wait_ns, earliest_ns), each, package))
            else:
                self._send(each, package)

    def _send_delayed(self, now_ns: int) -> None:
        while self._delayed and self._delayed[0][0] <= now_ns:
            _, connection, package = self._delayed.popleft()
            if connection.socket in self._connections:
                self._send(connection, package)

    def _send(self, connection: RtdeConnection, package: bytes) -> None:
        try:
            connection.offer(package)
        except OSError:
            self._close(connection)

    # Connections ------------------------------------------------------------------------

    def _open_ports(self) -> None:
        self._public = self._listen(self._makers)
        if self._config.side_door_port:
            answer = self._side_door.answer
            self._private = self._listen(
                {self._config.side_door_port: lambda s: LineConnection(s, answer)}
            )

    def _listen(
        self, makers: dict[int, MakeConnection]
    ) -> dict[socket.socket, MakeConnection]:
        listeners = {}
        for port, make in makers.items():
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((self._config.address, port))
            except OSError as error:
                raise OSError(
                    f"cannot listen on {self._config.address}:{port}: {error.strerror} "
                    "(another virtual robot there? it is one robot an address)"
                ) from None
            listener.listen()
            listener.setblocking(False)
            listeners[listener] = make
        return listeners

    def _accept(self, listener: socket.socket) -> None:
        make = self._public.get(listener) or self._private.get(listener)
        with suppress(OSError):  # gone again already, or closed by drop_link just now
            if make is not None:
                client, _ = listener.accept()
                if len(self._connections) >= MAX_CLIENTS:
                    client.close()
                    return
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections[client] = make(client)

    def _read(self, connection: Connection) -> None:
        try:
            is_open = connection.receive()
        except (ValueError, OSError) as error:
            if isinstance(error, ValueError):
                self.robot.log(f"client dropped: {error}")
            is_open = False
        if not is_open:
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        if self._connections.pop(connection.socket, None) is not None:
            if isinstance(connection, RtdeConnection):
                self._dropped_before += connection.dropped
            connection.close()


def _pose_writer(path: str) -> SharedArrayWriter | None:
    return SharedArrayWriter(Path(path), (2, 6), "float64") if path else None
