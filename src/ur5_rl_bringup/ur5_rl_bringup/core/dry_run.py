"""What a dry run shows: sensors, what would have been sent, what went wrong.

Real sensors, zero commands. Whether the sensors are fresh is env_node's judgement: it
runs episodes while they are, and says what it waits for while they are not. A message
that makes no sense is a fault of its sender.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ur5_rl_bringup.core.dry_run_config import DryRunConfig
from ur5_rl_bringup.core.dry_run_record import DryRunRecord
from ur5_rl_bringup.core.samples import EnvSample
from ur5_rl_env.core.arm_state import FAULT_STATES, ArmState
from ur5_rl_env.core.kinematics import position_of_tool0
from ur5_rl_env.core.sensors import MAX_SPEED_RAD_S
from ur5_rl_env.core.stop_request import StopRequest, StopRequests
from ur5_rl_env.core.task import JOINT_NAMES
from ur5_rl_env.core.ur_modes import SAFE_MODES, SafetyMode, name_of
from ur5_rl_env.core.velocity_command import NANOSECONDS

AXES = "xyz"
STARTED_S = 1.0  # of an episode: by then all have found each other
MAX_TROUBLES = 1000  # that are kept: what comes and goes all the time tells no more
PHASES = (EnvSample.WAITING, EnvSample.RESETTING, EnvSample.RUNNING)
JOINTS = tuple(name.removesuffix("_joint") for name in JOINT_NAMES)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What arm_node tells 25 times a second.

    Raises:
        ValueError: a number is none that an arm could tell.
    """

    state: int
    cause: str
    safety_mode: int
    joint_states_hz: float
    limited: tuple[bool, ...]
    velocity_target_rad_s: tuple[float, ...]  # would have been sent

    def __post_init__(self) -> None:
        _require_known("state", self.state, tuple(ArmState))
        _require_amount("joint_states_hz", self.joint_states_hz)
        velocity = self.velocity_target_rad_s
        if not all(abs(v) <= MAX_SPEED_RAD_S for v in velocity):
            raise ValueError(
                f"velocity_target_rad_s must lie in +-{MAX_SPEED_RAD_S}, got {velocity}"
            )


@dataclass(frozen=True, kw_only=True)
class Env:
    """What env_node tells twice a second and at each change.

    Raises:
        ValueError: a number is none that an environment could tell.
    """

    phase: int
    waiting_for: str
    images_hz: float
    mask_px: float

    def __post_init__(self) -> None:
        _require_known("phase", self.phase, PHASES)
        _require_amount("images_hz", self.images_hz)
        _require_amount("mask_px", self.mask_px)


@dataclass(frozen=True)
class Trouble:
    """Something that went wrong: who told, what, and when first [s]."""

    source: str
    text: str
    at_s: float


