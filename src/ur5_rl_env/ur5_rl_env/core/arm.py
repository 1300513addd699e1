"""The arm as a state machine: robot samples, commands and requests in, velocities out.

Nothing here waits, sleeps or reads a clock. Two threads meet in it: the loop calls
`tick`; callbacks replace one value each, which the next `tick` takes up. An arm moves
only while it is armed. It starts disarmed, every fault and stop disarms it, and `enable`
alone arms it again: from rest, with zero as the first set-point.
"""

from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.arm_state import (
    ARMED_STATES,
    CALL_ENABLE,
    RECOVERED,
    ArmState,
    RobotSample,
    fault_of,
)
from ur5_rl_env.core.decision import NOTHING, Decision, Wish
from ur5_rl_env.core.homing import is_at_rest
from ur5_rl_env.core.ramp import STILL, Joints, ramped
from ur5_rl_env.core.safety import limited_motion
from ur5_rl_env.core.start_move import Move, StartMoves
from ur5_rl_env.core.stop_request import StopRequest, StopRequests
from ur5_rl_env.core.task import NUM_ACTIONS
from ur5_rl_env.core.velocity_command import NANOSECONDS, CommandInbox, VelocityCommand

SAMPLES_LATE = "brakes: the robot's samples are late"
COMMAND_LATE = "brakes: the next command is late"
HELD_PERIODS = 1.5  # a longer cycle: the robot has reached what was sent, and held it


