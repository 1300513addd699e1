"""The robot through ur_rtde, with its hazards kept in one place.

* The constructors hold Python's lock, up to seconds: make the link before anything runs.
* `speedJ` latches: the robot goes on at the last speed if nobody sends another one. Its
  own watchdog, set here, stops it when this process falls silent.
* RTDEControlInterface does not survive a lost link (it hangs or crashes, also while it is
  destroyed): whoever sees `LinkLostError` must leave the process without looking back.
* After a stop of the robot the interface is made anew, never resumed: the program would
  replay the velocity that it was last sent. A new interface sends "no command" first.
"""

import socket
import struct
import time
from collections.abc import Callable

from dashboard_client import DashboardClient
from rtde_control import RTDEControlInterface
from rtde_receive import RTDEReceiveInterface

from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.arm_state import RobotSample
from ur5_rl_env.core.ramp import STILL, Joints
from ur5_rl_env.core.ur_modes import RobotMode, RuntimeState
from ur5_rl_env.nodes import last_resort
from ur5_rl_ros.process import ConfigurationError, LinkLostError, Stop

RTDE_PORT = 30004
FIELDS = [
    "timestamp", "actual_q", "actual_qd", "robot_mode", "safety_mode", "runtime_state",
]  # fmt: skip
# RTDE, "request protocol version": size of the package, its type, then version or answer.
ASKS_FOR_VERSION_2 = struct.pack(">HBH", 5, ord("V"), 2)
ACCEPTS = struct.pack(">HBB", 4, ord("V"), 1)
PROBE_TIMEOUT_S = 1.0
RETRY_S = 0.25
POWER_ON_TIMEOUT_S = 30.0
PROGRAM_START_TIMEOUT_S = 2.0
DASHBOARD_TIMEOUT_MS = 2000


class ArmLink:
    """One robot: samples in, joint velocities out. Owned by the loop's thread."""

    def __init__(self, config: ArmConfig) -> None:
        """Connect to receive.

        Raises:
            OSError: the robot does not answer.
        """
        self._ip = config.robot_ip
        self._config = config
        self._control: RTDEControlInterface | None = None
        probe(self._ip)
        try:
            self._receive = RTDEReceiveInterface(self._ip, config.control_rate_hz, FIELDS)
        except RuntimeError as error:
            raise ConnectionError(f"robot at {self._ip}: {error}") from None
        self._newest_s = 0.0

    def read(self) -> RobotSample | None:
        """Return the newest sample, None if there is none since the last call.

        Raises:
            LinkLostError: the robot has closed the connection.
        """
        receive = self._receive
        robot_s = receive.getTimestamp()
        if robot_s == self._newest_s:
            if not receive.isConnected():
                raise self.lost("connection closed")
            return None
        while True:  # all fields from one package
            sample = self._sample(robot_s)
            if (again_s := receive.getTimestamp()) == robot_s:
                break
            robot_s = again_s
        self._newest_s = robot_s
        return sample

    def lost(self, reason: str) -> LinkLostError:
        """Return the error that ends this process."""
        return LinkLostError(f"robot at {self._ip}:{RTDE_PORT}: link lost ({reason})")

    def _sample(self, robot_s: float) -> RobotSample:
        receive = self._receive
        return RobotSample(
            robot_s=robot_s,
            taken_ns=time.monotonic_ns(),
            q=tuple(receive.getActualQ()),
            qd=tuple(receive.getActualQd()),
            robot_mode=receive.getRobotMode(),
            safety_mode=receive.getSafetyMode(),
            runtime_state=receive.getRuntimeState(),
        )

    def switch_on(self, stop: Stop) -> None:
        """Switch the arm on and release its brakes, where that is still to be done.

        Raises:
            OSError: it did not come up in time, or the dashboard refuses.
        """
        if self._receive.getRobotMode() == RobotMode.RUNNING:
            return
        dashboard = connected_dashboard(self._ip)
        try:
            dashboard.powerOn()
            dashboard.brakeRelease()
        except RuntimeError as error:
            raise ConnectionError(f"robot at {self._ip}: {error}") from None
        deadline = time.monotonic() + POWER_ON_TIMEOUT_S
        while self._receive.getRobotMode() != RobotMode.RUNNING:
            if stop.wait(RETRY_S):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"robot at {self._ip} did not switch on in {POWER_ON_TIMEOUT_S} s"
                )

    def start_control(self) -> None:
        """Start the control program with its watchdog, if the robot could move at all.

        Raises:
            OSError: the program does not start, or another client holds the robot.
        """
        if not self._sample(0.0).can_move:
            return
        try:
            control = RTDEControlInterface(self._ip, self._config.control_rate_hz)
            is_watched = control.setWatchdog(self._config.watchdog_hz)
        except RuntimeError as error:
            raise ConnectionError(f"robot at {self._ip}: {error}") from None
        if not is_watched:
            raise ConnectionError(f"robot at {self._ip} did not accept the watchdog")
        self._control = control
        self.send(STILL)
        self._await_program()

    def _await_program(self) -> None:
        deadline = time.monotonic() + PROGRAM_START_TIMEOUT_S
        while self._receive.getRuntimeState() != RuntimeState.PLAYING:
            if time.monotonic() > deadline:
                raise TimeoutError(f"robot at {self._ip}: control program did not start")
            time.sleep(0.004)
            self.send(STILL)

    def send(self, velocity: Joints) -> None:
        """Ask for joint velocities [rad/s]; the robot reaches them within a cycle."""
        if self._control is not None:
            config = self._config
            self._control.speedJ(
                velocity, config.stop_acceleration_rad_s2, config.control_period_s
            )

    def restart_control(self) -> None:
        """Make the control interface anew: after a stop its program cannot go on.

        Raises:
            OSError: see `start_control`.
        """
        self._control = None  # ends its threads, in half a second
        self.start_control()

    def stop_control(self) -> None:
        """End the control program: the robot holds still and listens to nobody.

        The interface stays as it is: its end takes half a second, the process's does not.
        """
        if self._control is not None:
            self._control.stopScript()


