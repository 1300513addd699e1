"""Learn to reach with stable-baselines3's SAC, in process and without ROS.

Run `.venv/bin/python examples/train_with_stable_baselines3.py 20000`; the number is that
of steps. `./ur5rl test` has installed stable-baselines3, or `pip install` does (see
requirements/dev.txt).
"""

import sys

import gymnasium
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

NAME = "ur5_sim.gymnasium_env:UR5Reaching-v0"
EVALUATION_EPISODES = 5


def main(steps: int) -> None:
    """Learn for so many steps of 40 ms, then say what an episode earns."""
    torch.set_num_threads(1)  # networks this small are slower on more
    env = Monitor(gymnasium.make(NAME, image_size=(80, 45)))
    model = SAC(
        "MultiInputPolicy",
        env,
        buffer_size=min(steps, 20_000),  # 64 kB a step
        learning_starts=min(steps // 2, 1000),
        batch_size=64,
        gamma=0.97,
        seed=1,
        verbose=1,
    )
    model.learn(steps, log_interval=5)
    mean, deviation = evaluate_policy(model, env, n_eval_episodes=EVALUATION_EPISODES)
    print(f"an episode earns {mean:.0f} +- {deviation:.0f} (standing still: 54)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
