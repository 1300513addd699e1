"""The arm as a state machine: robot samples, commands and requests in, velocities out.

Nothing here waits, sleeps or reads a clock. Two threads meet in it: the loop calls
`tick`; callbacks call `offer`, `move_to_start`, `stop` and `recover`, each of which
replaces one value that the next `tick` takes up.
"""

from dataclasses import dataclass
from typing import NamedTuple

from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.arm_state import FAULT_STATES, ArmState, RobotSample, fault_of
from ur5_rl_env.core.homing import Homing, has_passed
from ur5_rl_env.core.safety import (
    STILL,
    UNLIMITED,
    Joints,
    limited_velocity,
    ramped,
)
from ur5_rl_env.core.task import NUM_ACTIONS
from ur5_rl_env.core.velocity_command import NANOSECONDS, CommandInbox, VelocityCommand

SETTLE_LATENCY_S = 0.04  # of the way to the start pose: what sets its last centimetre


class Wish(NamedTuple):
    """What a state asks for, before the limits."""

    velocity: Joints  # [rad/s]
    speed_rad_s: float  # largest of a joint
    acceleration_rad_s2: float  # of the leading joint


@dataclass(frozen=True)
class Decision:
    """Outcome of one cycle."""

    velocity: Joints  # to be sent [rad/s]
    is_sent: bool  # False: the robot runs no program that could take it
    limited: tuple[bool, ...]  # per joint: reduced by a safety limit


@dataclass
class Move:
    """A request to go to the start pose; `result` is set once, when it is over."""

    route: tuple[Joints, ...]  # corners still ahead, the goal last
    deadline_ns: int | None = None
    result: tuple[bool, str] | None = None  # success, and what to tell