def connected_dashboard(ip: str) -> DashboardClient:
    """Return a client of the robot's dashboard server.

    Raises:
        OSError: it does not answer.
    """
    dashboard = DashboardClient(ip)
    try:
        dashboard.connect(DASHBOARD_TIMEOUT_MS)
    except RuntimeError as error:
        raise ConnectionError(f"dashboard of {ip}: {error}") from None
    return dashboard


def stop_program(ip: str) -> str:
    """Ask the dashboard to end the program; return why it refuses, or ""."""
    return _asked(ip, DashboardClient.stop)


def unlock_protective_stop(ip: str) -> str:
    """Ask the dashboard to end a protective stop; return why it refuses, or ""."""
    return _asked(
        ip, DashboardClient.closeSafetyPopup, DashboardClient.unlockProtectiveStop
    )


def _asked(ip: str, *requests: Callable[[DashboardClient], object]) -> str:
    """Make requests of the dashboard, each of which ends in 2.5 s; return what failed."""
    try:
        dashboard = connected_dashboard(ip)
        for request in requests:
            request(dashboard)
    except (OSError, RuntimeError) as error:
        return str(error).strip()
    return ""


def probe(ip: str) -> None:
    """Check that a robot answers: where none does, ur_rtde waits for ever.

    To be connected is not enough, a kernel does that for a robot that hangs.

    Raises:
        OSError: names the address and what is wrong with it.
    """
    try:
        with (
            socket.create_connection((ip, RTDE_PORT), PROBE_TIMEOUT_S) as link,
            link.makefile("rb") as answers,
        ):
            link.sendall(ASKS_FOR_VERSION_2)
            answer = answers.read(len(ACCEPTS))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConnectionError(
            f"robot at {ip}:{RTDE_PORT} does not answer ({reason})"
        ) from None
    if answer != ACCEPTS:
        raise ConnectionError(
            f"robot at {ip}:{RTDE_PORT} does not speak RTDE version 2 ({answer!r})"
        )


def connected_link(config: ArmConfig, stop: Stop, waits_for) -> ArmLink | None:
    """Return a link that is ready to move; None if `stop` came first.

    Args:
        config: Where the robot is, and for how long to try.
        stop: Raised by a signal.
        waits_for: Is told, at each failed attempt, what went wrong.

    Raises:
        ConfigurationError: it is still unreachable after `connect_timeout_s`.
    """
    deadline = time.monotonic() + config.connect_timeout_s
    while not stop.requested:
        try:
            last_resort.end_process_in(last_resort.CONNECT_S)
            link = ArmLink(config)
            if config.power_on:
                last_resort.end_process_in(last_resort.SWITCH_ON_S)
                link.switch_on(stop)
            last_resort.end_process_in(last_resort.CONNECT_S)
            link.start_control()
            return link
        except OSError as error:
            if time.monotonic() + RETRY_S > deadline:
                raise ConfigurationError(str(error)) from error
            waits_for(str(error))
            stop.wait(RETRY_S)
    return None
