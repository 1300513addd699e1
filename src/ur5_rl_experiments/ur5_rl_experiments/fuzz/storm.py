"""A storm of mutated messages on one topic of one node, and the account of it."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from rclpy.serialization import deserialize_message

from ur5_rl_experiments.fuzz.mutation import Mutator
from ur5_rl_experiments.fuzz.neighbours import ARMED, Neighbours
from ur5_rl_experiments.fuzz.node_process import NodeProcess
from ur5_rl_experiments.fuzz.targets import Target

VALID_SHARE = 0.2
BYTES_SHARE = 0.25  # of the mutated ones: mutated as they travel
ARRIVAL_S = 0.5  # longer than that, a message was dropped on the way
MAX_DROPPED_SHARE = 0.02  # large ones on a best-effort topic
MAX_TRIES = 50
SETTLE_S = 0.5
RENEWED_AFTER = 200  # messages of one sender's process
MOTION_RAD_S = 0.01  # of an arm that was never told to move


@dataclass
class Account:
    """What became of the messages on one topic.

    Attributes:
        node, topic: Where.
        published: Mutated messages sent.
        valid: Messages between them that were not mutated.
        delivered: Of all these: reached the node's process.
        dropped: Of all these: did not, by the middleware's choice.
        undecodable: Of the delivered: no message of the type.
        undecodable_counted: What the node counted as such.
        refused: What the node counted as refused.
        left_out: Mutations that were not sent: the robot should have followed them.
        is_alive: Whether the same process runs after it, and works by valid messages.
        armed: Share of the arm's reports in which it would have followed a command.
        max_speed_rad_s: Of the fastest joint of the robot.
        took_s: For all of it.
        failures: What was not as it must be.
    """

    node: str
    topic: str
    published: int = 0
    valid: int = 0
    delivered: int = 0
    dropped: int = 0
    undecodable: int = 0
    undecodable_counted: int = 0
    refused: int = 0
    left_out: int = 0
    is_alive: bool = False
    armed: float = 0.0
    max_speed_rad_s: float = 0.0
    took_s: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """Delivered ones that were neither undecodable nor refused.

        Every value that is used fits, or the node has no use for the message.
        """
        return self.delivered - self.undecodable - self.refused

    def as_dict(self) -> dict[str, Any]:
        """Return it for a report, which knows no NaN: a speed that nobody saw is None."""
        speed = None if math.isnan(self.max_speed_rad_s) else self.max_speed_rad_s
        return asdict(self) | {"accepted": self.accepted, "max_speed_rad_s": speed}


class Storm:
    """Sends one message after the other, each when the node has taken the one before.

    So none of them replaces another in a queue that keeps the newest.
    """

    def __init__(
        self,
        target: Target,
        process: NodeProcess,
        neighbours: Neighbours,
        mutator: Mutator,
        speed_rad_s: Callable[[], float],
    ) -> None:
        """Prepare it; `speed_rad_s` returns the robot's largest since its last call."""
        self._target, self._process = target, process
        self._neighbours, self._mutator = neighbours, mutator
        self._speed_rad_s = speed_rad_s

    def run(self, number: int) -> Account:
        """Send so many mutated messages, and valid ones between them."""
        target, neighbours, process = self._target, self._neighbours, self._process
        account = Account(process.name, target.topic)
        began_s = time.monotonic()
        if not neighbours.reacts(target.topic):
            account.failures.append(f"does not work: {process.last_lines()}")
            return account
        neighbours.silenced = {target.topic}
        time.sleep(SETTLE_S)
        before = neighbours.fresh_values()
        neighbours.arm_states.clear()
        self._speed_rad_s()
        counts = process.taken(target.topic)
        while account.published < number and process.is_alive:
            self._shoot(account)
            if target.renews and account.published % RENEWED_AFTER == 0:
                neighbours.seeds.new_run()
        if process.is_alive:
            self._settle(account, before, counts)
        account.max_speed_rad_s = self._speed_rad_s()
        account.took_s = round(time.monotonic() - began_s, 1)
        account.failures += self._complaints(account)
        return account

    def _settle(
        self, account: Account, before: dict[str, str], counts: tuple[int, int]
    ) -> None:
        """Read what has increased since `before` and `counts`; see whether it works."""
        target, neighbours = self._target, self._neighbours
        after = neighbours.fresh_values()
        taken, undecodable = self._process.taken(target.topic)
        account.undecodable = undecodable - counts[1]
        account.delivered = taken - counts[0] + account.undecodable
        sent = account.published + account.valid
        account.dropped = max(0, sent - account.delivered)  # a watch hears itself too
        states = dict(neighbours.arm_states)
        armed = sum(states.get(state, 0) for state in ARMED)
        account.armed = round(armed / max(1, sum(states.values())), 3)
        account.refused = _increase(before, after, target.refused)
        counted = ("messages_undecodable",)
        account.undecodable_counted = _increase(before, after, counted)
        neighbours.silenced = set()
        account.is_alive = neighbours.reacts(target.topic) and self._process.is_alive

    def _shoot(self, account: Account) -> None:
        """Send one message and wait until the node has it."""
        payload, is_valid = self._aim(account)
        topic, process = self._target.topic, self._process
        before = process.taken(topic)
        self._neighbours.publish(topic, payload)
        account.valid += is_valid
        account.published += not is_valid
        self._await_arrival(before)
        if is_valid:
            self._neighbours.seeds.note_sent(payload)
        time.sleep(self._target.pause_s)

    def _await_arrival(self, before: tuple[int, int]) -> None:
        """Wait until the node has taken a message, or it must have been dropped."""
        topic, deadline_s = self._target.topic, time.monotonic() + ARRIVAL_S
        while self._process.taken(topic) == before and self._process.is_alive:
            if time.monotonic() > deadline_s:
                return
            time.sleep(0.0002)

    def _aim(self, account: Account) -> tuple[Any, bool]:
        """Return the next message, or its bytes, and whether it is a valid one."""
        topic, mutator, seeds = self._target.topic, self._mutator, self._neighbours.seeds
        for _ in range(MAX_TRIES):
            msg = seeds.make(topic)
            if mutator.chance(VALID_SHARE):
                return msg, True
            as_bytes = mutator.chance(BYTES_SHARE)
            payload = mutator.mutated_bytes(msg) if as_bytes else mutator.mutated(msg)
            if not self._is_left_out(payload):
                return payload, False
            account.left_out += 1
        raise RuntimeError(f"{MAX_TRIES} mutations of {topic} in a row are valid")

    def _is_left_out(self, payload: Any) -> bool:
        if isinstance(payload, bytes):
            try:
                payload = deserialize_message(payload, self._target.message_type)
            except Exception:  # noqa: BLE001  whatever rclpy raises: no message
                return False
        return self._target.is_left_out(payload, self._neighbours.seeds.known)

    def _complaints(self, account: Account) -> list[str]:
        process, found = self._process, []
        if not process.is_alive:
            code, last = process.process.returncode, process.last_lines()
            return [f"ended with {code}: {last}"]
        if not account.is_alive:
            found.append("does not react to valid messages after the storm")
        if account.dropped > MAX_DROPPED_SHARE * (account.published + account.valid):
            found.append(f"{account.dropped} messages never reached it")
        if account.undecodable != account.undecodable_counted:
            found.append(
                f"{account.undecodable} were undecodable, "
                f"it counted {account.undecodable_counted}"
            )
        if not account.max_speed_rad_s <= MOTION_RAD_S:  # also where nobody watched
            found.append(f"the robot moved at {account.max_speed_rad_s:.3f} rad/s")
        return found


def _increase(
    before: dict[str, str], after: dict[str, str], names: tuple[str, ...]
) -> int:
    return sum(int(after.get(name, 0)) - int(before.get(name, 0)) for name in names)
