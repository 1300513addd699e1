"""URScript as text: programs out of a byte stream, and their simple statements.

Not an interpreter: the control script of ur_rtde is recognised and run natively
(`control_script.py`), other programs may use the statements of `plain_program.py`.
"""

import ast
import re
import sys
from dataclasses import dataclass
from typing import TypeGuard

CONTROL_SCRIPT_MARK = "# int register offset"
MOVE_PATH_MARK = "# inject move path"
REGISTER_OFFSETS = (0, 24)
MAX_TEXT = 1_000_000  # bytes without an end: not a script
# What Python's parser raises for text that is none, or is nested too deep.
NO_STATEMENT = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)


@dataclass(frozen=True)
class Script:
    """A program as sent: its name and the lines between `def` or `sec` and `end`."""

    name: str
    lines: tuple[str, ...]
    is_secondary: bool = False

    @property
    def is_control_script(self) -> bool:
        """Whether this is the script that ur_rtde uploads."""
        return any(CONTROL_SCRIPT_MARK in line for line in self.lines)

    @property
    def register_offset(self) -> int:
        """First register that the control script uses.

        Raises:
            ValueError: it is none of `REGISTER_OFFSETS`.
        """
        after_mark = self._lines_after(CONTROL_SCRIPT_MARK)
        number = re.match(r"\s*(\d+)", after_mark[0] if after_mark else "")
        offset = int(number.group(1)) if number else 0
        if offset not in REGISTER_OFFSETS:
            raise ValueError(
                f"register offset must be one of {REGISTER_OFFSETS}, got {offset}"
            )
        return offset

    @property
    def move_path(self) -> tuple["Statement", ...]:
        """The moves that a client has written into the control script."""
        statements = []
        for line in self._lines_after(MOVE_PATH_MARK):
            if line.strip() == "end":
                break
            if line.strip():
                statements.append(statement(line))
        return tuple(statements)

    def _lines_after(self, mark: str) -> tuple[str, ...]:
        for number, line in enumerate(self.lines):
            if mark in line:
                return self.lines[number + 1 :]
        return ()


@dataclass(frozen=True)
class Statement:
    """One call: `name(positional..., key=value...)` with numbers and lists only."""

    name: str
    positional: tuple[object, ...]
    named: dict[str, object]

    def argument(self, index: int, name: str, default: object = None) -> object:
        """Return an argument given by place or by name.

        Raises:
            ValueError: it is missing and has no default.
        """
        if index < len(self.positional):
            return self.positional[index]
        value = self.named.get(name, default)
        if value is None:
            raise ValueError(f"{self.name}: argument {name} is missing")
        return value

    def number(self, index: int, name: str, default: float | None = None) -> float:
        """Return an argument that is a finite number; a ValueError says what it is."""
        value = self.argument(index, name, default)
        if not _is_finite(value):
            raise self._refusal(name, "a finite number", value)
        return float(value)

    def integer(self, index: int, name: str, low: int, high: int) -> int:
        """Return an argument that is a whole number in [low, high]."""
        value = self.argument(index, name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or not low <= value <= high
        ):
            raise self._refusal(name, f"a whole number in {low}..{high}", value)
        return value

    def joints(self, index: int, name: str) -> tuple[float, ...]:
        """Return an argument that is a list of six finite numbers."""
        value = self.argument(index, name)
        if not (
            isinstance(value, list) and len(value) == 6 and all(map(_is_finite, value))
        ):
            raise self._refusal(name, "a list of 6 finite numbers", value)
        return tuple(map(float, value))

    def _refusal(self, name: str, what: str, value: object) -> ValueError:
        return ValueError(f"{self.name}: {name} must be {what}, got {value!r:.100}")


def _is_finite(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def statement(line: str) -> Statement:
    """Read one line of a script.

    Raises:
        ValueError: it is more than a call with constant arguments.
    """
    try:
        call = ast.parse(line.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise ValueError
        return Statement(
            call.func.id,
            tuple(_constant(argument) for argument in call.args),
            {str(k.arg): _constant(k.value) for k in call.keywords},
        )
    except NO_STATEMENT:
        raise ValueError(f"cannot run the script line '{line.strip():.100}'") from None


def _constant(node: ast.expr) -> object:
    """Return a number, string, truth value, list or sum of numbers."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return ast.literal_eval(node.left) + ast.literal_eval(node.right)
    if isinstance(node, ast.Name) and node.id in ("True", "False"):
        return node.id == "True"
    return ast.literal_eval(node)


class ScriptReader:
    """Cuts what arrives on a script port into programs."""

    def __init__(self) -> None:
        self._rest = ""
        self._name = ""
        self._is_secondary = False
        self._lines: list[str] = []

    def feed(self, data: bytes) -> list[Script]:
        """Return each program that `data` completes.

        A `def` or `sec` ends with `end` in the first column; a line outside is a program
        itself.

        Raises:
            ValueError: there is no end in sight.
        """
        *lines, self._rest = (self._rest + data.decode("utf-8", "replace")).split("\n")
        scripts = [script for line in lines if (script := self._line(line.rstrip("\r")))]
        if len(self._rest) + sum(map(len, self._lines)) > MAX_TEXT:
            raise ValueError(f"a script of more than {MAX_TEXT} bytes")
        return scripts

    def _line(self, line: str) -> Script | None:
        if self._name:
            if line.rstrip() != "end":
                self._lines.append(line)
                return None
            script = Script(self._name, tuple(self._lines), self._is_secondary)
            self._name, self._lines = "", []
            return script
        if line.startswith(("def ", "sec ")) and line.rstrip().endswith(":"):
            self._name = line[4:].split("(", maxsplit=1)[0].strip()
            self._is_secondary = line.startswith("sec ")
            return None
        return Script("line", (line,)) if line.strip() else None
