"""Frames of RTDE (Real-Time Data Exchange), protocol version 2, and its data types.

Big-endian. A frame is a size (2 bytes, these included), a type (1 byte) and a payload.
"""

import struct
from enum import IntEnum

HEADER = struct.Struct(">HB")
PROTOCOL_VERSION = 2
LARGEST_FRAME = 65535

# Name in the recipe reply -> struct code.
TYPE_CODES = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT32": "I",
    "UINT64": "Q",
    "INT32": "i",
    "DOUBLE": "d",
    "VECTOR3D": "3d",
    "VECTOR6D": "6d",
    "VECTOR6INT32": "6i",
    "VECTOR6UINT32": "6I",
}


class FrameType(IntEnum):
    """Frame types: the letters that the protocol uses."""

    REQUEST_PROTOCOL_VERSION = ord("V")
    GET_URCONTROL_VERSION = ord("v")
    TEXT_MESSAGE = ord("M")
    DATA_PACKAGE = ord("U")
    SETUP_OUTPUTS = ord("O")
    SETUP_INPUTS = ord("I")
    START = ord("S")
    PAUSE = ord("P")


class ProtocolError(ValueError):
    """A client sent what the protocol does not know: its connection is closed."""


def frame(kind: FrameType, payload: bytes = b"") -> bytes:
    """Return one frame as bytes."""
    return HEADER.pack(HEADER.size + len(payload), kind) + payload


class FrameReader:
    """Cuts a byte stream into frames, however the network has chopped it."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[FrameType, bytes]]:
        """Return type and payload of each frame that `data` completes.

        Raises:
            ProtocolError: a size or a type cannot be right.
        """
        buffer = self._buffer
        buffer += data
        frames = []
        start = 0
        while len(buffer) - start >= HEADER.size:
            size, kind = HEADER.unpack_from(buffer, start)
            if size < HEADER.size:
                raise ProtocolError(f"frame of {size} bytes; the header alone has 3")
            if len(buffer) - start < size:
                break
            payload = bytes(buffer[start + HEADER.size : start + size])
            frames.append((_known(kind), payload))
            start += size
        del buffer[:start]
        return frames


def _known(kind: int) -> FrameType:
    try:
        return FrameType(kind)
    except ValueError:
        raise ProtocolError(f"frame type {kind} is unknown") from None
