"""Programs of the controller as coroutines: one `yield` is one control cycle.

A program has a main thread and may start more, as URScript does. Only one of them may
command motion at a time: a second one ends the program with the controller's own error.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING

from ur5_sim.core.motion import Motion

if TYPE_CHECKING:
    from ur5_sim.core.controller.robot import VirtualRobot

Routine = Generator[None, None, None]

MAIN = "main"


class ProgramError(RuntimeError):
    """A program did what the controller refuses: it ends, the arm comes to rest."""


class Program:
    """One running program. Subclasses write `main`; `robot` is what it controls."""

    name = "program"

    def __init__(self, robot: "VirtualRobot") -> None:
        self.robot = robot
        self._threads: dict[str, Routine] = {}
        self._mover = ""  # the thread that commands motion now
        self._motion: Motion | None = None

    def main(self) -> Routine:
        """Do what the program does, one cycle per `yield`."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin; `step` then runs the first cycle."""
        self._threads[MAIN] = self.main()

    def step(self) -> bool:
        """Run all threads for one control cycle; return whether the program goes on.

        Raises:
            ProgramError: it did something that ends it.
        """
        for name in list(self._threads):
            self._advance(name)
        return MAIN in self._threads

    def close(self) -> None:
        """End all threads where they are."""
        for name in list(self._threads):
            self.kill(name)

    def resume_motion(self) -> None:
        """Take up the motion that a pause has interrupted."""
        if self._motion is not None:
            self.robot.plant.resume(self._motion)

    def run(self, name: str, routine: Routine) -> None:
        """Start a thread; its first cycle is this one."""
        self._threads[name] = routine
        self._advance(name)

    def kill(self, name: str) -> bool:
        """End a thread where it is; return whether there was one."""
        routine = self._threads.pop(name, None)
        if routine is not None:
            routine.close()
        return routine is not None

    def is_running(self, name: str) -> bool:
        """Whether there is such a thread."""
        return name in self._threads

    def follow(self, thread: str, motion: Motion, cycles: int = 0) -> Routine:
        """Command a motion and wait for its end, or for `cycles` control cycles."""
        if self._mover not in ("", thread):
            raise ProgramError(
                f"another thread is already controlling the robot: {thread} while "
                f"{self._mover} moves (speedStop or servoStop comes first)"
            )
        self._mover = thread
        self._motion = self.robot.plant.start(motion)
        try:
            if cycles > 0:
                for _ in range(cycles):
                    yield
            else:
                while not motion.done:
                    yield
        finally:
            if self._mover == thread:
                self._mover = ""
                self._motion = None

    def _advance(self, name: str) -> None:
        routine = self._threads.get(name)
        try:
            if routine is not None:
                next(routine)
        except StopIteration:
            self._threads.pop(name, None)
        except ValueError as error:  # a motion that cannot be: NaN, no acceleration
            raise ProgramError(str(error)) from error
