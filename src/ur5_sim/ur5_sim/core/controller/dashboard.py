"""The dashboard server's language: a line in, a line out, worded as clients expect."""

from collections.abc import Callable

from ur5_sim.core.controller.modes import RuntimeState, SafetyMode
from ur5_sim.core.controller.robot import VirtualRobot

GREETING = "Connected: Universal Robots Dashboard Server"
TOO_EARLY = (
    "Cannot unlock protective stop until 5s after occurrence. "
    "Always inspect cause of protective stop before unlocking"
)
QUIT = "Disconnected"
SERIAL_NUMBER = "20150000001"


class Dashboard:
    """Answers the lines of any number of clients. Owned by the server's thread."""

    def __init__(self, robot: VirtualRobot) -> None:
        self._robot = robot
        self._commands: dict[str, Callable[[], str]] = {
            "power on": self._power_on,
            "power off": self._power_off,
            "brake release": self._brake_release,
            "unlock protective stop": self._unlock,
            "restart safety": self._restart_safety,
            "play": self._play,
            "stop": self._stop,
            "pause": self._pause,
            "running": lambda: f"Program running: {str(self._is_playing).lower()}",
            "programstate": self._program_state,
            "robotmode": lambda: f"Robotmode: {robot.safety.robot_mode.name}",
            "safetymode": lambda: f"Safetymode: {robot.safety.safety_mode.name}",
            "polyscopeversion": self._version,
            "get robot model": lambda: "UR5",
            "get serial number": lambda: SERIAL_NUMBER,
            "get loaded program": lambda: "No program loaded",
            "isprogramsaved": lambda: "true",
            "close popup": lambda: "closing popup",
            "close safety popup": lambda: "closing safety popup",
            "quit": lambda: QUIT,
        }
        if robot.identity.is_e_series:
            self._commands["is in remote control"] = lambda: "true"
            self._commands["safetystatus"] = lambda: (
                f"Safetystatus: {robot.safety.safety_mode.name}"
            )

    def answer(self, line: str) -> str:
        """Return the reply to one line, both without line end."""
        text = line.strip()
        command = self._commands.get(text.lower())
        if command is not None:
            return command()
        for start, reply in (
            ("popup ", "showing popup"),
            ("addtolog ", "Added log message"),
            ("setuserrole ", f"Setting user role: {text[12:]}"),
            ("load ", f"File not found: {text[5:]}"),
        ):
            if text.lower().startswith(start):
                return reply
        return f'could not understand: "{text}"'

    @property
    def _is_playing(self) -> bool:
        return self._robot.runtime_state is RuntimeState.PLAYING

    def _power_on(self) -> str:
        is_done = self._robot.safety.power_on(self._robot.time_s)
        return "Powering on" if is_done else "Failed to execute: power on"

    def _power_off(self) -> str:
        self._robot.power_off()
        return "Powering off"

    def _brake_release(self) -> str:
        is_done = self._robot.safety.brake_release(self._robot.time_s)
        return "Brake releasing" if is_done else "Failed to execute: brake release"

    def _unlock(self) -> str:
        if self._robot.safety.unlock(self._robot.time_s):
            return "Protective stop releasing"
        if SafetyMode.PROTECTIVE_STOP in self._robot.safety.stops:
            return TOO_EARLY
        return "Failed to execute: unlock protective stop"

    def _restart_safety(self) -> str:
        self._robot.restart_safety()
        return "Restarting safety"

    def _play(self) -> str:
        is_done = self._robot.resume_program()
        return "Starting program" if is_done else "Failed to execute: play"

    def _stop(self) -> str:
        self._robot.stop_program("is stopped from the dashboard")
        return "Stopped"

    def _pause(self) -> str:
        is_done = self._robot.pause_program()
        return "Pausing program" if is_done else "Failed to execute: pause"

    def _program_state(self) -> str:
        program = self._robot.program
        state = RuntimeState.STOPPED if program is None else self._robot.runtime_state
        return f"{state.name} {program.name if program else '<unnamed>'}"

    def _version(self) -> str:
        *version, build = self._robot.identity.version
        return f"URSoftware {'.'.join(map(str, version))}.{build} (virtual)"