class Arm:
    """Decides, cycle by cycle, what the arm does, and knows why.

    Attributes:
        state, cause: What the arm does, and why, for people.
        inbox, stop_requests: Velocity commands, and what the watch asks for.
        stop_cause: Why a person has stopped it, until `recover`; "" if nobody has.
        needs_rebuild: The link has to be made anew before the arm can move again.
        pauses: How often it has braked because a sample or a command was late.
    """

    def __init__(self, config: ArmConfig) -> None:
        self._config = config
        self._limits = config.limits()
        self._start_moves = StartMoves(config)
        self.inbox = CommandInbox(
            max_age_s=config.max_command_age_s,
            session_timeout_s=config.stale_age_s,
            max_speed_rad_s=config.max_joint_speed_rad_s,
        )
        self.stop_requests = StopRequests()
        self.state = ArmState.CONNECTING
        self.cause = "waits for the robot's first sample"
        self.needs_rebuild = False
        self.pauses = 0
        self._is_enabled = False
        self._disarmed_by = "connected"
        self._move: Move | None = None
        self.stop_cause = ""
        self._sent = STILL
        self._following = STILL  # what the robot has made of it, ramp included
        self._acceleration = STILL  # on the way there
        self._last_ns: int | None = None

    # Callbacks: each replaces one value.

    def offer(self, command: VelocityCommand, now_ns: int) -> str:
        """Take a velocity command, or return why it is refused."""
        return self.inbox.offer(command, now_ns, closed=self._closed())

    def request_stop(self, request: StopRequest, now_ns: int) -> str:
        """Take what the watch says, or return why it is refused."""
        refusal = self.stop_requests.offer(request, now_ns)
        if not refusal and request.reason:
            self.disable(f"watch_node asked for a stop ({request.reason})")
        return refusal

    def enable(self, now_ns: int) -> str:
        """Arm, with the next cycle; return why that is refused, or ""."""
        reason = self._stop_reason(now_ns)
        if reason or self.state != ArmState.IDLE:
            return reason or self._not_armed()
        self._is_enabled = True
        return ""

    def disable(self, by: str) -> None:
        """Disarm: the arm brakes and refuses to move until `enable`."""
        self._disarmed_by = by
        self._is_enabled = False

    def move_to_start(self, q: Joints) -> Move:
        """Ask for the way from `q` to the start pose; watch the returned `result`."""
        if reason := self._not_armed():
            return Move((), result=(False, f"arm does not move: {reason}"))
        if self._config.dry_run:
            return Move((), result=(True, "dry run: stays where it is"))
        if self._move is not None:
            return Move((), result=(False, "arm is already on its way"))
        self._move = move = self._start_moves.begin(q)
        return move

    def stop(self, cause: str) -> None:
        """Brake, and refuse to move until `recover`."""
        self.stop_cause = cause

    def recover(self) -> tuple[bool, str]:
        """End a `stop`; one of the robot has to be ended before. For a person."""
        if self.needs_rebuild:
            return False, self.cause
        if not self.stop_cause:
            return True, "nothing to recover from"
        self.disable("arm has recovered")
        self.stop_cause = ""
        return True, RECOVERED

    @property
    def is_emergency(self) -> bool:
        """Whether the button is pressed, or was and nobody has recovered the arm."""
        return self.state is ArmState.EMERGENCY_STOP

    @property
    def is_armed(self) -> bool:
        """Whether the arm would follow a command or go to the start pose."""
        return self._is_enabled and self.state in ARMED_STATES

    def _not_armed(self) -> str:
        """Return why the arm is not armed; "" if it is."""
        if self.is_armed:
            return ""
        if self.stop_cause or self.state not in ARMED_STATES:
            return self.stop_cause or self.cause
        return f"arm brakes: {self._disarmed_by}"

    def _closed(self) -> str:
        if self._move is not None or self.state == ArmState.MOVING_TO_START:
            return "arm is on its way to the start pose"
        return self.stop_cause or self._not_armed()

    # The loop.

    def on_rebuilt(self) -> None:
        """Take notice of a new link to the robot."""
        self.disable("arm has recovered")
        self.needs_rebuild = False

    def tick(self, now_ns: int, sample: RobotSample) -> Decision:
        """Decide the joint velocity to send at `now_ns` (steady clock). Never blocks."""
        self._follow(now_ns)
        fault = fault_of(sample)
        if fault or self.needs_rebuild:
            return self._fail(fault)
        wish = self._wish(now_ns, sample)
        target, limited, self._acceleration, _ = limited_motion(
            wish.velocity,
            self._following,
            sample.q,
            self._limits,
            pace=wish.pace,
            acceleration=self._acceleration,
        )
        self._sent = target
        return Decision(STILL if self._config.dry_run else target, True, limited, target)

    def _follow(self, now_ns: int) -> None:
        """Ramp to what was sent last, as the robot has done since."""
        if self._last_ns is not None:
            elapsed_s = (now_ns - self._last_ns) / NANOSECONDS
            most = self._config.stop_acceleration_rad_s2 * elapsed_s
            self._following = ramped(self._following, self._sent, most)
            if elapsed_s > HELD_PERIODS * self._config.control_period_s:
                self._acceleration = STILL
        self._last_ns = now_ns

    def _fail(self, fault: tuple[ArmState, str] | None) -> Decision:
        state, cause = fault or (self.state, self.cause)
        if self.needs_rebuild and self.state == ArmState.EMERGENCY_STOP:
            state = self.state  # a person's, whatever the robot says next
        self._halt(state, cause)
        self.needs_rebuild = True
        self._sent = self._following = self._acceleration = STILL
        return NOTHING

    def _wish(self, now_ns: int, sample: RobotSample) -> Wish:
        """Return what the present state asks for; braking, unless something speaks."""
        config = self._config
        brake = Wish(STILL, config.brake_pace)
        if reason := self._stop_reason(now_ns):
            self._halt(ArmState.FAULT, reason)
            return brake
        if not self._is_enabled:
            self._stand_down(sample)
            return brake
        if not self.is_armed:  # the first set-point is zero
            self._enter(ArmState.ARMED, "waits for a command")
            return brake
        if now_ns - sample.taken_ns > config.max_sample_age_s * NANOSECONDS:
            self._pause(SAMPLES_LATE)
            return brake
        if self._move is not None:
            return self._homing_wish(self._move, now_ns, sample) or brake
        return self._command_wish(now_ns) or brake

    def _command_wish(self, now_ns: int) -> Wish | None:
        """Return what the newest command asks for; None if it is too old for that."""
        config, command = self._config, self.inbox.newest
        if command is None:
            self._enter(ArmState.ARMED, "waits for a command")
            return None
        age_s = command.age_s(now_ns)
        if age_s > config.max_command_age_s:
            if age_s > config.stale_age_s:
                self._enter(ArmState.STALE, "commands stopped coming")
            else:
                self._pause(COMMAND_LATE)
            return None
        verb = "dry run: would follow" if config.dry_run else "follows"
        self._enter(ArmState.MOVING, f"{verb} velocity commands")
        return Wish((*command.velocity[:NUM_ACTIONS], 0.0), config.pace)

    def _homing_wish(self, move: Move, now_ns: int, sample: RobotSample) -> Wish | None:
        """Return what leads to the start pose; None once the move is over."""
        moves = self._start_moves
        self._enter(ArmState.MOVING_TO_START, "moves to the start pose")
        self.inbox.discard()
        unwatched = self.stop_requests.silence(now_ns)
        ending = (False, unwatched) if unwatched else moves.ending(move, now_ns, sample)
        if ending:
            self._enter(ArmState.ARMED, ending[1])
            self._end_move(ending)
            return None
        pace = self._config.move_pace._replace(max_speed_rad_s=moves.speed_rad_s)
        return Wish(moves.velocity(move, sample.q), pace)

    def _halt(self, state: ArmState, cause: str) -> None:
        """Disarm for a fault or a stop: the way home will be a slow one."""
        self._is_enabled = False
        self._start_moves.is_slow = True
        self._drop_all(state, cause)

    def _stand_down(self, sample: RobotSample) -> None:
        """Be IDLE once the arm rests; until then it is what it was, and brakes."""
        if is_at_rest(sample.qd):
            self._drop_all(ArmState.IDLE, f"{self._disarmed_by}: {CALL_ENABLE}")
        else:
            self._drop_all(self.state, f"brakes: {self._disarmed_by}")

    def _drop_all(self, state: ArmState, cause: str) -> None:
        """Enter a state in which the arm is about nothing."""
        self._enter(state, cause)
        self.inbox.discard()
        self._end_move((False, cause))

    def _stop_reason(self, now_ns: int) -> str:
        """Return what asks for a stop: a person, the watch, or that two command."""
        watch = self.stop_requests.standing(now_ns)
        return (
            self.stop_cause
            or (f"watch_node: {watch}" if watch else "")
            or self.inbox.commanders.conflict(now_ns)
        )

    def _pause(self, cause: str) -> None:
        """Brake, and go on once what is late has come."""
        if cause != self.cause:
            self.pauses += 1
        self._enter(self.state, cause)

    def _end_move(self, result: tuple[bool, str]) -> None:
        move, self._move = self._move, None
        if move is not None:
            move.result = result

    def _enter(self, state: ArmState, cause: str) -> None:
        self.state, self.cause = state, cause
