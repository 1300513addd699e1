"""URScript as text: programs out of a byte stream, and their simple statements.

Not an interpreter: the control script of ur_rtde is recognised and run natively
(`control_script.py`), other programs may use the statements of `plain_program.py`.
"""

import ast
import re
from dataclasses import dataclass

CONTROL_SCRIPT_MARK = "# int register offset"
MOVE_PATH_MARK = "# inject move path"
MAX_TEXT = 1_000_000  # bytes without an end: not a script


@dataclass(frozen=True)
class Script:
    """A program as sent: its name and the lines between `def` and `end`."""

    name: str
    lines: tuple[str, ...]

    @property
    def is_control_script(self) -> bool:
        """Whether this is the script that ur_rtde uploads."""
        return any(CONTROL_SCRIPT_MARK in line for line in self.lines)

    @property
    def register_offset(self) -> int:
        """First register that the control script uses, 0 or 24."""
        after_mark = self._lines_after(CONTROL_SCRIPT_MARK)
        number = re.match(r"\s*(\d+)", after_mark[0] if after_mark else "")
        return int(number.group(1)) if number else 0

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
    except (SyntaxError, ValueError):
        raise ValueError(f"cannot run the script line '{line.strip()}'") from None


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
        self._lines: list[str] = []

    def feed(self, data: bytes) -> list[Script]:
        """Return each program that `data` completes.

        A `def` ends with `end` in the first column; a line outside is a program itself.

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
            script = Script(self._name, tuple(self._lines))
            self._name, self._lines = "", []
            return script
        if line.startswith("def ") and line.rstrip().endswith(":"):
            self._name = line[4:].split("(", maxsplit=1)[0].strip()
            return None
        return Script("line", (line,)) if line.strip() else None
