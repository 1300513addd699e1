"""Which topics are sent to which node, and where it counts what it refuses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String

from ur5_rl_experiments.bench.numbered_steps import HEIGHT, WIDTH
from ur5_rl_experiments.bench.resume import SETTINGS as SMALL_LEARNER
from ur5_rl_experiments.fuzz.seeds import Known
from ur5_rl_interfaces import msg as ours
from ur5_rl_ros import qos

IMAGES = {"height_px": HEIGHT, "width_px": WIDTH}
ENVIRONMENT = {**IMAGES, "episode_s": 0.4, "min_mask_px": 0.0}
MAX_COMMAND_RAD_S = 1.4  # written out again: a bound that moves in the node is seen
MAX_AGE_NS = 50_000_000


def is_command(msg: ours.JointVelocityCommand, known: Known) -> bool:
    """Whether the arm should follow a message: then it is none to be refused."""
    age_ns = known.now_ns - msg.steady_ns
    velocity = np.asarray(msg.velocity_rad_s, np.float64)
    return bool(
        (np.abs(velocity) <= MAX_COMMAND_RAD_S).all()
        and -MAX_AGE_NS < age_ns <= MAX_AGE_NS
        and (msg.session != known.session or msg.sequence > known.sequence)
    )


def is_never_right(_msg: Any, _known: Known) -> bool:
    """Nothing is left out: no valid message of such a topic moves an arm at once."""
    return False


@dataclass(frozen=True)
class Target:
    """One topic of one node.

    Attributes:
        topic, message_type, profile: What is sent.
        refused: Diagnostic values of the node that count it, added up.
        is_left_out: Whether a mutation happens to be what the robot should follow.
        renews: Whether the sender starts anew now and then: one mutated number may have
            led the node far ahead of what comes after it.
        pause_s: After each message, for a node that keeps the newest and takes its time.
    """

    topic: str
    message_type: Any
    profile: QoSProfile
    refused: tuple[str, ...] = ("messages_refused",)
    is_left_out: Callable[[Any, Known], bool] = is_never_right
    renews: bool = False
    pause_s: float = 0.0


@dataclass(frozen=True)
class NodeUnderTest:
    """A node, how it is started and what is sent to it; "{folder}" is its run folder."""

    module: str
    targets: tuple[Target, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the node."""
        return self.module.rpartition(".")[2]

    def filled(self, folder: Path) -> dict[str, Any]:
        """Return its parameters with their place."""
        return {
            key: str(folder / "run") if value == "{folder}" else value
            for key, value in self.parameters.items()
        }


SEEN = tuple(f"observations_{name}" for name in ("malformed", "stale", "repeated"))

ARM = NodeUnderTest(
    "ur5_rl_env.nodes.arm_node",
    (
        Target(
            "velocity_command", ours.JointVelocityCommand, qos.COMMAND,
            ("commands_refused",), is_command,
        ),
        Target("stop_request", ours.StopRequest, qos.COMMAND, ("stop_requests_refused",)),
    ),
    {"watchdog_hz": 5.0},
)  # fmt: skip

NODES = (
    ARM,
    NodeUnderTest(
        "ur5_rl_env.nodes.env_node",
        (
            Target("joint_states", JointState, qos.SENSOR),
            Target("image_raw", Image, qos.SENSOR),
            Target("action", ours.Action, qos.COMMAND),
            Target("arm_status", ours.ArmStatus, qos.STATUS),
            Target("target_state", ours.TargetState, qos.SENSOR),
            Target("transition_ack", ours.TransitionAck, qos.POLICY),
        ),
        ENVIRONMENT,
    ),
    NodeUnderTest(
        "ur5_rl_env.nodes.env_node",
        (Target("learner_turn", ours.LearnerTurn, qos.POLICY),),
        {**ENVIRONMENT, "waits_for_learner": True},
    ),
    NodeUnderTest(
        "sac_learner.nodes.actor_node",
        (
            Target("observation", ours.Observation, qos.COMMAND, SEEN, renews=True),
            Target(
                "policy_parameters", ours.PolicyParameters, qos.POLICY,
                ("policies_refused",), pause_s=0.01,
            ),
        ),
        {**IMAGES, "policy": "sac", "deterministic": True},
    ),
    NodeUnderTest(
        "sac_learner.nodes.learner_node",
        (
            Target(
                "transition", ours.Transition, qos.TRANSITION,
                ("transitions_refused",), renews=True,
            ),
        ),
        {**SMALL_LEARNER, "run_dir": "{folder}"},
    ),
    NodeUnderTest(
        "ur5_sim.nodes.camera_node",
        (Target("camera_fault", String, qos.COMMAND),),
        {**IMAGES, "screen_file": "{folder}", "pose_file": "{folder}"},
    ),
    NodeUnderTest(
        "ur5_rl_bringup.nodes.monitor_node",
        (
            Target("episode_summary", ours.EpisodeSummary, qos.STATUS),
            Target("env_status", ours.EnvStatus, qos.STATUS),
            Target("arm_status", ours.ArmStatus, qos.STATUS),
            Target("learner_status", ours.LearnerStatus, qos.STATUS),
            Target("image_raw", Image, qos.SENSOR),
        ),
        {**IMAGES, "run_dir": "{folder}", "film_period_s": 0.0001},
    ),
    NodeUnderTest(
        "ur5_rl_bringup.nodes.watch_node",
        (
            Target(
                "heartbeat", ours.Heartbeat, qos.HEARTBEAT, ("beats_refused",),
                renews=True,
            ),
        ),
    ),
    NodeUnderTest(
        "ur5_rl_bringup.nodes.dry_run_node",
        (
            Target("arm_status", ours.ArmStatus, qos.STATUS),
            Target("env_status", ours.EnvStatus, qos.STATUS),
            Target("stop_request", ours.StopRequest, qos.COMMAND),
            Target("joint_states", JointState, qos.SENSOR),
        ),
        {"max_minutes": 0.0},  # no limit: the storm says when it is over
    ),
)  # fmt: skip
