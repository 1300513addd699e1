"""The arm node's services: what people, and env_node at each reset, ask of the arm.

Each answers once what was asked for has happened, or cannot. Who waits gives way to the
other callbacks; nothing here touches the robot's link.
"""

import time
from collections.abc import Awaitable, Callable

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from std_srvs.srv import Trigger

from ur5_rl_env.core.arm import Arm
from ur5_rl_env.core.arm_state import ARMED_STATES, RobotSample
from ur5_rl_env.nodes.arm_recovery import ArmRecovery, give_way_until
from ur5_rl_env.nodes.stop_file import StopFile

CHANGE_TIMEOUT_S = 1.0  # for the loop to take up what was asked for, braking included
ENDS = "arm_node ends"
EMERGENCY = "an emergency stop came: clear the cell, then call recover_arm"
STOPPED = "stopped by stop_arm: clear the cell, then call recover_arm"

Answer = tuple[bool, str]


class ArmServices:
    """What may be asked of the arm (std_srvs/Trigger).

    enable_arm, disable_arm, move_to_start, and unlock_arm after a protective stop are for
    env_node as well; stop_arm and recover_arm are a person's.

    Args:
        node: Serves them.
        arm: Is asked.
        recovery: Brings the arm back after a stop of the robot.
        stop_file: Outlives the process that was asked for the stop.
        newest_sample: What the robot said last; None before that.
        is_running: Whether the loop runs that is to answer.
    """

    def __init__(
        self,
        node: Node,
        arm: Arm,
        recovery: ArmRecovery,
        stop_file: StopFile,
        *,
        newest_sample: Callable[[], RobotSample | None],
        is_running: Callable[[], bool],
    ) -> None:
        self._arm = arm
        self._log = node.get_logger()
        self._recovery = recovery
        self._stop_file = stop_file
        self._newest_sample = newest_sample
        self._is_running = is_running
        self._note_emergency = node.create_guard_condition(self._keep_emergency)
        if cause := stop_file.read():
            arm.stop(cause)
        for name, answer in (
            ("enable_arm", self._enable),
            ("disable_arm", self._disable),
            ("move_to_start", self._move_to_start),
            ("unlock_arm", recovery.end_stop_of_robot),
            ("stop_arm", self._stop),
            ("recover_arm", self._recover),
        ):
            group = MutuallyExclusiveCallbackGroup()  # one waits while others go on
            node.create_service(Trigger, name, _answering(answer), callback_group=group)

    async def _enable(self) -> Answer:
        if reason := self._arm.enable(time.monotonic_ns()):
            return False, f"arm is not armed: {reason}"
        await give_way_until(lambda: self._arm.is_armed, CHANGE_TIMEOUT_S)
        is_armed = self._arm.is_armed
        return is_armed, "arm is armed" if is_armed else self._arm.cause

    async def _disable(self) -> Answer:
        self._arm.disable("disarmed by disable_arm")
        await give_way_until(
            lambda: self._arm.state not in ARMED_STATES, CHANGE_TIMEOUT_S
        )
        return self._arm.state not in ARMED_STATES, self._arm.cause

    async def _move_to_start(self) -> Answer:
        sample = self._newest_sample()
        if sample is None:
            return False, f"arm does not move: {self._arm.cause}"
        move = self._arm.move_to_start(sample.q)
        await give_way_until(lambda: move.result is not None or not self._is_running())
        return move.result or (False, ENDS)

    async def _stop(self) -> Answer:
        self._arm.stop(STOPPED)
        problem = self._stop_file.write(STOPPED)
        return True, f"arm brakes ({problem})" if problem else "arm brakes"

    async def _recover(self) -> Answer:
        success, text = await self._recovery.recover()
        problem = self._stop_file.remove() if success else ""
        return success, f"{text} ({problem})" if problem else text

    def note_emergency(self) -> None:
        """Keep an emergency stop for the next process, in the thread of the callbacks."""
        self._note_emergency.trigger()

    def _keep_emergency(self) -> None:
        if problem := self._stop_file.write(EMERGENCY):
            self._log.error(f"an emergency stop may be forgotten: {problem}")


def _answering(answer: Callable[[], Awaitable[Answer]]) -> Callable:
    """Return the callback of a service that fills in what `answer` returns."""

    async def callback(
        _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        response.success, response.message = await answer()
        return response

    return callback
