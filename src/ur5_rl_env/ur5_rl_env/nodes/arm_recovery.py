"""The way back after a stop: unlock the robot, then make the control link anew.

Callbacks ask and wait; the loop's thread, which owns the link, rebuilds it.
"""

import asyncio
import signal
import time
from collections.abc import Callable

from ur5_rl_env.core.arm import Arm
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.arm_state import RobotSample
from ur5_rl_env.core.ur_modes import SafetyMode
from ur5_rl_env.core.velocity_command import NANOSECONDS
from ur5_rl_env.nodes.arm_link import ArmLink, unlock_protective_stop
from ur5_rl_ros.process import LinkLostError

WAIT_S = 0.005  # between two looks of a waiting callback
UNLOCK_TIMEOUT_S = 2.0
REBUILD_TIMEOUT_S = 15.0
REBUILD_LAST_RESORT_S = 10  # ur_rtde may hang; then the kernel ends the process


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
        self._stopped_ns = 0

    def note_stop(self, now_ns: int) -> None:
        """Note when the robot stopped: it may be unlocked some seconds later."""
        self._stopped_ns = now_ns

    async def recover(self) -> tuple[bool, str]:
        """Bring the arm back; return whether it is, and what to tell. For callbacks."""
        is_ready, text = self._arm.recover()
        if is_ready:
            return True, text
        if self._is_at_work:
            return False, "a recovery is under way"
        self._is_at_work = True
        try:
            return await self._bring_back()
        finally:
            self._is_at_work = False

    async def _bring_back(self) -> tuple[bool, str]:
        sample = self._newest_sample()
        if sample is not None and sample.safety_mode == SafetyMode.PROTECTIVE_STOP:
            due_s = self._stopped_ns / NANOSECONDS + self._config.unlock_delay_s
            await give_way_until(lambda: time.monotonic() >= due_s)
            if reason := unlock_protective_stop(self._config.robot_ip):
                return False, f"robot refuses: {reason}"
            await give_way_until(self._robot_can_move, UNLOCK_TIMEOUT_S)
        if not self._robot_can_move():
            return False, self._arm.cause
        self._rebuild_wanted = True
        await give_way_until(lambda: not self._rebuild_wanted, REBUILD_TIMEOUT_S)
        if self._arm.needs_rebuild:
            return False, self._arm.cause
        return True, "arm is ready"

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
        signal.alarm(REBUILD_LAST_RESORT_S)
        try:
            link.restart_control()
        except OSError as error:
            raise LinkLostError(str(error)) from None
        signal.alarm(0)
        self._arm.on_rebuilt()
        self._rebuild_wanted = False
        return True


async def give_way_until(
    condition: Callable[[], object], timeout_s: float = 60.0
) -> None:
    """Let other callbacks run until `condition` holds, or the time is over.

    A bare yield is what rclpy's executor takes for "call me again".
    """
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(WAIT_S)
        await asyncio.sleep(0)
