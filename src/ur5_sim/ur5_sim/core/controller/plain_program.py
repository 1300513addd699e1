"""Programs of simple statements: lines sent to the script port, and custom scripts.

The port is silent: a client that waits for the state stream of a real controller there,
as SenseAct's does, gets none.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ur5_sim.core.controller.program import MAIN, Program, ProgramError, Routine
from ur5_sim.core.controller.registers import NUM_REGISTERS
from ur5_sim.core.controller.script_text import Script, Statement, statement
from ur5_sim.core.motion import STILL, Motion, MoveMotion, ServoMotion, SpeedMotion

if TYPE_CHECKING:
    from ur5_sim.core.controller.robot import VirtualRobot

IGNORED = ("textmsg", "sync", "popup")
INT32 = (-(2**31), 2**31 - 1)


def motion_of(step: Statement) -> Motion:
    """Return the motion that a statement asks for.

    Raises:
        ValueError: it is none, or its arguments are wrong.
    """
    if step.name == "movej":
        q = step.joints(0, "q")
        return MoveMotion(q, step.number(2, "v", 1.05), step.number(1, "a", 1.4))
    if step.name == "speedj":
        return SpeedMotion(step.joints(0, "qd"), step.number(1, "a", 1.4))
    if step.name == "stopj":
        return SpeedMotion(STILL, step.number(0, "a"))
    if step.name == "servoj":
        return ServoMotion(step.joints(0, "q"), step.number(4, "lookahead_time", 0.1))
    raise ValueError(f"the statement {step.name}() is not simulated")


class PlainProgram(Program):
    """Runs statements one after the other, then ends."""

    def __init__(self, robot: "VirtualRobot", script: Script) -> None:
        """Read all statements.

        Raises:
            ValueError: one of them cannot be run.
        """
        super().__init__(robot)
        self.name = script.name
        self._actions: dict[str, Callable[[], None]] = {
            **dict.fromkeys(IGNORED, lambda: None),
            "protective_stop": self._protective_stop,
            "halt": self._halt,
        }
        texts = [line.split("#")[0] for line in script.lines]
        self._steps = [self._step(statement(text)) for text in texts if text.strip()]

    def main(self) -> Routine:
        for step in self._steps:
            yield from step

    def _step(self, step: Statement) -> Routine:
        """Return what a statement does once it is its turn; its arguments are checked."""
        robot = self.robot
        if step.name == "sleep":
            return _sleep(robot.plant.cycles(step.number(0, "t")))
        if step.name == "write_output_integer_register":
            return self._write(robot.outputs.ints, step, step.integer(1, "value", *INT32))
        if step.name == "write_output_float_register":
            return self._write(robot.outputs.doubles, step, step.number(1, "value"))
        if step.name in self._actions:
            return _once(self._actions[step.name])
        return self.follow(MAIN, motion_of(step), self._cycles(step))

    def _write(self, registers: list[Any], step: Statement, value: float) -> Routine:
        register = step.integer(0, "register", 0, NUM_REGISTERS - 1)
        return _once(lambda: registers.__setitem__(register, value))

    def _cycles(self, step: Statement) -> int:
        """Return how long a statement lasts that gives a time, in control cycles."""
        place = {"speedj": 2, "servoj": 3}.get(step.name)
        if place is None:
            return 0
        duration_s = step.number(place, "t", 0.002 if step.name == "servoj" else 0.0)
        return max(1, self.robot.plant.cycles(duration_s)) if duration_s else 0

    def _protective_stop(self) -> None:
        self.robot.protective_stop("protective_stop() of the program")

    def _halt(self) -> None:
        raise ProgramError("halt")


def _once(action: Callable[[], None]) -> Routine:
    action()
    yield from ()


def _sleep(cycles: int) -> Routine:
    for _ in range(cycles):
        yield