class DryRun:
    """Collects what the nodes tell, line by line and in all. Owned by one thread.

    Args:
        config: How long, and where the walls are.
        now_s: Start of the run [s]; the same steady clock everywhere.

    Attributes:
        troubles: All that went wrong, oldest first; no more than `MAX_TROUBLES`.
        refused: Messages that could not be used.
    """

    def __init__(self, config: DryRunConfig, now_s: float) -> None:
        self.troubles: list[Trouble] = []
        self.refused = 0
        self._config = config
        self._started_s = now_s
        self._arm: Arm | None = None
        self._env: Env | None = None
        self._q: tuple[float, ...] | None = None
        self._stop_requests = StopRequests()  # believes what the arm would believe
        self._refusals: dict[str, str] = {}  # topic: what was wrong with its first
        self._heard_s = {"arm_node": now_s, "env_node": now_s}
        self._running_since_s: float | None = None
        self._has_run = False  # an episode has: from then on, what goes wrong counts
        self._limited: set[str] = set()  # since the last line
        self._standing: dict[str, str] = {}  # source: what is wrong with it now
        self._record = DryRunRecord()

    def on_arm(self, arm: Arm, now_s: float) -> None:
        """Take what the arm says of itself."""
        self._arm, self._heard_s["arm_node"] = arm, now_s
        held = {n for n, is_held in zip(JOINTS, arm.limited, strict=True) if is_held}
        self._limited |= held
        if self._has_run:
            self._record.joint_states_hz.add(arm.joint_states_hz)
            self._record.speed_rad_s.add(max(map(abs, arm.velocity_target_rad_s)))
            self._record.limited |= held

    def on_env(self, env: Env, now_s: float) -> None:
        """Take what the environment says of itself."""
        self._env, self._heard_s["env_node"] = env, now_s
        if env.phase != EnvSample.RUNNING:
            self._running_since_s = None
        elif self._running_since_s is None:
            self._running_since_s = now_s
        elif now_s - self._running_since_s >= STARTED_S:
            self._has_run = True
        if self._has_run:
            self._record.images_hz.add(env.images_hz)
            self._record.mask_px.add(env.mask_px)

    def on_joints(self, q: Sequence[float]) -> None:
        """Take true joint positions [rad], shape (6,)."""
        self._q = tuple(q)

    def on_stop_request(self, request: StopRequest, now_s: float) -> None:
        """Take what the watch asks for.

        Raises:
            ValueError: the arm would refuse it.
        """
        refusal = self._stop_requests.offer(request, round(now_s * NANOSECONDS))
        if refusal:
            raise ValueError(refusal)

    def on_refusal(self, topic: str, why: str) -> None:
        """Note that a message could not be used: its sender is not in order."""
        self.refused += 1
        self._refusals.setdefault(topic, why)

    def news(self, now_s: float) -> list[str]:
        """Return a line for each trouble that came or went; call it often."""
        found = dict(self._troubles(now_s))
        lines = []
        for source in sorted(self._standing.keys() - found.keys()):
            lines.append(f"| dry | {self._at(now_s)} | {source} is in order again")
        for source, text in found.items():
            if source not in self._standing:
                if len(self.troubles) < MAX_TROUBLES:
                    self.troubles.append(Trouble(source, text, now_s - self._started_s))
                lines.append(f"| dry | {self._at(now_s)} | FAULT {source}: {text}")
        self._standing = found
        return lines

    def line(self, now_s: float) -> str:
        """Return how things are; "-" stands for what was not heard yet."""
        limited = [name for name in JOINTS if name in self._limited]
        self._limited = set()
        parts = [
            self._at(now_s),
            *self._sensor_parts(),
            *self._arm_parts(),
            f"limits held {', '.join(limited) or 'nothing'}",
            self._wall_part(),
        ]
        return "| dry | " + " | ".join(parts)

    def is_over(self, now_s: float) -> bool:
        """Whether it has lasted as long as it should."""
        limit_s = 60.0 * self._config.max_minutes
        return bool(limit_s) and now_s - self._started_s >= limit_s

    @property
    def has_passed(self) -> bool:
        """Whether every sensor was fresh and nothing went wrong."""
        return self._has_run and not self.troubles

    def summary(self, now_s: float) -> list[str]:
        """Return what a person should know at the end."""
        lines = [f"dry run of {now_s - self._started_s:.0f} s", *self._record.lines()]
        lines += [f"{t.at_s:.1f} s: {t.source}: {t.text}" for t in self.troubles]
        if not self._has_run:
            env = self._env
            lines.append(
                "no episode could begin: "
                + (f"env_node waits for {env.waiting_for}" if env else "no env_node")
            )
        passed = "PASSED: every sensor was fresh, no fault was seen"
        return [*lines, passed if self.has_passed else "FAILED"]

    def _troubles(self, now_s: float) -> Iterator[tuple[str, str]]:
        """Yield who is not as it should be now, and what is wrong."""
        for node, heard_s in self._heard_s.items():
            if self._has_run and now_s - heard_s > self._config.silence_s:
                yield f"{node} (silence)", f"unheard for {self._config.silence_s:g} s"
        for topic, why in self._refusals.items():
            yield f"{topic} (refused)", why
        if reason := self._stop_requests.standing(round(now_s * NANOSECONDS)):
            yield "watch_node", reason
        env, arm = self._env, self._arm
        if self._has_run and env is not None and env.phase == EnvSample.WAITING:
            yield "env_node", env.waiting_for
        if arm is None:
            return
        lost = self._has_run and arm.state < ArmState.IDLE
        if lost or arm.state in FAULT_STATES:
            yield "arm_node", f"{name_of(ArmState, arm.state)}: {arm.cause}"
        elif arm.state >= ArmState.IDLE and arm.safety_mode not in SAFE_MODES:
            yield "safety mode", name_of(SafetyMode, arm.safety_mode)

    def _at(self, now_s: float) -> str:
        return f"{now_s - self._started_s:.0f} s"

    def _sensor_parts(self) -> list[str]:
        arm, env = self._arm, self._env
        return [
            f"joint states {arm.joint_states_hz:.1f} Hz" if arm else "joint states - Hz",
            f"camera {env.images_hz:.1f} fps" if env else "camera - fps",
            f"mask {env.mask_px:.0f} px" if env else "mask - px",
        ]

    def _arm_parts(self) -> list[str]:
        arm = self._arm
        if arm is None:
            return ["arm -", "safety -", "would send - rad/s"]
        velocity = " ".join(f"{v:+.3f}" for v in arm.velocity_target_rad_s)
        return [
            f"arm {name_of(ArmState, arm.state)}",
            f"safety {name_of(SafetyMode, arm.safety_mode)}",
            f"would send {velocity} rad/s",
        ]

    def _wall_part(self) -> str:
        if self._q is None:
            return "tool0 -"
        distance_m, wall = self._nearest_wall(position_of_tool0(self._q))
        self._record.wall_m.add(distance_m)
        return f"tool0 {distance_m:.3f} m from wall {wall}"

    def _nearest_wall(self, tool_m: Sequence[float]) -> tuple[float, str]:
        """Return the distance [m], negative outside of the box, and the wall's name."""
        config = self._config
        below = zip(tool_m, config.box_lower_m, AXES, strict=True)
        above = zip(tool_m, config.box_upper_m, AXES, strict=True)
        return min(
            *((value - wall, f"-{axis}") for value, wall, axis in below),
            *((wall - value, f"+{axis}") for value, wall, axis in above),
        )


def _require_known(name: str, value: int, known: Sequence[int]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be in {min(known)}..{max(known)}, got {value}")


def _require_amount(name: str, value: float) -> None:
    if not 0.0 <= value < math.inf:  # also refuses NaN
        raise ValueError(f"{name} must be finite, at least 0, got {value}")
