"""The move to the start pose: one request at a time, slow after anything went wrong."""

from dataclasses import dataclass, replace

from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.arm_state import RobotSample
from ur5_rl_env.core.homing import Homing, has_passed
from ur5_rl_env.core.ramp import Joints
from ur5_rl_env.core.velocity_command import NANOSECONDS

SETTLE_LATENCY_S = 0.04  # of the way to the start pose: what sets its last centimetre


@dataclass
class Move:
    """A request to go to the start pose; `result` is set once, when it is over."""

    route: tuple[Joints, ...]  # corners still ahead, the goal last
    deadline_ns: int | None = None
    result: tuple[bool, str] | None = None  # success, and what to tell


class StartMoves:
    """Leads the arm to the start pose, and knows how the last attempts went.

    `begin` is for callbacks, the rest for the loop.

    Attributes:
        is_slow: Whether the way is gone at `recovery_speed_rad_s`: from the start of the
            process and after a stop, until the arm has arrived once.
    """

    def __init__(self, config: ArmConfig) -> None:
        self._config = config
        self._limits = config.limits()
        self._fast = Homing(
            goal_rad=config.start_pose_rad,
            speed_rad_s=config.move_speed_rad_s,
            deceleration_rad_s2=config.move_acceleration_rad_s2,
            latency_s=SETTLE_LATENCY_S,
            tolerance_rad=config.move_tolerance_rad,
        )
        self._slow = replace(self._fast, speed_rad_s=config.recovery_speed_rad_s)
        self._failed = 0  # in a row
        self.is_slow = True

    @property
    def speed_rad_s(self) -> float:
        """Largest speed of a joint on the way [rad/s]."""
        return self._homing.speed_rad_s

    @property
    def timeout_s(self) -> float:
        """How long a way may take [s]: longer where it is slow."""
        return self._config.move_timeout_s * self._fast.speed_rad_s / self.speed_rad_s

    @property
    def _homing(self) -> Homing:
        return self._slow if self.is_slow else self._fast

    def begin(self, q: Joints) -> Move:
        """Return a move from `q` [rad], 6 joints."""
        return Move(self._fast.route(q, self._limits, self._failed))

    def ending(
        self, move: Move, now_ns: int, sample: RobotSample
    ) -> tuple[bool, str] | None:
        """Return the result of a move that is over at `now_ns`; None while it is not."""
        if move.deadline_ns is None:
            move.deadline_ns = now_ns + round(self.timeout_s * NANOSECONDS)
        if self._homing.has_arrived(sample.q, sample.qd):
            self._failed, self.is_slow = 0, False
            return True, "arm is at the start pose"
        if now_ns > move.deadline_ns:
            self._failed += 1
            where = self._homing.farthest(sample.q)
            return False, f"move_to_start failed: {where} after {self.timeout_s:.1f} s"
        return None

    def velocity(self, move: Move, q: Joints) -> Joints:
        """Return the joint velocity [rad/s] that leads from `q` along the route."""
        while len(move.route) > 1 and has_passed(move.route[0], q):
            move.route = move.route[1:]
        return self._homing.velocity(q, move.route[0])
