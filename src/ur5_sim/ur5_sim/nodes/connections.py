"""One client each: bytes in, bytes out, never waiting for either."""

import itertools
import socket
from collections.abc import Callable
from contextlib import suppress

from ur5_sim.core.controller.dashboard import GREETING, QUIT
from ur5_sim.core.controller.robot import VirtualRobot
from ur5_sim.core.controller.script_text import ScriptReader
from ur5_sim.core.controller.session import RtdeSession

CHUNK = 65536
MAX_LINE = 65536
MAX_UNSENT = 1 << 20  # bytes of replies that a client may leave unread


class Connection:
    """A non-blocking socket with what could not be sent yet.

    Attributes:
        is_public: Whether link faults apply (the side door's own do not).
        dropped: Packages not sent because the client did not keep up.
    """

    is_public = True

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self.dropped = 0
        self._unsent = b""

    def receive(self) -> bool:
        """Take in what has arrived; return whether the client is still there.

        Raises:
            OSError: the connection broke.
            ValueError: the client sent what cannot be right.
        """
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError:
            return True
        return bool(data) and self.take(data)

    def take(self, data: bytes) -> bool:
        """Do what the client asks; return whether the connection stays open."""
        raise NotImplementedError

    def reply(self, data: bytes) -> None:
        """Send an answer: it may wait, but it is never dropped.

        Raises:
            OSError: the connection broke, or the client reads nothing at all.
        """
        self._unsent += data
        if len(self._unsent) > MAX_UNSENT:
            raise OSError("the client does not read")
        self._flush()

    def offer(self, package: bytes) -> None:
        """Send a package that is worth nothing later: whole and now, or not at all.

        Raises:
            OSError: the connection broke.
        """
        self._flush()
        if self._unsent:
            self.dropped += 1
            return
        self._unsent = package
        self._flush()
        if self._unsent == package:  # not one byte went out
            self._unsent = b""
            self.dropped += 1

    def close(self) -> None:
        self.socket.close()

    def _flush(self) -> None:
        if self._unsent:
            with suppress(BlockingIOError):
                self._unsent = self._unsent[self.socket.send(self._unsent) :]


class RtdeConnection(Connection):
    """A client of port 30004."""

    _ids = itertools.count(1)

    def __init__(self, client: socket.socket, robot: VirtualRobot) -> None:
        super().__init__(client)
        self.session = RtdeSession(robot, next(self._ids))

    def take(self, data: bytes) -> bool:
        self.reply(self.session.feed(data))
        return True

    def close(self) -> None:
        self.session.close()
        super().close()


class ScriptConnection(Connection):
    """A client of port 30003: sends programs and is told nothing."""

    def __init__(self, client: socket.socket, robot: VirtualRobot) -> None:
        super().__init__(client)
        self._robot = robot
        self._reader = ScriptReader()

    def take(self, data: bytes) -> bool:
        for script in self._reader.feed(data):
            self._robot.load(script)
        return True


class LineConnection(Connection):
    """A client of the dashboard or of the side door."""

    def __init__(
        self, client: socket.socket, answer: Callable[[str], str], *, greets: bool = False
    ) -> None:
        super().__init__(client)
        self.is_public = greets
        self._answer = answer
        self._rest = b""
        if greets:
            self.reply(f"{GREETING}\n".encode())

    def take(self, data: bytes) -> bool:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise ValueError(f"a line of more than {MAX_LINE} bytes")
        for line in lines:
            answer = self._answer(line.decode("utf-8", "replace"))
            self.reply(f"{answer}\n".encode())
            if answer == QUIT:
                return False
        return True
