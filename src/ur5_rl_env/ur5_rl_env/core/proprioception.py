"""What a policy is told beside the images: the one definition of its fifteen numbers."""

import numpy as np
from numpy.typing import NDArray

from ur5_rl_env.core.task import NUM_ACTIONS


def proprioception(
    q: NDArray[np.float64],
    qd: NDArray[np.float64],
    previous_action: NDArray[np.float32],
    max_joint_speed_rad_s: float,
) -> NDArray[np.float32]:
    """Return q[5] [rad], qd[5] / max speed and the previous action[5], shape (15,).

    Args:
        q: Joint positions [rad], shape (6,); the first five move.
        qd: Joint speeds [rad/s], shape (6,).
        previous_action: The one in force, in [-1, 1], shape (5,); zero at the start of an
            episode.
        max_joint_speed_rad_s: Joint speed that an action of 1 asks for [rad/s].
    """
    speed = qd[:NUM_ACTIONS] / max_joint_speed_rad_s
    numbers = np.concatenate([q[:NUM_ACTIONS], speed, previous_action])
    return numbers.astype(np.float32)
