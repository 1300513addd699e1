"""Valid messages of every topic, fresh each time."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from sac_learner.core.networks import NetworkConfig, PolicyNetwork
from sac_learner.core.parameters import encode_policy, parameters_of
from sac_learner.nodes.learner_convert import policy_message
from ur5_rl_env.core.task import JOINT_NAMES, START_POSE_RAD
from ur5_rl_env.core.ur_modes import RobotMode, SafetyMode
from ur5_rl_experiments.bench.numbered_steps import HEIGHT, WIDTH
from ur5_rl_experiments.bench.numbered_steps import message as numbered_step
from ur5_rl_interfaces import msg as ours
from ur5_rl_ros.image_bridge import bytes_of, cv2_to_imgmsg

SHAPE = NetworkConfig(
    height_px=HEIGHT, width_px=WIDTH, crop_rows=0, crop_columns=1,
    strides=(2, 2, 1, 1), hidden_size=16,
)  # fmt: skip
POLICY_VERSION = 77  # of the answers sent here: known again in what comes of them
NANOSECONDS = 1_000_000_000


@dataclass
class Known:
    """What the sender knows of the receiver.

    Attributes:
        now_ns: Steady clock when the newest message was made [ns].
        run_id: Of the time steps or observations under way.
        session: Of the commands and policies under way.
        sequence: Sent last in that run or session.
    """

    now_ns: int = 0
    run_id: int = 0
    session: int = 0
    sequence: int = 0


class Seeds:
    """Makes the next valid message of a topic. Owned by one thread.

    Every policy and every command of it asks for rest: an arm that moves was told to by
    a message that was changed.

    Attributes:
        known: Kept up to date with each message.
        observed: Newest observation heard; what is answered.
    """

    def __init__(self) -> None:
        self.known = Known()
        self.observed = ours.Observation()
        self._parameters = parameters_of(PolicyNetwork(SHAPE))
        for tensor in self._parameters.values():
            tensor.zero_()  # the mean action of such a network is zero
        self._number = 0
        self._version = 0
        self.new_run()

    def new_run(self) -> None:
        """Go on as a process that was started anew: other numbers, from 1."""
        self.known.run_id = self.known.session = time.monotonic_ns()
        self.known.sequence = self._drawn = 0

    def make(self, topic: str) -> Any:
        """Return a valid message for now."""
        self.known.now_ns = time.monotonic_ns()
        self._number += 1
        msg = getattr(self, f"_{topic}")()
        sec, nanosec = divmod(time.time_ns(), NANOSECONDS)
        if hasattr(msg, "header"):
            msg.header.stamp = Time(sec=sec, nanosec=nanosec)
        return msg

    def note_sent(self, msg: Any) -> None:
        """Note that a valid message has arrived: lower numbers are old from now on."""
        if hasattr(msg, "steady_ns") or hasattr(msg, "stack_ids"):
            self.known.sequence = self._drawn

    def _next(self) -> int:
        self._drawn += 1
        return self._drawn

    def _joint_states(self) -> JointState:
        return JointState(
            name=list(JOINT_NAMES), position=START_POSE_RAD, velocity=[0.0] * 6
        )

    def _image_raw(self) -> Any:
        image = np.full((HEIGHT, WIDTH, 3), self._number % 251, np.uint8)
        return cv2_to_imgmsg(image, "bgr8")

    def _action(self) -> ours.Action:
        seen = self.observed
        self.known.run_id = seen.run_id
        msg = ours.Action(run_id=seen.run_id, episode=seen.episode, step=seen.step)
        msg.policy_version = POLICY_VERSION
        return msg

    def _arm_status(self) -> ours.ArmStatus:
        return ours.ArmStatus(
            state=ours.ArmStatus.ARMED, cause="waits for a command",
            robot_mode=RobotMode.RUNNING, safety_mode=SafetyMode.NORMAL,
            joint_states_hz=125.0,
        )  # fmt: skip

    def _target_state(self) -> ours.TargetState:
        return ours.TargetState(x_units=80.0, y_units=45.0, radius_units=5.0)

    def _transition_ack(self) -> ours.TransitionAck:
        known = self.known
        return ours.TransitionAck(run_id=known.run_id, sequence=known.sequence)

    def _learner_turn(self) -> ours.LearnerTurn:
        known = self.known
        return ours.LearnerTurn(run_id=known.run_id, sequence=known.sequence)

    def _camera_fault(self) -> String:
        return String(data="none")

    def _observation(self) -> ours.Observation:
        number = self._next()
        return ours.Observation(
            run_id=self.known.run_id, episode=1 + number // 100, step=number % 100,
            steady_ns=self.known.now_ns, height=HEIGHT, width=WIDTH, channels=9,
            frames=bytes_of(np.full(9 * HEIGHT * WIDTH, number % 251, np.uint8)),
        )  # fmt: skip

    def _policy_parameters(self) -> ours.PolicyParameters:
        self._version += 1
        policy = encode_policy(
            self._parameters, SHAPE, self._version, session=self.known.session
        )
        return policy_message(policy, env_steps=0)

    def _transition(self) -> ours.Transition:
        return numbered_step(self.known.run_id, self._next())

    def _velocity_command(self) -> ours.JointVelocityCommand:
        return ours.JointVelocityCommand(
            session=self.known.session, sequence=self._next(),
            steady_ns=self.known.now_ns, velocity_rad_s=np.zeros(6),
        )  # fmt: skip

    def _stop_request(self) -> ours.StopRequest:
        return ours.StopRequest(session=self.known.session, steady_ns=self.known.now_ns)

    def _heartbeat(self) -> ours.Heartbeat:
        now_ns = self.known.now_ns
        return ours.Heartbeat(
            node="/fuzzer", session=self.known.session, sequence=self._next(),
            steady_ns=now_ns, loop_steady_ns=now_ns,
        )  # fmt: skip

    def _episode_summary(self) -> ours.EpisodeSummary:
        return ours.EpisodeSummary(
            run_id=self.known.run_id, episode=self._number, end="time_limit",
            return_sum=100.0, steps=100, duration_s=4.0, reset_s=1.0,
            cycle_ms=[40.0] * 100, lateness_ms=[0.1] * 100, policy_age_s=[0.5] * 100,
            observation_to_command_ms=[5.0] * 100,
        )  # fmt: skip

    def _env_status(self) -> ours.EnvStatus:
        running = ours.EnvStatus.RUNNING
        return ours.EnvStatus(phase=running, images_hz=25.0, joint_states_hz=125.0)

    def _learner_status(self) -> ours.LearnerStatus:
        return ours.LearnerStatus(
            architecture="async_2", env_steps=self._number, updates=self._number
        )
