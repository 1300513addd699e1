"""What the environment hears: each callback replaces the newest value of something."""

import time

from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

from ur5_rl_env.core.env_config import EnvConfig
from ur5_rl_env.core.episode import Answer
from ur5_rl_env.core.rate import Rate
from ur5_rl_env.core.sensors import NANOSECONDS, Sensors
from ur5_rl_env.nodes import env_convert as convert
from ur5_rl_interfaces.msg import Action, ArmStatus, TargetState
from ur5_rl_ros import qos
from ur5_rl_ros.throttle import at_most_every

ARMED_STATES = (
    ArmStatus.ARMED,
    ArmStatus.MOVING,
    ArmStatus.MOVING_TO_START,
    ArmStatus.STALE,
)
READY_STATES = (ArmStatus.IDLE, *ARMED_STATES)  # for a reset, which arms it first
ARM_SILENCE_NS = NANOSECONDS
MAX_WORDS = 300  # characters of what others say that are passed on


class EnvInputs:
    """Subscriptions of the environment and what came of them.

    Written by the callback thread, read by the loop thread; every field is replaced by
    one assignment.

    Attributes:
        sensors: Newest joint sample and images.
        answer: Newest answer of the actor to this run's observations.
        num_images: Images received and understood.
        refused: Messages that were not.
        last_refusal: What was wrong with the newest of these.
    """

    def __init__(self, node: Node, config: EnvConfig, run_id: int) -> None:
        self.sensors = Sensors(config)
        self.answer: Answer | None = None
        self.num_images = 0
        self.refused = 0
        self.last_refusal = ""
        self.joint_state_rate, self.image_rate = Rate(), Rate()
        self._run_id = run_id
        self._arm: ArmStatus | None = None
        self._arm_arrival_ns = 0
        self._refusals: dict[str, str] = {}  # topic -> why, since its last good message
        self._log = node.get_logger()
        listen = node.create_subscription
        listen(JointState, "joint_states", self.on_joint_state, qos.SENSOR)
        listen(Image, "image_raw", self.on_image, qos.SENSOR)
        listen(Action, "action", self.on_action, qos.COMMAND)
        listen(ArmStatus, "arm_status", self._on_arm_status, qos.STATUS)
        listen(TargetState, "target_state", self._on_target_state, qos.SENSOR)

    def on_joint_state(self, msg: JointState) -> None:
        arrival_ns = time.monotonic_ns()
        self.joint_state_rate.count(arrival_ns)
        try:
            self.sensors.on_joint_sample(convert.joint_sample(msg, arrival_ns))
            self._refusals.pop("joint_states", None)
        except ValueError as error:
            self._refuse("joint_states", error)

    def on_image(self, msg: Image) -> None:
        arrival_ns = time.monotonic_ns()
        self.image_rate.count(arrival_ns)
        try:
            self.sensors.on_frame(convert.frame(msg, self.num_images + 1, arrival_ns))
            self.num_images += 1
            self._refusals.pop("image_raw", None)
        except ValueError as error:
            self._refuse("image_raw", error)

    def on_action(self, msg: Action) -> None:
        try:
            if msg.run_id == self._run_id:
                self.answer = convert.answer(msg)
        except ValueError as error:
            self._refuse("action", error)

    def _on_arm_status(self, msg: ArmStatus) -> None:
        self._arm, self._arm_arrival_ns = msg, time.monotonic_ns()

    def _on_target_state(self, _msg: TargetState) -> None:
        self.sensors.on_target(time.monotonic_ns())

    def _refuse(self, topic: str, error: ValueError) -> None:
        self.refused += 1
        self.last_refusal = words = str(error)[:MAX_WORDS]
        self._refusals.setdefault(topic, words)  # one reason that stays, not 125 a second
        self._log.warning(f"refused: {words}", **at_most_every(10.0))

    def arm_silence(self) -> str:
        """Return that arm_node is not heard, "" if it is."""
        if self._arm is None:
            return "arm_status has not been heard yet"
        if time.monotonic_ns() - self._arm_arrival_ns > ARM_SILENCE_NS:
            return f"arm_status has been silent for {ARM_SILENCE_NS / NANOSECONDS} s"
        return ""

    def fault(self, *, before_reset: bool = False) -> str:
        """Return what keeps an episode, or its reset, from going on, or ""."""
        if silence := self.arm_silence():
            return silence
        now_ns, arm = time.monotonic_ns(), self._arm
        assert arm is not None  # noqa: S101  it was heard
        if arm.state not in (READY_STATES if before_reset else ARMED_STATES):
            return f"arm: {arm.cause[:MAX_WORDS]}"
        fault = self.sensors.fault(now_ns)
        topic = fault.split(" ", 1)[0]
        refusal = self._refusals.get(topic)
        return f"{fault} (refused: {refusal})" if refusal else fault

    @property
    def is_protectively_stopped(self) -> bool:
        """Whether the arm says that its robot has stopped itself."""
        arm = self._arm
        return arm is not None and arm.state == ArmStatus.PROTECTIVE_STOP

    @property
    def is_limited(self) -> bool:
        """Whether a safety limit reduced the arm's newest command."""
        arm = self._arm
        return arm is not None and bool(any(arm.limited))
