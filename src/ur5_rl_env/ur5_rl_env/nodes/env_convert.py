"""Messages of the environment node to and from its core types. Nothing else."""

import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image, JointState

from ur5_rl_env.core.episode import Answer, Episode, EpisodeRecord, TimeStep
from ur5_rl_env.core.sensors import NANOSECONDS, Frame, JointSample
from ur5_rl_env.core.task import JOINT_NAMES
from ur5_rl_interfaces.msg import (
    Action,
    EnvStatus,
    EpisodeSummary,
    Observation,
    Transition,
)
from ur5_rl_ros.image_bridge import imgmsg_to_cv2

SERIES = (
    "cycle_ms",
    "lateness_ms",
    "learner_wait_ms",
    "observation_to_command_ms",
    "policy_age_s",
)


def stamp_ns(stamp) -> int:
    """Return the instant of a stamp [ns].

    Raises:
        ValueError: its nanoseconds are a second or more: no instant at all.

    """
    if stamp.nanosec >= NANOSECONDS:
        raise ValueError(f"nanosec of a stamp must be < 1e9, got {stamp.nanosec}")
    return stamp.sec * NANOSECONDS + stamp.nanosec


def set_stamp(stamp, nanoseconds: int) -> None:
    stamp.sec, stamp.nanosec = divmod(nanoseconds, NANOSECONDS)


def joint_sample(msg: JointState, arrival_ns: int) -> JointSample:
    """Pick the arm's joints by name: drivers do not promise an order.

    Raises:
        ValueError: a value is missing, instead of reading it as 0 rad.

    """
    names = tuple(msg.name)
    if missing := sorted(set(JOINT_NAMES) - set(names)):
        raise ValueError(f"joint_states lacks {missing}")
    if len(set(names)) != len(names):
        raise ValueError(f"joint_states names a joint twice: {list(names)}")
    if not len(names) == len(msg.position) == len(msg.velocity):
        raise ValueError("joint_states lacks a position or a velocity")
    q, qd = np.array(msg.position), np.array(msg.velocity)
    if names != JOINT_NAMES:
        order = [names.index(name) for name in JOINT_NAMES]
        q, qd = q[order], qd[order]
    return JointSample(stamp_ns(msg.header.stamp), arrival_ns, q, qd)


def frame(msg: Image, number: int, arrival_ns: int) -> Frame:
    """Copy an image out of its message.

    Raises:
        ValueError: not an image that `image_bridge` knows.

    """
    image = imgmsg_to_cv2(msg, "bgr8").copy()
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    return Frame(number, stamp_ns(msg.header.stamp), arrival_ns, image, planes)


def answer(msg: Action) -> Answer:
    """Check and unpack an action.

    Raises:
        ValueError: not five finite numbers in [-1, 1].

    """
    return Answer(
        episode=msg.episode,
        step=msg.step,
        action=np.array(msg.action, np.float32),
        policy_version=msg.policy_version,
        policy_age_s=msg.policy_age_s,
        observation_to_command_ms=msg.observation_to_command_ms,
    )


def observation_msg(
    episode: Episode, frames: Sequence[Frame], run_id: int
) -> Observation:
    """Fill all but the two instants."""
    height, width, channels = frames[-1].image.shape
    return Observation(
        run_id=run_id,
        episode=episode.number,
        step=episode.step,
        is_first=episode.step == 0,
        height=height,
        width=width,
        channels=channels * len(frames),
        frames=_bytes([f.planes for f in frames]),
        proprioception=episode.proprioception(),
    )


def transition_msg(step: TimeStep, run_id: int, sequence: int) -> Transition:
    msg = Transition(
        run_id=run_id,
        sequence=sequence,
        episode=step.episode,
        step=step.step,
        is_first=step.is_first,
        is_last=step.is_last,
        is_terminal=False,  # a time limit is all that ends this task
        action=step.action,
        reward=step.reward,
        limited=step.limited,
        policy_version=step.policy_version,
        height=step.snapshot.frames[-1].image.shape[0],
        width=step.snapshot.frames[-1].image.shape[1],
        stack_ids=np.array([f.number for f in step.snapshot.frames], np.uint64),
        frame_ids=array.array("Q", [f.number for f in step.new_frames]),
        frames=_bytes([f.planes for f in step.new_frames]),
        proprioception=step.proprioception,
    )
    set_stamp(msg.header.stamp, step.snapshot.joints.stamp_ns)
    return msg


def summary_msg(episode: Episode, end: str) -> EpisodeSummary:
    """Fill what the episode knows of itself."""
    record = episode.record
    msg = EpisodeSummary(
        episode=episode.number,
        end=end,
        return_sum=record.return_sum,
        steps=record.steps,
        policy_version=record.policy_version,
        missed_actions=record.missed_actions,
        limited_steps=record.limited_steps,
        held_observations=record.held_observations,
        synchronisation_misses=record.synchronisation_misses,
        first_mask_px=float(record.first_mask_px),
        last_mask_px=float(record.last_mask_px),
    )
    for name in SERIES:
        setattr(msg, name, array.array("f", getattr(record, name)))
    return msg


def fill_newest(status: EnvStatus, record: EpisodeRecord) -> None:
    """Show the newest of each series of the running episode; 0 before the first."""
    for name in ("lateness_ms", "learner_wait_ms", "policy_age_s"):
        series = getattr(record, name)
        setattr(status, name, series[-1] if series else 0.0)


def _bytes(planes: Sequence[NDArray[np.uint8]]) -> array.array:
    data = array.array("B")
    for plane in planes:
        data.frombytes(plane.data.cast("B"))
    return data
