"""Everything about the arm node that an experimenter may change."""

import math
from dataclasses import dataclass

from ur5_rl_env.core import task
from ur5_rl_env.core.clearance import clearance
from ur5_rl_env.core.kinematics import links_of
from ur5_rl_env.core.limits import SafetyLimits
from ur5_rl_env.core.safety import Pace

MIN_WATCHDOG_HZ = 2.0
SIGNED = ("wrist_floor_m",)  # a robot may stand above the table


@dataclass(frozen=True, kw_only=True)
class ArmConfig:
    """Link, limits and motions of the arm node. SI units (REP-103), frame `base_link`.

    Attributes:
        robot_ip: Address of the robot's controller.
        control_rate_hz: Rate of state and commands: 125 (CB3) or up to 500 (e-Series).
        action_period_s: Time between two commands; one of three of them without a
            command makes the arm STALE.
        max_command_age_s: An older command is no longer followed: the arm brakes.
        max_sample_age_s: Nothing is decided by an older sample of the robot: it brakes.
        max_joint_speed_rad_s: Largest joint speed that a command can ask for.
        acceleration_rad_s2: Of the leading joint while commands are followed.
        jerk_rad_s3: Of each joint while commands are followed and on the way to the start
            pose; braking for safety begins and ends at once.
        stop_acceleration_rad_s2: Of the leading joint while the arm brakes.
        joint_lower_rad, joint_upper_rad: Range of each joint, 6 values.
        box_lower_m, box_upper_m: Box of `tool0` in `base_link`, 3 values.
        elbow_box_lower_m, elbow_box_upper_m: Box of the elbow joint, likewise.
        wrist_floor_m: Least height of the wrist's axes above the table that the robot
            stands on: half of the housing is below its axis.
        self_collision_margin_m: Least gap between the bodies of the arm.
        joint_margin_rad, box_margin_m: The arm stops this far ahead of its limits.
        start_pose_rad: Where `move_to_start` leads, 6 values.
        move_speed_rad_s, move_acceleration_rad_s2: Of the leading joint on the way there.
        recovery_speed_rad_s: The same, from the start of the process and after a stop
            until the arm has arrived once.
        move_tolerance_rad: Distance of each joint at which it has arrived.
        move_timeout_s: A longer way to the start pose has failed; in proportion longer
            where it is slow.
        watchdog_hz: The robot stops by itself if commands come less often than this.
        unlock_delay_s: Time before a protective stop may be unlocked (the robot's rule).
        connect_timeout_s: How long to wait for the robot at start.
        link_timeout_s: Without a sample for this long the link is lost.
        robot_clock_pauses: Whether the robot's clock may stand still, as a virtual one's
            does with its machine. A real one's does not: samples that are late by it have
            been under way.
        stop_file: Keeps a stop by `stop_arm` for the next process; "" for no such file.
        power_on: Switch the arm on and release its brakes at start.
        dry_run: Decide everything on the real robot, but send zero velocity alone.
        realtime_priority: SCHED_FIFO priority of the loop, where the system grants it; 0
            for the ordinary scheduler.
    """

    robot_ip: str = "127.0.0.1"
    control_rate_hz: float = 125.0
    action_period_s: float = task.ACTION_PERIOD_S
    max_command_age_s: float = 0.05
    max_sample_age_s: float = 0.02
    max_joint_speed_rad_s: float = task.MAX_JOINT_SPEED_RAD_S
    acceleration_rad_s2: float = task.ACCELERATION_RAD_S2
    jerk_rad_s3: float = 100.0
    stop_acceleration_rad_s2: float = 4.0
    joint_lower_rad: tuple[float, ...] = task.JOINT_LOWER_RAD
    joint_upper_rad: tuple[float, ...] = task.JOINT_UPPER_RAD
    box_lower_m: tuple[float, ...] = task.BOX_LOWER_M
    box_upper_m: tuple[float, ...] = task.BOX_UPPER_M
    elbow_box_lower_m: tuple[float, ...] = (-0.4, -0.3, 0.15)
    elbow_box_upper_m: tuple[float, ...] = (0.4, 0.5, 0.6)
    wrist_floor_m: float = 0.08
    self_collision_margin_m: float = 0.02
    joint_margin_rad: float = 0.002
    box_margin_m: float = 0.005
    start_pose_rad: tuple[float, ...] = task.START_POSE_RAD
    move_speed_rad_s: float = 1.05
    move_acceleration_rad_s2: float = 1.4
    recovery_speed_rad_s: float = 0.5
    move_tolerance_rad: float = 0.005
    move_timeout_s: float = 6.0
    watchdog_hz: float = 20.0
    unlock_delay_s: float = 5.2
    connect_timeout_s: float = 10.0
    link_timeout_s: float = 0.2
    robot_clock_pauses: bool = False
    stop_file: str = ""
    power_on: bool = False
    dry_run: bool = False
    realtime_priority: int = 20

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = -math.inf if name in SIGNED else 0.0
            if isinstance(value, float) and not least < value < math.inf:
                what = "finite" if name in SIGNED else "positive and finite"
                raise ValueError(f"{name} must be {what}, got {value}")
        self._check_sizes()
        self._check_rates()
        self._check_start_pose()

    @property
    def control_period_s(self) -> float:
        """Time between two cycles of the loop."""
        return 1.0 / self.control_rate_hz

    @property
    def braking_latency_s(self) -> float:
        """Longest time in which the arm goes on as before, whatever is wrong.

        From a joint sample to a decision, from there into the motion, and a stall of this
        process that the robot's watchdog does not see yet.
        """
        return self.max_sample_age_s + self.control_period_s + 1.0 / self.watchdog_hz

    @property
    def stale_age_s(self) -> float:
        """Age at which a missing command makes the arm STALE: three action cycles."""
        return max(3.0 * self.action_period_s, self.max_command_age_s)

    @property
    def pace(self) -> Pace:
        """How commands are followed."""
        return Pace(
            self.max_joint_speed_rad_s, self.acceleration_rad_s2, self.jerk_rad_s3
        )

    @property
    def move_pace(self) -> Pace:
        """How the way to the start pose is gone."""
        return Pace(
            self.move_speed_rad_s, self.move_acceleration_rad_s2, self.jerk_rad_s3
        )

    @property
    def brake_pace(self) -> Pace:
        """How the arm brakes."""
        return Pace(self.move_speed_rad_s, self.stop_acceleration_rad_s2)

    def limits(self) -> SafetyLimits:
        """Return the part that limits every motion."""
        return SafetyLimits(
            joint_lower_rad=_moved(self.joint_lower_rad, self.joint_margin_rad),
            joint_upper_rad=_moved(self.joint_upper_rad, -self.joint_margin_rad),
            box_lower_m=_moved(self.box_lower_m, self.box_margin_m),
            box_upper_m=_moved(self.box_upper_m, -self.box_margin_m),
            elbow_lower_m=_moved(self.elbow_box_lower_m, self.box_margin_m),
            elbow_upper_m=_moved(self.elbow_box_upper_m, -self.box_margin_m),
            wrist_floor_m=self.wrist_floor_m + self.box_margin_m,
            clearance_m=self.self_collision_margin_m + self.box_margin_m,
            stop_acceleration_rad_s2=self.stop_acceleration_rad_s2,
            latency_s=self.braking_latency_s,
            period_s=self.control_period_s,
        )

    def _check_sizes(self) -> None:
        for names, size in (
            (("joint_lower_rad", "joint_upper_rad", "start_pose_rad"), task.NUM_JOINTS),
            (("box_lower_m", "box_upper_m"), 3),
            (("elbow_box_lower_m", "elbow_box_upper_m"), 3),
        ):
            for name in names:
                values = getattr(self, name)
                if len(values) != size or not all(map(math.isfinite, values)):
                    raise ValueError(
                        f"{name} must be {size} finite numbers, got {values}"
                    )
        if not 0 <= self.realtime_priority <= 99:
            raise ValueError(
                f"realtime_priority must be in [0, 99], got {self.realtime_priority}"
            )

    def _check_rates(self) -> None:
        for name, least, most in (
            ("control_rate_hz", 100.0, 500.0),
            ("watchdog_hz", MIN_WATCHDOG_HZ, self.control_rate_hz / 2.0),
            ("max_joint_speed_rad_s", 0.0, math.pi),
            ("move_speed_rad_s", 0.0, math.pi),
            ("recovery_speed_rad_s", 0.0, self.move_speed_rad_s),
            ("acceleration_rad_s2", 0.0, self.stop_acceleration_rad_s2),
            ("move_acceleration_rad_s2", 0.0, self.stop_acceleration_rad_s2),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} must be in [{least}, {most}], got {value}")

    def _check_start_pose(self) -> None:
        """The limits must leave room for the task."""
        limits, pose = self.limits(), self.start_pose_rad
        links = links_of(pose)
        floor = (limits.wrist_floor_m,) * 2, (math.inf,) * 2
        for what, values, lower, upper in (
            ("joint", pose, limits.joint_lower_rad, limits.joint_upper_rad),
            ("tool0 axis", links.tool0, limits.box_lower_m, limits.box_upper_m),
            ("elbow axis", links.elbow, limits.elbow_lower_m, limits.elbow_upper_m),
            ("wrist height", (links.wrist_z, links.hand_z), *floor),
            ("gap", (clearance(links),), (limits.clearance_m,), (math.inf,)),
        ):
            rows = enumerate(zip(values, lower, upper, strict=True), start=1)
            for index, (value, low, high) in rows:
                if not low < value < high:
                    raise ValueError(
                        f"start_pose_rad: {what} {index} is at {value:.3f}, "
                        f"outside of its limits {low:.3f} to {high:.3f}"
                    )


def _moved(values: tuple[float, ...], by: float) -> tuple[float, ...]:
    return tuple(v + by for v in values)
