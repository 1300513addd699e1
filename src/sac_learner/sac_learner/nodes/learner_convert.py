"""Between messages and core types, for the learner."""

import math

import numpy as np

from sac_learner.core.learner import Learner
from sac_learner.core.parameters import EncodedPolicy
from sac_learner.core.time_step import COLOURS, TimeStep
from ur5_rl_interfaces.msg import LearnerStatus, PolicyParameters, Transition
from ur5_rl_ros.image_bridge import bytes_of


def time_step(message: Transition) -> TimeStep:
    """Return the time step of a message; its frames are a view of the message's bytes.

    Raises:
        ValueError: the sizes do not fit each other, or a value is refused.
    """
    shape = (len(message.frame_ids), COLOURS, message.height, message.width)
    frames = np.frombuffer(message.frames, np.uint8)
    if frames.size != math.prod(shape):
        raise ValueError(f"frames must be {shape}, got {frames.size} bytes")
    return TimeStep(
        run_id=message.run_id,
        sequence=message.sequence,
        episode=message.episode,
        step=message.step,
        is_first=message.is_first,
        is_last=message.is_last,
        is_terminal=message.is_terminal,
        action=np.array(message.action, np.float32),
        reward=float(message.reward),
        stack_ids=tuple(int(i) for i in message.stack_ids),
        frame_ids=tuple(int(i) for i in message.frame_ids),
        frames=frames.reshape(shape),
        proprioception=np.array(message.proprioception, np.float32),
    )


def policy_message(policy: EncodedPolicy, env_steps: int) -> PolicyParameters:
    """Return the message that carries a policy; the sender stamps it."""
    return PolicyParameters(
        session=policy.session,
        version=policy.version,
        update_step=policy.update_step,
        env_steps=env_steps,
        architecture=policy.architecture,
        sha256=policy.sha256,
        data=bytes_of(np.frombuffer(policy.data, np.uint8)),
    )


def status_message(learner: Learner, malformed: int) -> LearnerStatus:
    """Return the learner in scalars; the node adds its stamp, timings and policy."""
    counts, metrics = learner.sampler.counts, learner.sac.metrics()
    return LearnerStatus(
        env_steps=learner.sampler.env_steps,
        updates=learner.sac.updates,
        transitions_received=counts.transitions,
        transitions_lost=counts.lost,
        transitions_refused=counts.refused + malformed,
        buffer_size=learner.sampler.buffer_size,
        buffer_fill=learner.buffer_fill,
        inbox_time_steps=learner.sampler.inbox_size,
        updates_owed=learner.updates_owed,
        update_to_data_ratio=learner.update_to_data_ratio,
        **metrics,
    )
