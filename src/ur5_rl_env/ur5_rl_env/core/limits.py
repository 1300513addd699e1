"""Where the arm may be, and whether it is there.

Joint range, box of `tool0`, box of the elbow joint, least height of the wrist, and
distance of the arm from itself. Plain floats: about 6 us to ask for one pose.
"""

from dataclasses import dataclass, replace
from operator import le

from ur5_rl_env.core.clearance import NEAR_M, clearance, contacts
from ur5_rl_env.core.kinematics import Links, elbow_rows, jacobian_rows, links_of
from ur5_rl_env.core.ramp import Joints

TOLERANCE = 1e-9  # [rad] and [m]; rounding only

Wall = tuple[float, tuple[float, ...]]  # excess [m], d(excess) / dq [m/rad]


@dataclass(frozen=True, kw_only=True)
class SafetyLimits:
    """Where the arm may be, and how fast it can stop.

    Attributes:
        joint_lower_rad, joint_upper_rad: Range of each joint, 6 values.
        box_lower_m, box_upper_m: Box of `tool0` in `base_link`, 3 values.
        elbow_lower_m, elbow_upper_m: Box of the elbow joint in `base_link`, 3 values.
        wrist_floor_m: Least height of the axis of wrist_1, and of the point where those
            of wrist_2 and wrist_3 meet.
        clearance_m: Least gap between two bodies of the arm, see `clearance`.
        stop_acceleration_rad_s2: Deceleration of the fastest joint while braking.
        latency_s: Time that passes before a decision changes the motion.
        period_s: Time between two decisions.
    """

    joint_lower_rad: Joints
    joint_upper_rad: Joints
    box_lower_m: Joints
    box_upper_m: Joints
    elbow_lower_m: Joints
    elbow_upper_m: Joints
    wrist_floor_m: float
    clearance_m: float
    stop_acceleration_rad_s2: float
    latency_s: float
    period_s: float

    def __post_init__(self) -> None:
        for what, lower, upper in (
            ("joint_lower_rad", self.joint_lower_rad, self.joint_upper_rad),
            ("box_lower_m", self.box_lower_m, self.box_upper_m),
            ("elbow_lower_m", self.elbow_lower_m, self.elbow_upper_m),
        ):
            if not all(low < high for low, high in zip(lower, upper, strict=True)):
                raise ValueError(f"{what} must be below its upper bound, got {lower}")
        if not self.clearance_m < NEAR_M:
            raise ValueError(
                f"clearance_m must be below {NEAR_M}, got {self.clearance_m}"
            )

    def hold(self, q: Joints) -> bool:
        """Whether the arm may be at `q`."""
        in_range = is_within(q, self.joint_lower_rad, self.joint_upper_rad)
        return in_range and self.hold_links(q)

    def hold_links(self, q: Joints) -> bool:
        """Whether the links may be where `q` brings them, whatever the joint range."""
        links = links_of(q)
        floor_m = self.wrist_floor_m - TOLERANCE
        return (
            links.wrist_z >= floor_m
            and links.hand_z >= floor_m
            and _is_in_box(links.tool0, self.box_lower_m, self.box_upper_m)
            and _is_in_box(links.elbow, self.elbow_lower_m, self.elbow_upper_m)
            and clearance(links) >= self.clearance_m - TOLERANCE
        )

    def walls(self, q: Joints) -> list[Wall]:
        """Return what the links are beyond at `q`; what holds them is empty."""
        links = links_of(q)
        tool, elbow = links.tool0, links.elbow
        walls: list[Wall] = []
        if not is_within(tool, self.box_lower_m, self.box_upper_m):
            rows = jacobian_rows(q)
            walls += _excess(tool, self.box_lower_m, self.box_upper_m, rows)
        if not is_within(elbow, self.elbow_lower_m, self.elbow_upper_m):
            rows = elbow_rows(links)
            walls += _excess(elbow, self.elbow_lower_m, self.elbow_upper_m, rows)
        walls += self._below_floor(links)
        for gap_m, row in contacts(links):
            if gap_m < self.clearance_m:
                walls.append((gap_m - self.clearance_m, row))
        return walls

    def widened(self, q: Joints) -> "SafetyLimits":
        """Return limits that hold `q`: from outside, only the way back is open."""
        if self.hold(q):
            return self
        links = links_of(q)
        return replace(
            self,
            joint_lower_rad=tuple(map(min, self.joint_lower_rad, q)),
            joint_upper_rad=tuple(map(max, self.joint_upper_rad, q)),
            box_lower_m=tuple(map(min, self.box_lower_m, links.tool0)),
            box_upper_m=tuple(map(max, self.box_upper_m, links.tool0)),
            elbow_lower_m=tuple(map(min, self.elbow_lower_m, links.elbow)),
            elbow_upper_m=tuple(map(max, self.elbow_upper_m, links.elbow)),
            wrist_floor_m=min(self.wrist_floor_m, links.wrist_z, links.hand_z),
            clearance_m=min(self.clearance_m, clearance(links)),
        )

    def stopping_s(self, velocity: Joints) -> float:
        """Return how long the arm keeps its `velocity` in effect, until it rests [s].

        The distance to rest is `velocity` times this: all of the latency, and half of the
        braking time, which is that of the fastest joint.
        """
        lead = max(map(abs, velocity))
        return self.latency_s + 0.5 * lead / self.stop_acceleration_rad_s2

    def _below_floor(self, links: Links) -> list[Wall]:
        wrist_r, hand_r = links.wrist_r, links.hand_r
        to_elbow = wrist_r - links.elbow_r
        wrist_row = (0.0, wrist_r, to_elbow, 0.0, 0.0, 0.0)
        to_wrist = hand_r - wrist_r
        hand_row = (0.0, hand_r, to_elbow + to_wrist, to_wrist, 0.0, 0.0)
        heights = ((links.wrist_z, wrist_row), (links.hand_z, hand_row))
        floor_m = self.wrist_floor_m
        return [(z - floor_m, row) for z, row in heights if z < floor_m]


def is_within(values: Joints, lower: Joints, upper: Joints) -> bool:
    """Whether each value lies between its bounds."""
    same_length = len(values) == len(lower) == len(upper)
    if same_length and all(map(le, lower, values)) and all(map(le, values, upper)):
        return True  # the usual case; the loop below forgives rounding
    for value, low, high in zip(values, lower, upper, strict=True):
        if not low - TOLERANCE <= value <= high + TOLERANCE:
            return False
    return True


def _is_in_box(point: Joints, lower: Joints, upper: Joints) -> bool:
    """`is_within` for three values, in half the time."""
    (x, y, z), (ax, ay, az), (bx, by, bz) = point, lower, upper
    if ax <= x <= bx and ay <= y <= by and az <= z <= bz:
        return True
    return is_within(point, lower, upper)


def _excess(
    values: Joints, lower: Joints, upper: Joints, rows: tuple[tuple[float, ...], ...]
) -> list[Wall]:
    bounds = zip(values, lower, upper, rows, strict=True)
    excesses = [(v - max(low, min(high, v)), row) for v, low, high, row in bounds]
    return [(excess, row) for excess, row in excesses if excess]
