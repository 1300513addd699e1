"""Mutates messages of any type: one to three fields, or the bytes that travel."""

import array
import copy
import random
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.serialization import serialize_message

ODD_NUMBERS = (
    float("nan"), float("inf"), float("-inf"), 1e30, -1e30, 3e38, -3e38, 1e-40, -0.0, 0.0,
    1.0, -1.0, 2**31, 2**53,
)  # fmt: skip
ODD_TEXTS = (
    "", "\0", "a\0b", "\uffff\ufffe", "\U0001f916" * 50, "../../etc/passwd", "%s%n%x{0}",
    "\x1b[2J\r\n| wait |", "nan", "null", "[" * 2000, '{"a":' * 500, "x" * 70_000,
)  # fmt: skip
WHOLE = re.compile(r"(u?)int(\d+)")
ARRAY = re.compile(r"(.+)\[(\d+)\]")
SEQUENCE = re.compile(r"sequence<(.+?)(, \d+)?>")
HUGE_ONE_IN = 400  # messages of 1 to 10 MB
MAX_HUGE_BYTES = 10_000_000
CDR_HEADER = 4  # bytes in front of a serialised message: its encoding
COUNTS = (0xFFFFFFFF, 0x7FFFFFFF, 0x10000000, 0x00010000, 0)  # of elements, mostly wrong


class Mutator:
    """Draws mutations; the same seed draws the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def chance(self, probability: float) -> bool:
        """Return True that often."""
        return self._random.random() < probability

    def mutated(self, msg: Any) -> Any:
        """Return a copy of a message with one to three of its fields changed."""
        changed = copy.deepcopy(msg)
        if self._random.randrange(HUGE_ONE_IN) == 0 and self._blow_up(changed):
            return changed
        for _ in range(self._random.choice((1, 1, 1, 2, 3))):
            self._change_a_field(changed)
        return changed

    def mutated_bytes(self, msg: Any) -> bytes:
        """Return a message as it travels, with bits flipped, cut short or overwritten."""
        draw, data = self._random, bytearray(serialize_message(msg))
        where = draw.randrange(CDR_HEADER, len(data))
        match draw.randrange(6):
            case 0:
                return bytes(data[:where])
            case 1:
                data[where] ^= 1 << draw.randrange(8)
            case 2:  # what may be the length of a string or sequence
                where -= where % 4
                data[where : where + 4] = struct.pack("<I", draw.choice(COUNTS))
            case 3:
                data[where : where + 8] = b"\xff" * len(data[where : where + 8])
            case 4:
                data[:2] = draw.randbytes(2)
            case _:
                data += draw.randbytes(draw.randrange(1, 64))
        return bytes(data)

    def _change_a_field(self, msg: Any) -> None:
        """Change one field in place, of the message or of one inside it."""
        kinds = msg.get_fields_and_field_types()
        name = self._random.choice(list(kinds))
        value = getattr(msg, name)
        if hasattr(value, "get_fields_and_field_types"):
            self._change_a_field(value)
        else:
            setattr(msg, name, self._changed(value, kinds[name]))

    def _changed(self, value: Any, kind: str) -> Any:
        if found := SEQUENCE.fullmatch(kind):
            return self._sequence(value, found[1])
        if found := ARRAY.fullmatch(kind):
            return self._with_odd_item(value, found[1])
        return self._scalar(value, kind)

    def _scalar(self, value: Any, kind: str) -> Any:
        draw = self._random
        if kind in ("float", "double"):
            return self._number(float(value), kind)
        if kind == "boolean":
            return not value
        if kind == "string":
            return draw.choice((*ODD_TEXTS, value[:-1], value + "x", value[::-1]))
        if kind == "octet":
            return bytes([draw.randrange(256)])
        sign, bits = WHOLE.fullmatch(kind).groups()  # type: ignore[union-attr]
        low, high = (0, 2 ** int(bits)) if sign else (-(2 ** int(bits) // 2), 0)
        high = high or -low
        odd = (low, high - 1, value - 1, value + 1, 0, 1, draw.randrange(low, high))
        flipped = value ^ (1 << draw.randrange(int(bits) - 1))
        return min(max(draw.choice((*odd, flipped)), low), high - 1)

    def _number(self, value: float, kind: str) -> float:
        draw, code = self._random, "d" if kind == "double" else "f"
        if self.chance(0.3):
            data = bytearray(struct.pack(code, value))
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            return float(struct.unpack(code, data)[0])
        odd = (*ODD_NUMBERS, -value, 10.0 * value, 1e308 if code == "d" else 1e38)
        return float(draw.choice(odd))

    def _with_odd_item(self, values: Any, kind: str) -> Any:
        """Return a copy of the same length with one or all items changed."""
        out = copy.copy(values)
        one = self._random.randrange(len(out))
        for index in range(len(out)) if self.chance(0.2) else [one]:
            out[index] = self._scalar(_plain(out[index]), kind)
        return out

    def _sequence(self, values: Any, kind: str) -> Any:
        size = len(values)
        if size and self.chance(0.4):
            return self._with_odd_item(values, kind)
        length = self._random.choice((0, 1, max(0, size - 1), size + 1, 10 * size))
        if kind == "string":
            return _of_length(list(values), length, "joint", list)
        return _of_length(values, length, type(values[0])() if size else 0, copy.copy)

    def _blow_up(self, msg: Any) -> bool:
        """Make one field 1 to 10 MB large; return whether it has one that grows."""
        kinds = msg.get_fields_and_field_types()
        names = [n for n, k in kinds.items() if k == "string" or SEQUENCE.fullmatch(k)]
        if not names:
            return False
        name, size = self._random.choice(names), self._random.randrange(1, 11) * 1_000_000
        value = getattr(msg, name)
        if isinstance(value, str):
            setattr(msg, name, "y" * size)
        elif isinstance(value, array.array):
            bytes_ = array.array(value.typecode)
            bytes_.frombytes(bytes(size - size % value.itemsize))
            setattr(msg, name, bytes_)
        else:
            setattr(msg, name, ["z" * 100] * (size // 100))
        return True


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _of_length(values: Any, length: int, filler: Any, new: Callable[[Any], Any]) -> Any:
    out = new(values)
    if length <= len(out):
        return out[:length]
    repeated = out * (length // len(out) + 1) if len(out) else out
    if len(repeated) >= length:
        return repeated[:length]
    for _ in range(length - len(repeated)):
        repeated.append(filler)
    return repeated