class Arm:
    """Decides, cycle by cycle, what the arm does, and knows why.

    Attributes:
        state, cause: What the arm does, and why, for people.
        inbox: Velocity commands.
        needs_rebuild: The link has to be made anew before the arm can move again.
    """

    def __init__(self, config: ArmConfig) -> None:
        self._config = config
        self._limits = config.limits()
        self._homing = Homing(
            goal_rad=config.start_pose_rad,
            speed_rad_s=config.move_speed_rad_s,
            deceleration_rad_s2=config.move_acceleration_rad_s2,
            latency_s=SETTLE_LATENCY_S,
            tolerance_rad=config.move_tolerance_rad,
        )
        self.inbox = CommandInbox(
            max_age_s=config.max_command_age_s,
            session_timeout_s=config.stale_age_s,
            max_speed_rad_s=config.max_joint_speed_rad_s,
        )
        self.state = ArmState.CONNECTING
        self.cause = "waits for the robot's first sample"
        self.needs_rebuild = False
        self._move: Move | None = None
        self._failed_moves = 0  # in a row
        self._stop_cause = ""
        self._sent = STILL
        self._following = STILL  # what the robot has made of it, ramp included
        self._last_ns: int | None = None

    # Callbacks: each replaces one value.

    def offer(self, command: VelocityCommand, now_ns: int) -> str:
        """Take a velocity command, or return why it is refused."""
        return self.inbox.offer(command, now_ns, closed=self._closed())

    def move_to_start(self, q: Joints) -> Move:
        """Ask for the way from `q` to the start pose; watch the returned `result`."""
        if self.state in (*FAULT_STATES, ArmState.CONNECTING):
            return Move((), result=(False, f"arm does not move: {self.cause}"))
        if self._move is not None:
            return Move((), result=(False, "arm is already on its way"))
        route = self._homing.route(q, self._limits, self._failed_moves)
        self._move = move = Move(route)
        return move

    def stop(self, cause: str) -> None:
        """Brake, and refuse to move until `recover`."""
        self._stop_cause = cause

    def recover(self) -> tuple[bool, str]:
        """Allow motion again after `stop`; say what is left to do for the rest."""
        if self.needs_rebuild:
            return False, self.cause
        self._stop_cause = ""
        return True, "arm is ready"

    def on_rebuilt(self) -> None:
        """Take notice of a new link to the robot. For the loop."""
        self.needs_rebuild = False

    def _closed(self) -> str:
        if self._move is not None or self.state == ArmState.MOVING_TO_START:
            return "arm is on its way to the start pose"
        if self._stop_cause or self.state in (*FAULT_STATES, ArmState.CONNECTING):
            return self._stop_cause or self.cause
        return ""

    # The loop.

    def tick(self, now_ns: int, sample: RobotSample) -> Decision:
        """Decide the joint velocity to send at `now_ns` (steady clock). Never blocks."""
        self._follow(now_ns)
        fault = fault_of(sample)
        if fault or self.needs_rebuild:
            return self._fail(fault)
        wish = self._wish(now_ns, sample)
        velocity, limited = limited_velocity(
            wish.velocity,
            self._following,
            sample.q,
            self._limits,
            max_speed_rad_s=wish.speed_rad_s,
            acceleration_rad_s2=wish.acceleration_rad_s2,
        )
        self._sent = velocity
        return Decision(velocity, True, limited)

    def _follow(self, now_ns: int) -> None:
        """Ramp to what was sent last, as the robot has done since."""
        if self._last_ns is not None:
            elapsed_s = (now_ns - self._last_ns) / NANOSECONDS
            most = self._config.stop_acceleration_rad_s2 * elapsed_s
            self._following = ramped(self._following, self._sent, most)
        self._last_ns = now_ns

    def _fail(self, fault: tuple[ArmState, str] | None) -> Decision:
        state, cause = fault or (self.state, self.cause)
        self._end_move(success=False, text=cause)
        self._enter(state, cause)
        self.needs_rebuild = True
        self.inbox.discard()
        self._sent = self._following = STILL
        return Decision(STILL, False, UNLIMITED)

    def _wish(self, now_ns: int, sample: RobotSample) -> Wish:
        """Return what the present state asks for; braking, unless something speaks."""
        config = self._config
        brake = Wish(STILL, config.move_speed_rad_s, config.stop_acceleration_rad_s2)
        if self._stop_cause:
            self._end_move(success=False, text=self._stop_cause)
            self.inbox.discard()
            self._enter(ArmState.FAULT, self._stop_cause)
            return brake
        if now_ns - sample.arrival_ns > config.max_sample_age_s * NANOSECONDS:
            return brake
        if self._move is not None:
            return self._homing_wish(self._move, now_ns, sample) or brake
        command = self.inbox.newest
        if command is None:
            self._rest()
            return brake
        age_s = command.age_s(now_ns)
        if age_s > config.max_command_age_s:
            if age_s > config.stale_age_s:
                self._enter(ArmState.STALE, "commands stopped coming")
            return brake
        self._enter(ArmState.MOVING, "follows velocity commands")
        velocity = (*command.velocity[:NUM_ACTIONS], 0.0)
        return Wish(velocity, config.max_joint_speed_rad_s, config.acceleration_rad_s2)

    def _homing_wish(self, move: Move, now_ns: int, sample: RobotSample) -> Wish | None:
        """Return what leads to the start pose; None once the move is over."""
        config = self._config
        self._enter(ArmState.MOVING_TO_START, "moves to the start pose")
        self.inbox.discard()
        if move.deadline_ns is None:
            move.deadline_ns = now_ns + round(config.move_timeout_s * NANOSECONDS)
        if self._homing.has_arrived(sample.q, sample.qd):
            self._failed_moves = 0
            self._end_move(success=True, text="arm is at the start pose")
            return None
        if now_ns > move.deadline_ns:
            where = self._homing.farthest(sample.q)
            self._failed_moves += 1
            text = f"move_to_start failed: {where} after {config.move_timeout_s} s"
            self._end_move(success=False, text=text)
            return None
        while len(move.route) > 1 and has_passed(move.route[0], sample.q):
            move.route = move.route[1:]
        velocity = self._homing.velocity(sample.q, move.route[0])
        return Wish(velocity, config.move_speed_rad_s, config.move_acceleration_rad_s2)

    def _end_move(self, *, success: bool, text: str) -> None:
        move, self._move = self._move, None
        if move is not None:
            self._enter(ArmState.IDLE, text)
            move.result = (success, text)

    def _rest(self) -> None:
        """Stay as it is, unless what it was is over."""
        if self.state not in (ArmState.IDLE, ArmState.STALE):
            self._enter(ArmState.IDLE, "waits for a command")

    def _enter(self, state: ArmState, cause: str) -> None:
        self.state, self.cause = state, cause
