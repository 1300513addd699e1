"""A virtual arm that keeps its limits, against a policy that does not want it to.

Free of clocks: who wants to know what the limiter costs passes it in, timed.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.clearance import clearance
from ur5_rl_env.core.kinematics import links_of
from ur5_rl_env.core.limits import SafetyLimits
from ur5_rl_env.core.ramp import STILL, Joints, ramped
from ur5_rl_env.core.safety import Limited, limited_motion
from ur5_sim.core.adversaries import Policy, uniform
from ur5_sim.core.plant import Plant

EPISODE_ACTIONS = 250  # then from another place
WANDER_ACTIONS = 10  # at the start of an episode: so that it moves when it matters
UNTOUCHED = math.inf


def wide_arm() -> ArmConfig:
    """Return an arm whose joints alone keep nothing from colliding."""
    lower, upper = (0, -180, -150, -360, -180, 50), (180, 0, 150, 0, 0, 190)
    return ArmConfig(
        joint_lower_rad=tuple(map(math.radians, lower)),
        joint_upper_rad=tuple(map(math.radians, upper)),
    )


@dataclass
class Margins:
    """The least that was left to each limit; negative beyond it."""

    joint_rad: float = UNTOUCHED
    tool_m: float = UNTOUCHED
    elbow_m: float = UNTOUCHED
    wrist_m: float = UNTOUCHED
    self_collision_m: float = UNTOUCHED

    @property
    def least(self) -> float:
        """The least of all, in its own unit."""
        lengths = self.tool_m, self.elbow_m, self.wrist_m, self.self_collision_m
        return min(self.joint_rad, *lengths)

    def note(self, other: "Margins") -> None:
        """Take the lesser of each."""
        for name, value in vars(other).items():
            setattr(self, name, min(getattr(self, name), value))


@dataclass
class Outcome:
    """What a trial has shown.

    Attributes:
        margins: The least that was left to each limit.
        cycles, excursions: Cycles driven, and those beyond any limit.
        acceleration: Largest of the leading joint, in parts of the one allowed: that of
            following, or of stopping where a limit has changed the motion.
        jerk_rad_s3: Largest of a joint while following.
        speed_rad_s: Largest of a joint.
        limited: Cycles in which a limit was reported.
    """

    margins: Margins = field(default_factory=Margins)
    cycles: int = 0
    excursions: int = 0
    acceleration: float = 0.0
    jerk_rad_s3: float = 0.0
    speed_rad_s: float = 0.0
    limited: int = 0

    def note(self, other: "Outcome") -> None:
        """Add another trial's."""
        self.margins.note(other.margins)
        for name in ("cycles", "excursions", "limited"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("acceleration", "jerk_rad_s3", "speed_rad_s"):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))


