"""Damages files: their bytes, their JSON or safetensors structure, or what lies there."""

import hashlib
import json
import math
import os
import pickle
import random
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from sac_learner.core.segment_file import HEADER, MAGIC
from ur5_rl_ros.shared_array import HEADER as ARRAY_HEADER
from ur5_rl_ros.shared_array import NUMBER

ODD_VALUES = (
    None, True, -1, 2**31, 2**64, -(2**63), 10**400, 1.5, float("nan"), float("inf"), "",
    "\0", "x" * 100_000, [], [0], {}, {"a": 1}, [[[[]]]], "../../etc/passwd",
)  # fmt: skip
CODES = (
    b"|O", b"|V8", b"<U2", b"<c16", b"<M8[ns]", b"f8,f8", b"(2,3)f8", b"f8,,(", b"<f4",
    b">f8", b"<f16", b"|b1", b"<u1", b"", b"\xff\xfe", b"{",
)  # fmt: skip
SHAPES = (
    (2, 6, 0, 0), (6, 2, 0, 0), (12, 0, 0, 0), (0, 0, 0, 0), (2, 0, 6, 0), (-2, -6, 0, 0),
    (2**40, 2**40, 0, 0), (2**13, 2**13, 4, 0), (10**6, 10**3, 4, 0), (2, 6, 1, 1),
    (2**63 - 1, 2, 0, 0), (60, 80, 3, 0), (1, 1, 4, 0),
)  # fmt: skip
LENGTH = struct.Struct("<Q")  # of a safetensors header, in front of it
CHANGING = "changing while it is read"


class Canary:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mknod, (self._path,)


