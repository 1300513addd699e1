"""Waiting for the learner, where the architecture is sequential; else nothing waits."""

import threading
import time
from collections.abc import Callable

from rclpy.node import Node

from ur5_rl_env.core.env_config import EnvConfig
from ur5_rl_interfaces.msg import LearnerTurn
from ur5_rl_ros import qos

POLL_S = 0.01


class LearnerTurns:
    """How far the learner has come with this run's time steps.

    Written by the callback thread, read by the loop thread; `_newest` is replaced by one
    assignment.
    """

    def __init__(self, node: Node, config: EnvConfig, run_id: int) -> None:
        self._waits = config.waits_for_learner
        self._max_wait_s = config.max_learner_wait_s
        self._run_id = run_id
        self._newest: LearnerTurn | None = None
        self._heard = threading.Event()
        if self._waits:
            node.create_subscription(
                LearnerTurn, "learner_turn", self._on_turn, qos.POLICY
            )

    def _on_turn(self, msg: LearnerTurn) -> None:
        self._newest = msg
        self._heard.set()

    @property
    def policy_version(self) -> int:
        """Policy that came of the newest turn; 0: any may act."""
        newest = self._newest
        return newest.policy_version if newest is not None else 0

    def fault(self, sequence: int) -> str:
        """Return why no episode may begin after time step `sequence`; "" if one may."""
        if not self._waits or self._has_finished(sequence):
            return ""
        if self._newest is None:
            return "learner_turn has not been heard yet (learner_node sequential)"
        return "learner has not finished with the newest time step"

    def wait(self, sequence: int, is_cut_short: Callable[[], object]) -> str:
        """Wait until the learner has finished with time step `sequence`.

        Returns:
            Why the episode ends here; "" if it goes on, or `is_cut_short` became true.
        """
        deadline_s = time.monotonic() + self._max_wait_s
        while not self._has_finished(sequence) and not is_cut_short():
            if time.monotonic() > deadline_s:
                return f"learner did not finish its turn in {self._max_wait_s} s"
            self._heard.wait(POLL_S)
            self._heard.clear()
        return ""

    def _has_finished(self, sequence: int) -> bool:
        turn = self._newest
        if turn is None or sequence == 0:  # nothing was sent yet
            return turn is not None
        # Of a later one, which was never sent, no learner can speak.
        return bool(turn.run_id == self._run_id and turn.sequence == sequence)
