"""The side door: what no real robot offers. Faults on demand, and the arm's true state.

One line in, one line of JSON out, on its own TCP port (29998):

| line | effect |
|---|---|
| `state` | positions, speeds, modes, program, stamps of the latest motion, counters |
| `protective_stop [REASON]` | as after a collision |
| `emergency_stop`, `release_emergency_stop` | press the button, pull it out |
| `safeguard_stop`, `release_safeguard_stop` | open and close the safeguard input |
| `power_off` | cut the power |
| `stop_program` | end the program, as the pendant's stop button does |
| `speed_slider FRACTION` | move the pendant's slider, 0 to 1 |
| `drop_link [SECONDS]` | close all of the clients' connections; refuse new ones so long |
| `stall [SECONDS]` | the cable is out: nothing comes or goes, the arm carries on |

Steady stamps are CLOCK_MONOTONIC of this host. An error answers `{"error": "..."}`.
"""

import json
from collections.abc import Callable
from typing import Any, Protocol

from ur5_sim.core.controller.robot import VirtualRobot

LONGEST_S = 3600.0


class Link(Protocol):
    """What the side door may do to the network: the server's part."""

    def drop_link(self, duration_s: float) -> None: ...
    def stall_link(self, duration_s: float) -> None: ...
    def counters(self) -> dict[str, float]: ...


class SideDoor:
    """Answers side door lines. Owned by the server's thread."""

    def __init__(self, robot: VirtualRobot, link: Link) -> None:
        self._robot = robot
        self._link = link
        self._commands: dict[str, Callable[[str], object]] = {
            "protective_stop": lambda text: robot.protective_stop(text or "side door"),
            "emergency_stop": lambda _: robot.emergency_stop(),
            "release_emergency_stop": lambda _: robot.safety.release_emergency_stop(),
            "safeguard_stop": lambda _: robot.safeguard_stop(),
            "release_safeguard_stop": lambda _: robot.safety.release_safeguard(),
            "power_off": lambda _: robot.power_off(),
            "stop_program": lambda _: robot.stop_program("is stopped at the side door"),
            "speed_slider": self._speed_slider,
            "drop_link": lambda text: link.drop_link(_number(text, LONGEST_S)),
            "stall": lambda text: link.stall_link(_number(text, LONGEST_S)),
            "state": lambda _: None,
        }

    def answer(self, line: str) -> str:
        """Do what `line` says; return the state after it as one line of JSON."""
        name, _, argument = line.strip().partition(" ")
        command = self._commands.get(name)
        if command is None:
            known = ", ".join(sorted(self._commands))
            return json.dumps({"error": f"unknown command '{name}'; known are {known}"})
        try:
            command(argument.strip())
        except ValueError as error:
            return json.dumps({"error": f"{name}: {error}"})
        return json.dumps(self.state())

    def state(self) -> dict[str, Any]:
        """Return everything a test may want to know."""
        robot, plant = self._robot, self._robot.plant
        return {
            "q": plant.q,
            "qd": plant.qd,
            "target_q": plant.target_q,
            "target_qd": plant.target_qd,
            "tick": plant.cycle,
            "time_s": robot.time_s,
            "robot_mode": robot.safety.robot_mode.name,
            "safety_mode": robot.safety.safety_mode.name,
            "safety_reason": robot.safety.reason,
            "runtime_state": robot.runtime_state.name,
            "program": robot.program.name if robot.program else "",
            "is_moving": robot.is_moving,
            "motion_started_ns": robot.motion_started_ns,
            "motion_stopped_ns": robot.motion_stopped_ns,
            "payload_kg": robot.payload_kg,
            "digital_outputs": robot.digital.bits,
            "speed_fraction": plant.speed_fraction,
            "events": list(robot.recent_events),
            **self._link.counters(),
        }

    def _speed_slider(self, text: str) -> None:
        self._robot.plant.speed_fraction = _number(text, 1.0)


def _number(text: str, most: float) -> float:
    """Read a number in [0, `most`]; nothing is 0.

    Raises:
        ValueError: it is no such number.
    """
    try:
        value = float(text or 0.0)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= most:
        raise ValueError(f"needs a number in [0, {most:g}], got '{text}'")
    return value
