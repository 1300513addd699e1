"""The control script that ur_rtde uploads, re-implemented cycle by cycle.

Clients talk to it through registers: a command number and its arguments in, a state and
results out. Its peculiarities are kept, because clients live with them on a real robot:
a speed goes on for ever once given, a command left in its register is executed by the
next upload, and real-time queries are not waited for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ur5_sim.core.controller.commands import REAL_TIME, WITHOUT_EFFECT, Command
from ur5_sim.core.controller.plain_program import motion_of
from ur5_sim.core.controller.program import MAIN, Program, ProgramError, Routine
from ur5_sim.core.controller.script_registers import (
    DONE,
    FINISHED,
    MAX_PROGRESS,
    READY,
    STARTED,
    ScriptRegisters,
)
from ur5_sim.core.controller.script_text import Script
from ur5_sim.core.controller.tool_pose import checked_offset, composed, tool_pose
from ur5_sim.core.motion import STILL, MoveMotion, ServoMotion, SpeedMotion

if TYPE_CHECKING:
    from ur5_sim.core.controller.robot import VirtualRobot

SPEED, SERVO, MOVE, STOP = "speed thread", "servo thread", "move thread", "stop thread"


@dataclass(frozen=True)
class SpeedRequest:
    """Argument of speedj: `duration_s` 0 holds on to it until the speed is reached."""

    qd: tuple[float, ...]
    acceleration_rad_s2: float
    duration_s: float


@dataclass(frozen=True)
class ServoRequest:
    """Argument of servoj."""

    q: tuple[float, ...]
    duration_s: float
    lookahead_s: float


class ControlScript(Program):
    """Main loop and threads of the script. One per upload."""

    name = "rtde_control"

    def __init__(self, robot: "VirtualRobot", script: Script) -> None:
        super().__init__(robot)
        self._io = ScriptRegisters(robot.inputs, robot.outputs, script.register_offset)
        self._path = script.move_path
        self._speed = SpeedRequest(STILL, 0.5, 0.5)
        self._servo = ServoRequest(STILL, 0.002, 0.1)
        self._queries: dict[int, Callable[[], None]] = {
            Command.SPEEDJ: self._speedj,
            Command.SERVOJ: self._servoj,
            Command.GET_STEPTIME: self._steptime,
            Command.SET_PAYLOAD: self._set_payload,
            Command.SET_TCP: self._set_tcp,
            Command.PROTECTIVE_STOP: self._protective_stop,
            Command.SET_WATCHDOG: self._set_watchdog,
            Command.JOINTS_WITHIN_LIMITS: self._joints_within_limits,
            Command.POSE_TRANS: self._pose_trans,
            Command.TCP_OFFSET: lambda: self._io.answer(self.robot.tcp_offset),
            Command.FORWARD_KINEMATICS: self._forward_kinematics,
            Command.FORWARD_KINEMATICS_OF: self._forward_kinematics_of,
            Command.IS_STEADY: lambda: self._io.answer_int(self.robot.is_steady),
        }
        self._motions: dict[int, Callable[[], Routine]] = {
            Command.MOVEJ: self._movej,
            Command.SPEED_STOP: self._speed_stop,
            Command.SERVO_STOP: self._servo_stop,
            Command.STOPJ: self._stop,
            Command.STOPL: self._stop,
            Command.MOVE_PATH: self._move_path,
        }

    # Main loop ------------------------------------------------------------------------

    def main(self) -> Routine:
        self._io.report_progress(FINISHED)
        self._io.set_state(READY)
        is_executing = False
        while True:
            command = self._io.integer(0)
            if command in REAL_TIME:
                self._query(command)
                self._io.set_state(READY)
            elif command == Command.NONE:
                is_executing = False
                self._io.set_state(READY)
            elif command == Command.STOP_SCRIPT:
                return
            elif not is_executing:
                is_executing = True
                yield from self._execute(command)
                self._io.set_state(DONE)
            yield

    def _execute(self, command: int) -> Routine:
        if command in self._motions:
            yield from self._motions[command]()
        elif command not in WITHOUT_EFFECT:
            self._query(command)

    def _query(self, command: int) -> None:
        query = self._queries.get(command)
        if query is None:
            raise ProgramError(f"command {command} of ur_rtde is not simulated")
        query()

    # Speed and servo: threads that repeat the latest request until they are killed -----

    def _speedj(self) -> None:
        self._speed = SpeedRequest(self._io.reals(0), self._io.real(6), self._io.real(7))
        if not self.is_running(SPEED):
            self.run(SPEED, self._repeat_speed())

    def _repeat_speed(self) -> Routine:
        while True:
            request = self._speed
            motion = SpeedMotion(request.qd, request.acceleration_rad_s2)
            yield from self.follow(SPEED, motion, self._cycles(request.duration_s))

    def _servoj(self) -> None:
        self._servo = ServoRequest(self._io.reals(0), self._io.real(8), self._io.real(9))
        if not self.is_running(SERVO):
            self.run(SERVO, self._repeat_servo())

    def _repeat_servo(self) -> Routine:
        while True:
            request = self._servo
            motion = ServoMotion(request.q, request.lookahead_s)
            cycles = max(1, self._cycles(request.duration_s))
            yield from self.follow(SERVO, motion, cycles)

    def _speed_stop(self) -> Routine:
        self.kill(SPEED)
        yield from self.follow(MAIN, SpeedMotion(STILL, self._io.real(0)))

    def _servo_stop(self) -> Routine:
        self.kill(SERVO)
        yield from self.follow(MAIN, SpeedMotion(STILL, self._io.real(0)))

    # Moves and stops, in the main thread or (asynchronous) in one of their own ----------

    def _movej(self) -> Routine:
        motion = MoveMotion(self._io.reals(0), self._io.real(6), self._io.real(7))
        self._stop_asynchronous_move()
        yield from self._move_in_thread(lambda thread: self.follow(thread, motion))

    def _move_path(self) -> Routine:
        self._stop_asynchronous_move()
        yield from self._move_in_thread(self._along_path)

    def _along_path(self, thread: str) -> Routine:
        for step in self._path:
            if step.name == "signal_async_progress":
                self._io.report_progress(step.integer(0, "value", 0, MAX_PROGRESS))
            else:
                yield from self.follow(thread, motion_of(step))

    def _move_in_thread(self, routine_in: Callable[[str], Routine]) -> Routine:
        if self._io.integer(1) == 1:
            self.run(MOVE, self._reporting(routine_in(MOVE)))
        else:
            yield from routine_in(MAIN)

    def _stop_asynchronous_move(self) -> None:
        if self.kill(MOVE):
            self._io.report_progress(FINISHED)

    def _stop(self) -> Routine:
        motion = SpeedMotion(STILL, self._io.real(0))
        if self.kill(STOP):
            self._io.report_progress(FINISHED)
        else:
            self._stop_asynchronous_move()
        if self._io.integer(1) == 1:
            self.run(STOP, self._reporting(self.follow(STOP, motion)))
        else:
            yield from self.follow(MAIN, motion)

    def _reporting(self, routine: Routine) -> Routine:
        self._io.report_progress(STARTED)
        yield from routine
        self._io.report_progress(FINISHED)

    # Queries and settings -------------------------------------------------------------

    def _steptime(self) -> None:
        if self.robot.identity.is_e_series:  # on CB3 the register keeps what it had
            self._io.answer((self.robot.plant.cycle_s,))

    def _set_payload(self) -> None:
        self.robot.payload_kg = self._io.real(0)
        self.robot.payload_cog_m = self._io.reals(1, 3)

    def _set_tcp(self) -> None:
        self.robot.tcp_offset = checked_offset(self._io.reals(0))

    def _protective_stop(self) -> None:
        self.robot.protective_stop("protective_stop() of the program")

    def _set_watchdog(self) -> None:
        register = self._io.name_of_int(0)
        self.robot.watchdog.arm(register, self._io.real(0))

    def _joints_within_limits(self) -> None:
        limit_rad = self.robot.plant.joint_limit_rad
        self._io.answer_int(all(abs(p) <= limit_rad for p in self._io.reals(0)))

    def _pose_trans(self) -> None:
        self._io.answer(composed(self._io.reals(0), self._io.reals(6)))

    def _forward_kinematics(self) -> None:
        self._io.answer(tool_pose(self.robot.plant.q, self.robot.tcp_offset))

    def _forward_kinematics_of(self) -> None:
        self._io.answer(tool_pose(self._io.reals(0), self._io.reals(6)))

    def _cycles(self, duration_s: float) -> int:
        """Return how many control cycles `duration_s` is; 0 for "until it is reached"."""
        return max(1, self.robot.plant.cycles(duration_s)) if duration_s > 0 else 0
