"""Unpacks and examines policies beside the control loop: nothing unfinished gets out."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import torch

from sac_learner.core.actor_config import ActorConfig
from sac_learner.core.networks import PolicyNetwork
from sac_learner.core.observation import Observation
from sac_learner.core.parameters import EncodedPolicy
from sac_learner.core.policy_order import Announced, PolicyOrder
from sac_learner.core.sac_policy import admit
from ur5_rl_interfaces.msg import PolicyParameters
from ur5_rl_ros.process import SWITCH_INTERVAL_S

MAX_WORDS = 300  # characters of a refusal


class Admitted(NamedTuple):
    """A network that passed the examination."""

    version: int
    network: PolicyNetwork


class PolicyLoader:
    """One thread with a mailbox for one message (the newest wins) and one for a result.

    The control thread calls `offer`, `take` and `close`. What passes between the threads
    is never changed afterwards.

    Args:
        config: Of the actor.
        on_admitted: Called in the loader's thread when `take` has something new.

    Attributes:
        refused: Policies that failed the examination.
        refusal: What was wrong with the newest one; "" once a good one has come.
        heard_ns: When the newest good one came, or the learner said again that it holds
            (steady clock); 0 before the first.
    """

    def __init__(self, config: ActorConfig, on_admitted: Callable[[], None]) -> None:
        self.refused = 0
        self.refusal = ""
        self.heard_ns = 0
        self._config = config
        self._order = PolicyOrder()
        self._on_admitted = on_admitted
        self._offered: deque[PolicyParameters] = deque(maxlen=1)
        self._admitted: deque[Admitted] = deque(maxlen=1)
        self._probe: Observation | None = None
        self._error: BaseException | None = None
        self._wake = threading.Event()
        self._is_stopping = False
        sys.setswitchinterval(SWITCH_INTERVAL_S)  # the control thread must not wait
        self._thread = threading.Thread(target=self._work, name="policy loader")
        self._thread.start()

    def offer(self, msg: PolicyParameters) -> None:
        """Hand in a message; one that nobody has looked at yet is forgotten."""
        self._offered.append(msg)
        self._wake.set()

    def take(self, probe: Observation) -> Admitted | None:
        """Return a policy that has been admitted since the last call, if there is one.

        Args:
            probe: The newest observation: the next policies are tried on it.
        """
        if self._error is not None:
            raise self._error
        self._probe = probe
        return self._admitted.popleft() if self._admitted else None

    def close(self) -> None:
        """End the thread."""
        self._is_stopping = True
        self._wake.set()
        self._thread.join(timeout=5.0)

    def _work(self) -> None:
        torch.set_num_threads(1)  # counts for the thread that calls it
        try:
            while not self._is_stopping:
                self._wake.wait()
                self._wake.clear()
                while self._offered and not self._is_stopping:
                    self._examine(self._offered.popleft())
        except BaseException as error:  # noqa: BLE001  `take` raises it in its owner
            self._error = error

    def _examine(self, msg: PolicyParameters) -> None:
        encoded = encoded_policy(msg)
        announced = Announced(msg.session, msg.version, msg.update_step, msg.sha256)
        try:
            if self._order.is_confirmed_by(announced):
                encoded.check_seal()
                self._hear_good()
                return
            self._order.check(announced)
            network = admit(encoded, self._config, self._probe)
        except Exception as error:  # noqa: BLE001  bytes from outside break anything
            self.refusal = f"policy {msg.version}: {error}"[:MAX_WORDS]
            self.refused += 1
            return
        self._order.admit(announced)
        self._hear_good()  # before it can be taken: it must not seem silent then
        self._admitted.append(Admitted(msg.version, network))
        self._on_admitted()

    def _hear_good(self) -> None:
        self.refusal = ""
        self.heard_ns = time.monotonic_ns()


def encoded_policy(msg: PolicyParameters) -> EncodedPolicy:
    """Return the policy of a message, unchecked."""
    return EncodedPolicy(
        session=msg.session,
        version=msg.version,
        update_step=msg.update_step,
        architecture=msg.architecture,
        data=msg.data.tobytes(),
        sha256=msg.sha256,
    )
