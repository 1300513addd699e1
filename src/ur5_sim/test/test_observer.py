"""The in-process observation against its definition."""

import numpy as np
import pytest

from ur5_rl_env.core.proprioception import proprioception
from ur5_sim.core.observer import Observer
from ur5_sim.core.world import World, WorldConfig


def test_an_observation_is_the_last_three_frames_and_fifteen_numbers():
    world, observer = World(WorldConfig()), Observer(0.7)
    action = np.array([0.5, -0.5, 0.1, 0.0, 1.0], np.float32)
    step = world.reset(1)
    for _ in range(6):
        seen = observer.observe(step, action)
        expected = np.concatenate([f.transpose(2, 0, 1) for f in step.frames])
        np.testing.assert_array_equal(seen.frames, expected)
        numbers = proprioception(step.q, step.qd, action, 0.7)
        np.testing.assert_array_equal(seen.proprioception, numbers)
        step = world.step(action)


def test_proprioception_is_positions_speeds_and_the_action_before():
    q, qd = np.arange(6.0), np.full(6, 0.35)
    action = np.array([1.0, 0.0, -1.0, 0.5, 0.0], np.float32)
    numbers = proprioception(q, qd, action, 0.7)
    assert numbers.dtype == np.float32
    assert numbers.tolist() == pytest.approx([0, 1, 2, 3, 4, *[0.5] * 5, *action])


def test_an_episode_starts_with_no_action():
    world, observer = World(WorldConfig()), Observer(0.7)
    assert not observer.observe(world.reset(1)).proprioception[10:].any()


def test_each_frame_is_turned_once():
    world, observer = World(WorldConfig()), Observer(0.7)
    before = observer.planes(world.reset(1))
    after = observer.planes(world.step(np.zeros(5)))
    shared = before.keys() & after.keys()
    assert shared
    assert all(before[name] is after[name] for name in shared)
