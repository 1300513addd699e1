"""The control script that ur_rtde uploads, re-implemented cycle by cycle.

Clients talk to it through registers: a command number and its arguments in, a state and
results out. Its peculiarities are kept, because clients live with them on a real robot:
`speedj` goes on for ever once given (section "speed" below), a command left in its
register is executed by the next upload, and queries may answer before their result is in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from ur5_sim.core.controller.plain_program import motion_of
from ur5_sim.core.controller.program import MAIN, Program, ProgramError, Routine
from ur5_sim.core.controller.script_text import Script
from ur5_sim.core.controller.tool_pose import composed, tool_pose
from ur5_sim.core.motion import STILL, MoveMotion, ServoMotion, SpeedMotion

if TYPE_CHECKING:
    from ur5_sim.core.controller.robot import VirtualRobot

READY, DONE = 1, 2  # states in output register 0
SPEED, SERVO, MOVE, STOP = "speed thread", "servo thread", "move thread", "stop thread"


class Command(IntEnum):
    """Commands that are simulated."""

    NONE = 0
    MOVEJ = 1
    FORCE_MODE_STOP = 7
    ZERO_FT_SENSOR = 8
    SPEEDJ = 9
    SERVOJ = 11
    SPEED_STOP = 15
    SERVO_STOP = 16
    SET_PAYLOAD = 17
    FORCE_MODE_DAMPING = 20
    FORCE_MODE_GAIN = 21
    GET_STEPTIME = 26
    TARGET_WAYPOINT = 28
    SET_TCP = 29
    PROTECTIVE_STOP = 31
    STOPL = 33
    STOPJ = 34
    SET_WATCHDOG = 35
    JOINTS_WITHIN_LIMITS = 37
    POSE_TRANS = 39
    TCP_OFFSET = 40
    FORWARD_KINEMATICS = 43
    FORWARD_KINEMATICS_OF = 44
    MOVE_PATH = 45
    IS_STEADY = 47
    SET_GRAVITY = 59
    STOP_SCRIPT = 255


# Executed in each cycle for as long as the register holds them; never acknowledged.
REAL_TIME = frozenset({6, 9, 10, 11, 24, 25, 26, 27, 38, 58, 66, 67, 68, 69, 70, 71})
# Nothing in the simulation depends on them: acknowledged only.
WITHOUT_EFFECT = frozenset(
    {
        Command.FORCE_MODE_STOP,
        Command.ZERO_FT_SENSOR,
        Command.FORCE_MODE_DAMPING,
        Command.FORCE_MODE_GAIN,
        Command.TARGET_WAYPOINT,
        Command.SET_GRAVITY,
    }
)


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
        self._offset = script.register_offset
        self._path = script.move_path
        self._speed = SpeedRequest(STILL, 0.5, 0.5)
        self._servo = ServoRequest(STILL, 0.002, 0.1)
        self._progress_writes = 0
        self._operation_id = 0
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
            Command.TCP_OFFSET: lambda: self._answer(self.robot.tcp_offset),
            Command.FORWARD_KINEMATICS: self._forward_kinematics,
            Command.FORWARD_KINEMATICS_OF: self._forward_kinematics_of,
            Command.IS_STEADY: lambda: self._answer_int(self.robot.is_steady),
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
        self._report_progress(-1)
        self._state(READY)
        is_executing = False
        while True:
            command = self._int(0)
            if command in REAL_TIME:
                self._query(command)
                self._state(READY)
            elif command == Command.NONE:
                is_executing = False
                self._state(READY)
            elif command == Command.STOP_SCRIPT:
                return
            elif not is_executing:
                is_executing = True
                yield from self._execute(command)
                self._state(DONE)
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
        self._speed = SpeedRequest(self._six(0), self._double(6), self._double(7))
        if not self.is_running(SPEED):
            self.run(SPEED, self._repeat_speed())

    def _repeat_speed(self) -> Routine:
        while True:
            request = self._speed
            motion = SpeedMotion(request.qd, request.acceleration_rad_s2)
            yield from self.follow(SPEED, motion, self._cycles(request.duration_s))

    def _servoj(self) -> None:
        self._servo = ServoRequest(self._six(0), self._double(8), self._double(9))
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
        yield from self.follow(MAIN, SpeedMotion(STILL, self._double(0)))

    def _servo_stop(self) -> Routine:
        self.kill(SERVO)
        yield from self.follow(MAIN, SpeedMotion(STILL, self._double(0)))

    # Moves and stops, in the main thread or (asynchronous) in one of their own ----------

    def _movej(self) -> Routine:
        motion = MoveMotion(self._six(0), self._double(6), self._double(7))
        self._stop_asynchronous_move()
        yield from self._move_in_thread(lambda thread: self.follow(thread, motion))

    def _move_path(self) -> Routine:
        self._stop_asynchronous_move()
        yield from self._move_in_thread(self._along_path)

    def _along_path(self, thread: str) -> Routine:
        for step in self._path:
            if step.name == "signal_async_progress":
                self._report_progress(int(str(step.argument(0, "value"))))
            else:
                yield from self.follow(thread, motion_of(step))

    def _move_in_thread(self, routine_in: Callable[[str], Routine]) -> Routine:
        if self._int(1) == 1:
            self.run(MOVE, self._reporting(routine_in(MOVE)))
        else:
            yield from routine_in(MAIN)

    def _stop_asynchronous_move(self) -> None:
        if self.kill(MOVE):
            self._report_progress(-1)

    def _stop(self) -> Routine:
        motion = SpeedMotion(STILL, self._double(0))
        if self.kill(STOP):
            self._report_progress(-1)
        else:
            self._stop_asynchronous_move()
        if self._int(1) == 1:
            self.run(STOP, self._reporting(self.follow(STOP, motion)))
        else:
            yield from self.follow(MAIN, motion)

    def _reporting(self, routine: Routine) -> Routine:
        self._report_progress(0)
        yield from routine
        self._report_progress(-1)

    def _report_progress(self, value: int) -> None:
        """Tell an asynchronous operation's start (0), progress (> 0) or end (-1)."""
        self._progress_writes = (self._progress_writes + 1) % 128
        if value == 0:
            self._operation_id = (self._operation_id + 1) % 128
        word = self._operation_id << 24 | self._progress_writes << 16
        if value >= 0:
            word |= 1 << 15 | min(value, 32767)
        self.robot.outputs.ints[self._offset + 2] = word

    # Queries and settings -------------------------------------------------------------

    def _steptime(self) -> None:
        if self.robot.identity.is_e_series:  # on CB3 the register keeps what it had
            self._answer((self.robot.plant.cycle_s,))

    def _set_payload(self) -> None:
        self.robot.payload_kg = self._double(0)
        self.robot.payload_cog_m = (self._double(1), self._double(2), self._double(3))

    def _set_tcp(self) -> None:
        self.robot.tcp_offset = self._six(0)

    def _protective_stop(self) -> None:
        self.robot.protective_stop("protective_stop() of the program")

    def _set_watchdog(self) -> None:
        register = f"input_int_register_{self._offset}"
        self.robot.watchdog.arm(register, self._double(0))

    def _joints_within_limits(self) -> None:
        limit_rad = self.robot.plant.joint_limit_rad
        self._answer_int(all(abs(p) <= limit_rad for p in self._six(0)))

    def _pose_trans(self) -> None:
        self._answer(composed(self._six(0), self._six(6)))

    def _forward_kinematics(self) -> None:
        self._answer(tool_pose(self.robot.plant.q, self.robot.tcp_offset))

    def _forward_kinematics_of(self) -> None:
        self._answer(tool_pose(self._six(0), self._six(6)))

    # Registers ------------------------------------------------------------------------

    def _int(self, index: int) -> int:
        return int(self.robot.inputs.values[f"input_int_register_{self._offset + index}"])

    def _double(self, index: int) -> float:
        name = f"input_double_register_{self._offset + index}"
        return float(self.robot.inputs.values[name])

    def _six(self, first: int) -> tuple[float, ...]:
        return tuple(self._double(first + n) for n in range(6))

    def _cycles(self, duration_s: float) -> int:
        """Return how many control cycles `duration_s` is; 0 for "until it is reached"."""
        return max(1, self.robot.plant.cycles(duration_s)) if duration_s > 0 else 0

    def _state(self, state: int) -> None:
        self.robot.outputs.ints[self._offset] = state

    def _answer_int(self, value: int) -> None:
        self.robot.outputs.ints[self._offset + 1] = int(value)

    def _answer(self, values: tuple[float, ...]) -> None:
        self.robot.outputs.doubles[self._offset : self._offset + len(values)] = values