class LimitTrial:
    """One arm and one policy.

    Args:
        arm: What the limits and paces are; excursions are counted against it.
        policy: See `adversaries`.
        stalls: Probability that the limiter's process stalls after a cycle.
        seed: Of everything that is random.
        limits: In place of the arm's own: to see what is missing without one.
        limiter: In place of `limited_motion`.
    """

    def __init__(
        self,
        arm: ArmConfig,
        policy: Policy,
        *,
        stalls: float = 0.0,
        seed: int = 0,
        limits: SafetyLimits | None = None,
        limiter: Callable[..., Limited] = limited_motion,
    ) -> None:
        self._arm, self._policy, self._stalls = arm, policy, stalls
        self._limits, self._limiter = limits or arm.limits(), limiter
        self._bounds = bounds(arm)
        self._source = random.Random(seed)
        self._cycles = round(arm.action_period_s * arm.control_rate_hz)
        # in cycles; one more, and the robot's watchdog has stopped the arm
        self._longest_stall = int(arm.control_rate_hz / arm.watchdog_hz) - 1
        self.outcome = Outcome()

    def run(self, actions: int) -> Outcome:
        """Drive so many actions, each episode from rest at a random place."""
        for action in range(actions):
            if action % EPISODE_ACTIONS == 0:
                self._restart()
            is_wandering = action % EPISODE_ACTIONS < WANDER_ACTIONS
            policy = uniform if is_wandering else self._policy
            parts = policy(self._source, action, self._plant.q)
            speed = self._arm.max_joint_speed_rad_s
            wanted = (*(speed * part for part in parts), 0.0)
            for _ in range(self._cycles):
                self._cycle(wanted)
        return self.outcome

    def _restart(self) -> None:
        self._plant = Plant(
            random_pose(self._source, self._limits), cycle_s=self._limits.period_s
        )
        self._following = self._sent = self._acceleration = STILL
        self._since = 0  # cycles since the last decision
        self._stalled = 0  # cycles of a stall still to come
        self._is_step = self._was_step = False  # of what the plant follows now, before
        self._qdd: Joints = STILL

    def _cycle(self, wanted: Joints) -> None:
        plant, limits = self._plant, self._limits
        is_step = False
        self._since += 1
        if self._stalled:
            self._stalled -= 1
        else:
            is_step = self._decide(wanted)
            if self._source.random() < self._stalls:
                self._stalled = self._source.randint(1, self._longest_stall)
        plant.speedj(self._sent, limits.stop_acceleration_rad_s2)
        plant.step()
        self._note()
        self._was_step, self._is_step = self._is_step, is_step  # effective a cycle later

    def _decide(self, wanted: Joints) -> bool:
        """Send what the limits allow, as arm_node; return whether no wall changed it."""
        most = self._limits.stop_acceleration_rad_s2 * self._limits.period_s
        self._following = ramped(self._following, self._sent, most * self._since)
        motion = self._limiter(
            wanted,
            self._following,
            self._plant.q,
            self._limits,
            pace=self._arm.pace,
            acceleration=self._acceleration if self._since == 1 else STILL,
        )
        self._since = 0
        self._sent, self._acceleration = motion.velocity, motion.acceleration
        self.outcome.limited += any(motion.joints)
        return motion.is_step

    def _note(self) -> None:
        outcome, plant = self.outcome, self._plant
        left = margins(plant.q, self._bounds)
        outcome.margins.note(left)
        outcome.cycles += 1
        outcome.excursions += left.least < 0.0
        qdd, before, self._qdd = plant.target_qdd, self._qdd, plant.target_qdd
        allowed = self._arm.stop_acceleration_rad_s2
        if self._is_step:
            allowed = self._arm.acceleration_rad_s2
            if self._was_step:
                change = max([abs(a - b) for a, b in zip(qdd, before, strict=True)])
                jerk = change / self._limits.period_s
                outcome.jerk_rad_s3 = max(outcome.jerk_rad_s3, jerk)
        outcome.acceleration = max(outcome.acceleration, max(map(abs, qdd)) / allowed)
        outcome.speed_rad_s = max(outcome.speed_rad_s, *map(abs, plant.target_qd))


def bounds(arm: ArmConfig) -> SafetyLimits:
    """Return what the arm must never be beyond: its limits, without their margins."""
    return replace(
        arm.limits(),
        joint_lower_rad=arm.joint_lower_rad,
        joint_upper_rad=arm.joint_upper_rad,
        box_lower_m=arm.box_lower_m,
        box_upper_m=arm.box_upper_m,
        elbow_lower_m=arm.elbow_box_lower_m,
        elbow_upper_m=arm.elbow_box_upper_m,
        wrist_floor_m=arm.wrist_floor_m,
        clearance_m=arm.self_collision_margin_m,
    )


def margins(q: Joints, limits: SafetyLimits) -> Margins:
    """Return what is left at `q` to each of the `limits`."""
    links = links_of(q)
    return Margins(
        _inside(q, limits.joint_lower_rad, limits.joint_upper_rad),
        _inside(links.tool0, limits.box_lower_m, limits.box_upper_m),
        _inside(links.elbow, limits.elbow_lower_m, limits.elbow_upper_m),
        min(links.wrist_z, links.hand_z) - limits.wrist_floor_m,
        clearance(links) - limits.clearance_m,
    )


def random_pose(source: random.Random, limits: SafetyLimits) -> Joints:
    """Return a pose that is evenly distributed inside the limits."""
    while True:
        pairs = zip(limits.joint_lower_rad, limits.joint_upper_rad, strict=True)
        q = tuple([source.uniform(low, high) for low, high in pairs])
        if limits.hold(q):
            return q


def _inside(values: Joints, lower: Joints, upper: Joints) -> float:
    rows = zip(values, lower, upper, strict=True)
    return min([min(value - low, high - value) for value, low, high in rows])
