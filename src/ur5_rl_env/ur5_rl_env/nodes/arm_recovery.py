"""The way back after a stop: unlock the robot, then make the control link anew.

A protective stop only pauses the robot's program, and going on with it goes on with its
old motion. So: stop the program, wait until the robot may be unlocked, close the popup,
unlock, make a new control interface (its program begins with zero set-points). The arm is
then disarmed, and its way to the start pose is a slow one. An emergency stop is never
unlocked from here.

Callbacks ask and wait; the loop's thread, which owns the link, rebuilds it.
"""

import asyncio
import math
import time
from collections.abc import Callable

from ur5_rl_env.core.arm import Arm
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.arm_state import FAULT_STATES, RECOVERED, RobotSample
from ur5_rl_env.core.ur_modes import RuntimeState, SafetyMode
from ur5_rl_env.core.velocity_command import NANOSECONDS
from ur5_rl_env.nodes import last_resort
from ur5_rl_env.nodes.arm_link import ArmLink, stop_program, unlock_protective_stop
from ur5_rl_ros.process import LinkLostError

WAIT_S = 0.005  # between two looks of a waiting callback
UNLOCK_TIMEOUT_S = 2.0
SETTLE_TIMEOUT_S = 1.0  # for the loop to see that the arm has recovered
REBUILD_TIMEOUT_S = 15.0


class ArmRecovery:
    """Ends a stop of the arm, once what caused it is gone. Nothing moves by itself."""

    def __init__(
        self, arm: Arm, config: ArmConfig, newest_sample: Callable[[], RobotSample | None]
    ) -> None:
        self._arm = arm
        self._config = config
        self._newest_sample = newest_sample
        self._rebuild_wanted = False
        self._is_at_work = False
        self._stopped_ns: int | None = None

    def note(self, sample: RobotSample, now_ns: int) -> None:
        """Note when the robot stopped: it may be unlocked some seconds later."""
        if not _is_protective(sample):
            self._stopped_ns = None
        elif self._stopped_ns is None:
            self._stopped_ns = now_ns

    async def recover(self) -> tuple[bool, str]:
        """Bring the arm back for a person; return whether it is, and what to tell."""
        is_ready, text = self._arm.recover()
        if not is_ready:
            return await self.end_stop_of_robot()
        await self._settle()
        return True, text

    async def end_stop_of_robot(self) -> tuple[bool, str]:
        """Unlock the robot and rebuild the link; a person's stop stays. For callbacks."""
        if not self._arm.needs_rebuild:
            return True, "the robot has not stopped"
        if self._is_at_work:
            return False, "a recovery is under way"
        self._is_at_work = True
        try:
            return await self._bring_back()
        finally:
            self._is_at_work = False

    async def _bring_back(self) -> tuple[bool, str]:
        if self._is_locked() and (reason := await self._unlock()):
            return False, reason
        if not self._robot_can_move():
            return False, self._arm.cause
        self._rebuild_wanted = True
        await give_way_until(lambda: not self._rebuild_wanted, REBUILD_TIMEOUT_S)
        if self._arm.needs_rebuild:
            return False, self._arm.cause
        await self._settle()
        if self._arm.state in FAULT_STATES:
            return False, self._arm.cause
        return True, RECOVERED

    async def _settle(self) -> None:
        """Wait for the loop to see it: who is answered may arm the arm at once."""
        await give_way_until(
            lambda: self._arm.state not in FAULT_STATES, SETTLE_TIMEOUT_S
        )

    async def _unlock(self) -> str:
        """End a protective stop; return why that failed, or ""."""
        ip, sample = self._config.robot_ip, self._newest_sample()
        has_program = sample is not None and sample.runtime_state != RuntimeState.STOPPED
        if has_program and (reason := stop_program(ip)):
            return f"robot does not stop its program: {reason}"
        due_s = (self._stopped_ns or 0) / NANOSECONDS + self._config.unlock_delay_s
        await give_way_until(lambda: time.monotonic() >= due_s)
        if not self._is_locked():  # an emergency stop, say, that came meanwhile
            return "" if self._robot_can_move() else self._arm.cause
        if reason := unlock_protective_stop(ip):
            return f"robot refuses: {reason}"
        await give_way_until(self._robot_can_move, UNLOCK_TIMEOUT_S)
        return ""

    def _is_locked(self) -> bool:
        sample = self._newest_sample()
        return sample is not None and _is_protective(sample)

    def _robot_can_move(self) -> bool:
        sample = self._newest_sample()
        return sample is not None and sample.can_move

    def serve(self, link: ArmLink) -> bool:
        """Rebuild the link if that is wanted; return whether it was. For the loop.

        Raises:
            LinkLostError: that failed; a fresh process may do better.
        """
        if not self._rebuild_wanted:
            return False
        last_resort.end_process_in(last_resort.CONNECT_S)
        try:
            link.restart_control()
        except OSError as error:
            raise LinkLostError(str(error)) from None
        self._arm.on_rebuilt()
        self._rebuild_wanted = False
        return True


def _is_protective(sample: RobotSample) -> bool:
    return sample.safety_mode == SafetyMode.PROTECTIVE_STOP


async def give_way_until(
    condition: Callable[[], object], timeout_s: float = math.inf
) -> None:
    """Let other callbacks run until `condition` holds, or the time is over.

    A bare yield is what rclpy's executor takes for "call me again".
    """
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(WAIT_S)
        await asyncio.sleep(0)