class Damager:
    """Draws damage; the same generator draws the same.

    Args:
        draw: Random numbers.
        canary: A file that executed code would create.
    """

    def __init__(self, draw: random.Random, canary: Path) -> None:
        self._draw, self._canary = draw, canary

    def damage(self, path: Path) -> str:
        """Do something to the file; return what."""
        ways = [self.flip, self.cut, self.zero, self.overwrite, self.extend]
        ways += [self.replace_by_junk, self.replace_by_pickle, self.put_in_its_place]
        ways += [self.make_endless]
        if path.suffix == ".json":
            ways += 4 * [self.change_json]
        elif path.suffix == ".safetensors":
            ways += 4 * [self.change_header]
        elif path.suffix == ".steps":
            ways += 4 * [self.forge_record]
        elif path.suffix == ".yaml":
            ways += 6 * [self.change_yaml]
        elif path.suffix == ".array":
            ways += 4 * [self.forge_array] + 3 * [self.keep_changing]
        return self._draw.choice(ways)(path)

    # Bytes.

    def flip(self, path: Path) -> str:
        data, draw = bytearray(path.read_bytes()), self._draw
        for _ in range(draw.choice((1, 1, 2, 8))):
            where = draw.randrange(min(len(data), draw.choice((64, 4096, len(data)))))
            data[where] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        return "bits flipped"

    def cut(self, path: Path) -> str:
        size = path.stat().st_size
        os.truncate(path, self._draw.choice((0, 1, size - 1, self._draw.randrange(size))))
        return "cut short"

    def zero(self, path: Path) -> str:
        return self._fill(path, b"\0")

    def overwrite(self, path: Path) -> str:
        return self._fill(path, b"\xff")

    def _fill(self, path: Path, byte: bytes) -> str:
        data, draw = bytearray(path.read_bytes()), self._draw
        begin = draw.choice((0, draw.randrange(len(data))))
        end = min(len(data), begin + draw.choice((4, 8, 512, len(data))))
        data[begin:end] = byte * (end - begin)
        path.write_bytes(data)
        return f"filled with {byte!r}"

    def extend(self, path: Path) -> str:
        with open(path, "ab") as file:
            file.write(self._draw.randbytes(self._draw.randrange(1, 2000)))
        return "made longer"

    def make_endless(self, path: Path) -> str:
        """Let it hold far more zeros than fit into memory; none lies on disk."""
        os.truncate(path, 10**13)
        return "made 10 TB long"

    def replace_by_junk(self, path: Path) -> str:
        path.write_bytes(self._draw.randbytes(self._draw.randrange(5000)))
        return "replaced by noise"

    def replace_by_pickle(self, path: Path) -> str:
        path.write_bytes(pickle.dumps(Canary(self._canary), self._draw.randrange(6)))
        return "replaced by a pickle"

    # What lies there.

    def put_in_its_place(self, path: Path) -> str:
        """Put something else than a file of its own in its place."""
        siblings = sorted(p for p in path.parent.iterdir() if p != path and p.is_file())
        what = self._draw.choice(("nothing", "folder", "pipe", "device", "loop", "swap"))
        other = self._draw.choice(siblings) if siblings else None
        if what == "swap" and other is not None:
            data, others = path.read_bytes(), other.read_bytes()
            path.write_bytes(others)
            other.write_bytes(data)
            return "swapped with another file"
        path.unlink()
        match what:
            case "folder":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
            case "device":
                path.symlink_to("/dev/zero")
            case "loop":
                path.symlink_to(path)
            case _:
                what = "nothing"
        return f"{what} in its place"

    # Structure.

    def change_json(self, path: Path) -> str:
        draw, document = self._draw, json.loads(path.read_bytes())
        match draw.randrange(5):
            case 0:
                depth = draw.choice((100, 5000, 200_000))
                path.write_text('{"a":' * depth + "1" + "}" * depth)
                return "deeply nested"
            case 1:
                text = json.dumps(document)
                path.write_text(text[:-1] + "," + text[1:])
                return "every key twice"
            case 2:
                parent, key = self._place(document)
                del parent[key]
                path.write_text(json.dumps(document))
                return "a value missing"
            case _:
                parent, key = self._place(document)
                parent[key] = draw.choice(ODD_VALUES)
                path.write_text(json.dumps(document))
                return f"a value is {str(parent[key])[:20]!r}"

    def _place(self, document: Any) -> tuple[Any, Any]:
        """Return a container in the document and a key or index of it."""
        while True:
            keys = list(document) if isinstance(document, dict) else range(len(document))
            key = self._draw.choice(list(keys))
            inner = document[key]
            if not (
                isinstance(inner, dict | list) and inner and self._draw.random() < 0.7
            ):
                return document, key
            document = inner

    def change_header(self, path: Path) -> str:
        draw, data = self._draw, path.read_bytes()
        (length,) = LENGTH.unpack_from(data)
        text, payload = data[8 : 8 + length], data[8 + length :]
        if draw.random() < 0.3:
            length = draw.choice((0, length - 1, length + 1, 2**31, 2**63, 2**64 - 1))
            path.write_bytes(LENGTH.pack(length) + text + payload)
            return f"header of {length} bytes"
        header = json.loads(text)
        entry = header[draw.choice([name for name in header if name != "__metadata__"])]
        match draw.randrange(4):
            case 0:
                entry["shape"] = draw.choice(
                    ([2**40, 2**40], [-1], [0], [], ["a"], [1e9])
                )
            case 1:
                entry["dtype"] = draw.choice(("F64", "O", "U8", "BF16", "", 7, "F4"))
            case 2:
                end = len(payload)
                bad = ([0, end], [end, 0], [-4, 4], [0, 2**62], [end, end + 4], [0])
                entry["data_offsets"] = draw.choice(bad)
            case _:
                header["x" * draw.choice((1, 10**6))] = draw.choice(({}, [], dict(entry)))
        text = json.dumps(header).encode()
        path.write_bytes(LENGTH.pack(len(text)) + text + payload)
        return "header changed"

    def forge_record(self, path: Path) -> str:
        """Change the first record's arrays under a checksum that is right for them."""
        draw, data = self._draw, path.read_bytes()
        _, length, _ = HEADER.unpack_from(data)
        arrays = load(data[HEADER.size : HEADER.size + length])
        name = draw.choice(sorted(arrays))
        array = arrays[name]
        match draw.randrange(5):
            case 0:
                del arrays[name]
            case 1:
                arrays[name] = array[: len(array) // 2]
            case 2:
                arrays[name] = array.astype(draw.choice(("f8", "i8", "u1", "f4")))
            case 3:
                arrays[name] = np.repeat(array[np.newaxis], 3, axis=0)
            case _:
                raw = np.frombuffer(draw.randbytes(array.nbytes), array.dtype)
                arrays[name] = raw.reshape(array.shape)
        payload = save(arrays)
        head = HEADER.pack(MAGIC, len(payload), hashlib.sha256(payload).digest())
        path.write_bytes(head + payload + data[HEADER.size + length :])
        return f"array {name} forged"

    def forge_array(self, path: Path) -> str:
        """Write another header; half of the time the file is as long as it says."""
        draw, data = self._draw, path.read_bytes()
        magic, code, writes, steady_ns, *shape = ARRAY_HEADER.unpack_from(data)
        match draw.randrange(4):
            case 0:
                code = draw.choice(CODES)
            case 1:
                shape = draw.choice(SHAPES)
            case 2:
                writes = draw.choice((0, 1, -1, 2**63 - 1, -(2**63)))
            case _:
                steady_ns = draw.choice((0, -1, 2**63 - 1, -(2**63)))
        head = ARRAY_HEADER.pack(magic, code, writes, steady_ns, *shape)
        path.write_bytes(head + data[len(head) :])
        size = math.prod(d for d in shape if d) * draw.choice((1, 4, 8, 16))
        if draw.random() < 0.5 and 0 < size < 10**13:
            end = len(head) + size + -size % NUMBER.size
            os.truncate(path, end)
            with open(path, "ab") as file:
                file.write(NUMBER.pack(writes))
        return f"header forged: {code!r} {tuple(shape)}, {writes}, {steady_ns} ns"

    def keep_changing(self, path: Path) -> str:  # noqa: ARG002  see `unrest`
        """Leave it as it is: it will change while it is read."""
        return CHANGING

    def change_yaml(self, path: Path) -> str:
        draw, lines = self._draw, path.read_text().splitlines()
        row = draw.randrange(len(lines))
        key = lines[row].partition(":")[0]
        evil = f'!!python/object/apply:os.mknod ["{self._canary}"]'
        values = (
            evil, "!!python/name:os.system", "!!binary aGk=", "!!set {a, b}",
            "2026-01-01", "9" * 400, "1e999", ".nan", "-.inf", "0x7fffffffffffffffffff",
            "[1, a, {}]", "{a: {b: c}}", "'" + "x" * 100_000 + "'", "null", "yes",
            "[" * 3000, "*nobody", "&a [*a]", "- - -", "\t", "%TAG ! tag:evil",
            "!!int 'x'", "!!float abc", "!!timestamp x", "? [1, 2]\n: 3", "<<: *a",
            "12:30:45", "0o7", "''",
        )  # fmt: skip
        if draw.random() < 0.15:
            names = "abcdefghijklm"
            floors = (
                f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]"
                for below, name in pairwise(names)
            )
            path.write_text("\n".join(['a: &a ["lol"]', *floors, *lines]))
            return "a bomb of aliases"
        if draw.random() < 0.2:
            lines[row] = f"{key}_{draw.randrange(9)}:{lines[row].partition(':')[2]}"
        else:
            lines[row] = f"{key}: {draw.choice(values)}"
        path.write_text("\n".join(lines) + "\n")
        return f"line {lines[row].strip()[:40]!r}"
