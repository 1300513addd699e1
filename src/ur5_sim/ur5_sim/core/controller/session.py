"""One RTDE client: handshake, recipes, packages in both directions. No sockets here."""

import struct
from collections.abc import Callable

from ur5_sim.core.controller.fields import InputRecipe, OutputRecipe, output_field
from ur5_sim.core.controller.frames import (
    PROTOCOL_VERSION,
    FrameReader,
    FrameType,
    ProtocolError,
    frame,
)
from ur5_sim.core.controller.robot import VirtualRobot

MAX_NAME_LIST = 2048  # bytes
OUTPUT_RECIPE_ID = 1
ACCEPTED, REFUSED = b"\x01", b"\x00"


class RtdeSession:
    """State of one connection on port 30004.

    Attributes:
        is_started: Whether the client wants data packages.
        ignored_packages: Data packages whose recipe or size was wrong.
    """

    def __init__(self, robot: VirtualRobot, session_id: int) -> None:
        self.is_started = False
        self.ignored_packages = 0
        self._robot = robot
        self._id = session_id
        self._reader = FrameReader()
        self._output: OutputRecipe | None = None
        self._divider = 1
        self._inputs: dict[int, InputRecipe] = {}
        self._requests: dict[FrameType, Callable[[bytes], bytes]] = {
            FrameType.REQUEST_PROTOCOL_VERSION: self._protocol_version,
            FrameType.GET_URCONTROL_VERSION: self._control_version,
            FrameType.SETUP_OUTPUTS: self._setup_outputs,
            FrameType.SETUP_INPUTS: self._setup_inputs,
            FrameType.START: self._start,
            FrameType.PAUSE: self._pause,
        }

    def feed(self, data: bytes) -> bytes:
        """Take in what the client sent; return what it is answered, frame by frame.

        Raises:
            ProtocolError: the client breaks the protocol and must be dropped.
        """
        return b"".join(
            self._answer(kind, body) for kind, body in self._reader.feed(data)
        )

    def close(self) -> None:
        """Give the client's variables back."""
        self.is_started = False
        self._robot.inputs.release(self._id)

    def package(self) -> bytes | None:
        """Return the data package of this control cycle, if the client gets one."""
        if (
            self.is_started
            and self._robot.plant.cycle % self._divider == 0
            and self._output
        ):
            return self._output.frame(self._robot)
        return None

    def _answer(self, kind: FrameType, body: bytes) -> bytes:
        if kind is FrameType.DATA_PACKAGE:
            self._take_package(body)
            return b""
        if kind is FrameType.TEXT_MESSAGE:
            return b""
        return frame(kind, self._requests[kind](body))

    def _start(self, _body: bytes) -> bytes:
        self.is_started = self._output is not None
        return ACCEPTED if self.is_started else REFUSED

    def _pause(self, _body: bytes) -> bytes:
        self.is_started = False
        return ACCEPTED

    def _control_version(self, _body: bytes) -> bytes:
        return struct.pack(">4I", *self._robot.identity.version)

    @staticmethod
    def _protocol_version(body: bytes) -> bytes:
        if len(body) != 2:
            raise ProtocolError(f"a protocol version has 2 bytes, got {len(body)}")
        (version,) = struct.unpack(">H", body)
        return ACCEPTED if version == PROTOCOL_VERSION else REFUSED

    def _setup_outputs(self, body: bytes) -> bytes:
        if len(body) < 8:
            raise ProtocolError("an output recipe begins with a frequency of 8 bytes")
        (frequency_hz,) = struct.unpack_from(">d", body)
        names = _names(body[8:])
        identity = self._robot.identity
        fields = [output_field(name, identity) for name in names]
        types = ["NOT_FOUND" if field is None else field.kind for field in fields]
        is_possible = 1.0 <= frequency_hz <= identity.frequency_hz
        known = [field for field in fields if field is not None]
        if len(known) < len(fields) or not (is_possible and known):
            self._output = None
            return _recipe_reply(0, types)
        self._divider = int(identity.frequency_hz / frequency_hz)
        self._output = OutputRecipe(OUTPUT_RECIPE_ID, known)
        return _recipe_reply(OUTPUT_RECIPE_ID, types)

    def _setup_inputs(self, body: bytes) -> bytes:
        names = _names(body)
        types = self._robot.inputs.claim(self._id, names)
        if {"IN_USE", "NOT_FOUND"} & set(types) or not names:
            return _recipe_reply(0, types)
        recipe_id = len(self._inputs) + 1
        self._inputs[recipe_id] = InputRecipe(names)
        return _recipe_reply(recipe_id, types)

    def _take_package(self, body: bytes) -> None:
        recipe = self._inputs.get(body[0]) if body else None
        values = recipe.values(body[1:]) if recipe else None
        if values is None:
            self.ignored_packages += 1
        else:
            self._robot.inputs.write(values)


def _names(body: bytes) -> list[str]:
    """Read a comma list; clients like to end it with a comma."""
    if len(body) > MAX_NAME_LIST:
        raise ProtocolError(
            f"a name list of {len(body)} bytes, more than {MAX_NAME_LIST}"
        )
    return [name for name in body.decode("ascii", "replace").split(",") if name]


def _recipe_reply(recipe_id: int, types: list[str]) -> bytes:
    return bytes([recipe_id]) + ",".join(types).encode()
