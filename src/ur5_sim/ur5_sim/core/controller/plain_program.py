"""Programs of simple statements: what SenseAct-style clients and custom scripts send."""

from typing import TYPE_CHECKING, Any

from ur5_sim.core.controller.program import MAIN, Program, ProgramError, Routine
from ur5_sim.core.controller.script_text import Script, Statement, statement
from ur5_sim.core.motion import STILL, Motion, MoveMotion, ServoMotion, SpeedMotion

if TYPE_CHECKING:
    from ur5_sim.core.controller.robot import VirtualRobot

IGNORED = ("textmsg", "sync", "popup")


def motion_of(step: Statement) -> Motion:
    """Return the motion that a statement asks for.

    Raises:
        ValueError: it is none, or its arguments are wrong.
    """
    take: Any = step.argument
    if step.name == "movej":
        return MoveMotion(take(0, "q"), take(2, "v", 1.05), take(1, "a", 1.4))
    if step.name == "speedj":
        return SpeedMotion(take(0, "qd"), take(1, "a", 1.4))
    if step.name == "stopj":
        return SpeedMotion(STILL, take(0, "a"))
    if step.name == "servoj":
        return ServoMotion(take(0, "q"), take(4, "lookahead_time", 0.1))
    raise ValueError(f"the statement {step.name}() is not simulated")


class PlainProgram(Program):
    """Runs statements one after the other, then ends."""

    def __init__(self, robot: "VirtualRobot", script: Script) -> None:
        super().__init__(robot)
        self.name = script.name
        self._lines = script.lines

    def main(self) -> Routine:
        for line in self._lines:
            text = line.split("#")[0]
            if text.strip():
                yield from self._run(statement(text))

    def _run(self, step: Statement) -> Routine:
        take: Any = step.argument
        if step.name in IGNORED:
            return
        if step.name == "sleep":
            for _ in range(self.robot.plant.cycles(take(0, "t"))):
                yield
        elif step.name == "protective_stop":
            self.robot.protective_stop("protective_stop() of the program")
        elif step.name == "write_output_integer_register":
            self.robot.outputs.ints[take(0, "register")] = take(1, "value")
        elif step.name == "write_output_float_register":
            self.robot.outputs.doubles[take(0, "register")] = take(1, "value")
        elif step.name == "halt":
            raise ProgramError("halt")
        else:
            yield from self.follow(MAIN, motion_of(step), self._cycles(step))

    def _cycles(self, step: Statement) -> int:
        """Return how long a statement lasts that gives a time, in control cycles."""
        place = {"speedj": 2, "servoj": 3}.get(step.name)
        if place is None:
            return 0
        take: Any = step.argument
        duration_s = take(place, "t", 0.002 if step.name == "servoj" else 0.0)
        return max(1, self.robot.plant.cycles(duration_s)) if duration_s else 0
