"""Messages of the actor node to and from its core types. Nothing else."""

import numpy as np
from numpy.typing import NDArray

from sac_learner.core.observation import CHANNELS, Observation
from ur5_rl_env.core.task import NUM_ACTIONS, NUM_JOINTS
from ur5_rl_interfaces.msg import Action, JointVelocityCommand
from ur5_rl_interfaces.msg import Observation as ObservationMsg


def observation(msg: ObservationMsg, height: int, width: int) -> Observation:
    """Check and unpack an observation; the frames are a view of the message's.

    Raises:
        ValueError: its size is not the configured one, or a number is not finite.
    """
    shape = (msg.channels, msg.height, msg.width)
    if shape != (CHANNELS, height, width):
        raise ValueError(
            f"observation must have channels, height, width "
            f"{(CHANNELS, height, width)}, got {shape}"
        )
    if len(msg.frames) != CHANNELS * height * width:
        raise ValueError(
            f"observation of {shape} must have {CHANNELS * height * width} bytes, "
            f"got {len(msg.frames)}"
        )
    return Observation(
        run_id=msg.run_id,
        episode=msg.episode,
        step=msg.step,
        steady_ns=msg.steady_ns,
        frames=np.frombuffer(msg.frames, np.uint8).reshape(shape),
        proprioception=np.array(msg.proprioception, np.float32),
        policy_version=msg.policy_version,
    )


def command_msg(
    action: NDArray[np.float32], max_joint_speed_rad_s: float
) -> JointVelocityCommand:
    """Return the joint velocity that an action asks for; the last joint holds still."""
    velocity = np.zeros(NUM_JOINTS)
    velocity[:NUM_ACTIONS] = action * max_joint_speed_rad_s
    return JointVelocityCommand(velocity_rad_s=velocity)


def action_msg(seen: Observation, action: NDArray[np.float32]) -> Action:
    """Return the answer to an observation; the rest is filled by who knows it."""
    return Action(run_id=seen.run_id, episode=seen.episode, step=seen.step, action=action)
