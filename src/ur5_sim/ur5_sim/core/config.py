"""Parameters of the virtual UR controller."""

import ipaddress
import math
from dataclasses import dataclass

from ur5_rl_env.core.task import NUM_JOINTS, START_POSE_RAD

SERIES = ("cb3", "e-series")


@dataclass(frozen=True, kw_only=True)
class ControllerConfig:
    """One virtual robot on one address. SI units.

    Attributes:
        address: Where to listen; clients know the ports, so it is one robot an address.
        allow_non_loopback: Listen on an address that other machines can reach.
        series: "cb3" (PolyScope 3.15.8, 125 Hz) or "e-series" (5.12.4, 500 Hz).
        start_pose_rad: Joint positions at start, 6 of them, pan first.
        power_on: Start with power on and brakes released, or in POWER_OFF.
        pose_file: Shared array (2, 6) of true joint positions [rad] and speeds [rad/s],
            written each control cycle; empty for none.
        side_door_port: TCP port for fault injection, 0 for none.
        unlock_delay_s: A protective stop cannot be unlocked earlier than this.
        power_step_s: Time for the power supply to come up, and for the brakes to open.
        packet_jitter_s: State packages leave up to this much late (uniform).
        packet_skip_probability: Part of the state packages that are never sent.
        seed: Of the jitter and the skipping.
        realtime_priority: SCHED_FIFO priority, 0 for the ordinary scheduler.
        linger_s: Asked to stop, it serves its RTDE clients on for so long: whoever drives
            the arm brings it to rest first.
    """

    address: str = "127.0.0.1"
    allow_non_loopback: bool = False
    series: str = "cb3"
    start_pose_rad: tuple[float, ...] = START_POSE_RAD
    power_on: bool = True
    pose_file: str = ""
    side_door_port: int = 29998
    unlock_delay_s: float = 5.0
    power_step_s: float = 1.0
    packet_jitter_s: float = 0.0
    packet_skip_probability: float = 0.0
    seed: int = 0
    realtime_priority: int = 0
    linger_s: float = 0.0

    def __post_init__(self) -> None:
        self._check_address()
        if self.series not in SERIES:
            raise ValueError(f"series must be one of {SERIES}, got '{self.series}'")
        pose = self.start_pose_rad
        if len(pose) != NUM_JOINTS or not all(abs(p) <= 2 * math.pi for p in pose):
            raise ValueError(
                f"start_pose_rad must be {NUM_JOINTS} angles within +-2 pi, got {pose}"
            )
        for name in ("unlock_delay_s", "power_step_s", "packet_jitter_s", "linger_s"):
            value = getattr(self, name)
            if not 0.0 <= value <= 60.0:
                raise ValueError(f"{name} must be in [0, 60], got {value}")
        for name, most in (("side_door_port", 65535), ("realtime_priority", 99)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ValueError(f"{name} must be in [0, {most}], got {value}")
        if not 0.0 <= self.packet_skip_probability < 1.0:
            raise ValueError(
                "packet_skip_probability must be in [0, 1), got "
                f"{self.packet_skip_probability}"
            )

    def _check_address(self) -> None:
        try:
            address = ipaddress.IPv4Address(self.address)
        except ValueError:
            raise ValueError(
                f"address must be an IPv4 address, got '{self.address}'"
            ) from None
        if not (address.is_loopback or self.allow_non_loopback):
            raise ValueError(
                f"address {self.address} can be reached from other machines, and whoever "
                "reaches it commands this robot; use 127.x.y.z or set allow_non_loopback"
            )
