"""The Gymnasium environments against Gymnasium, the in-process world and a library."""

import copy
import math
import pickle
import warnings

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import stable_baselines3.common.env_checker
import torch
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from target_display.core.motion import MotionConfig
from ur5_rl_env.core.kinematics import position_of_tool0
from ur5_rl_env.core.task import START_POSE_RAD
from ur5_sim.core.world import World, WorldConfig
from ur5_sim.gymnasium_env import ACTION_PERIODS_S, IMAGE_SIZES, NAMES, UR5Env

STILL = np.zeros(5, np.float32)
FORWARDS = np.array([0.3, 0.5, -0.5, 0.2, 1.0], np.float32)
SMALL = (80, 45)


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def make(name="UR5Reaching-v0", **changed):
    return gymnasium.make(f"ur5_sim.gymnasium_env:{name}", **changed)


def episode_return(env, seed):
    env.reset(seed=seed)
    total, truncated = 0.0, False
    while not truncated:
        _, reward, terminated, truncated, _ = env.step(STILL)
        assert not terminated
        total += reward
    return total


def film(env, seed, steps=5):
    """Return images and proprioception of two episodes."""
    seen = []
    for one_seed in (seed, None):
        seen.append(env.reset(seed=one_seed)[0])
        seen += [env.step(FORWARDS)[0] for _ in range(steps)]
    return (
        np.array([one["image"] for one in seen]),
        np.array([one["proprioception"] for one in seen]),
    )


@pytest.mark.parametrize("size", IMAGE_SIZES)
@pytest.mark.parametrize("name", NAMES.values())
def test_gymnasium_finds_nothing_to_complain_about(name, size):
    env = make(name, image_size=size, render_mode="rgb_array")
    check_env(env.unwrapped)
    assert env.observation_space["image"].shape == (9, size[1], size[0])


@pytest.mark.parametrize("name", NAMES.values())
def test_stable_baselines3_finds_nothing_to_complain_about(name):
    stable_baselines3.common.env_checker.check_env(UR5Env(image_size=SMALL))


@pytest.mark.parametrize("motion", NAMES)
def test_a_name_stands_for_its_motion(motion):
    env = make(NAMES[motion], image_size=SMALL)
    env.reset(seed=1)
    before = env.step(STILL)[4]["target_units"]
    after = env.step(STILL)[4]["target_units"]
    assert (motion == "tracking") == bool(np.abs(after - before).max() > 0.1)


def test_a_seed_decides_everything_and_episodes_differ():
    env = make("UR5Tracking-v0", image_size=SMALL)
    images, numbers = film(env, 7)
    again, same_numbers = film(make("UR5Tracking-v0", image_size=SMALL), 7)
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(numbers, same_numbers)
    assert not np.array_equal(images, film(env, 8)[0])
    first, second = np.split(images, 2)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_a_copy_goes_on_as_the_original_does_bit_by_bit(copied):
    original = UR5Env(motion="tracking", image_size=SMALL)
    original.reset(seed=3)
    original.step(FORWARDS)
    twin = copied(original)
    for _ in range(50):
        seen, reward, _, _, info = original.step(FORWARDS)
        same, same_reward, _, _, same_info = twin.step(FORWARDS)
        np.testing.assert_array_equal(seen["image"], same["image"])
        assert reward == same_reward
        np.testing.assert_array_equal(info["target_px"], same_info["target_px"])
    np.testing.assert_array_equal(original.reset()[0]["image"], twin.reset()[0]["image"])


def test_the_seed_of_the_constructor_is_that_of_the_first_reset():
    built = film(make(image_size=SMALL, seed=7), None)[0]
    np.testing.assert_array_equal(built, film(make(image_size=SMALL), 7)[0])


@pytest.mark.parametrize("period_s", ACTION_PERIODS_S)
def test_time_truncates_an_episode_once_and_nothing_terminates_it(period_s):
    env = make(image_size=SMALL, action_period_s=period_s)
    assert env.spec.max_episode_steps is None
    env.reset(seed=1)
    ends = [env.step(STILL)[2:4] for _ in range(int(4.0 / period_s + 1e-9))]
    assert ends == [(False, False)] * (len(ends) - 1) + [(False, True)]


@pytest.mark.parametrize("seed", [1, 2])
def test_returns_compare_whatever_the_action_period(seed):
    returns = [
        episode_return(make(image_size=SMALL, action_period_s=period_s), seed)
        for period_s in ACTION_PERIODS_S
    ]
    assert returns == pytest.approx([returns[0]] * len(returns), rel=0.04)


def test_rewards_and_images_are_those_of_the_world():
    env = make("UR5Tracking-v0", image_size=(160, 90))
    world = World(WorldConfig(motion=MotionConfig(motion="tracking")))
    env.reset(options={"episode": 3})
    world.reset(3)
    for _ in range(30):
        seen, reward, _, _, info = env.step(FORWARDS)
        step = world.step(FORWARDS)
        assert reward == step.reward
        assert reward == pytest.approx(info["vision"] - info["posture"])
        np.testing.assert_array_equal(seen["image"][6:], step.frame.transpose(2, 0, 1))
        np.testing.assert_array_equal(info["q"], step.q)
    assert info["tool_position_m"] == pytest.approx(position_of_tool0(step.q))


@pytest.mark.parametrize("latency_s", [0.0, 0.05])
def test_info_tells_where_the_image_shows_the_target(latency_s):
    camera = {"noise_sigma": 0.0, "latency_s": latency_s}
    env = make("UR5Tracking-v0", image_size=(160, 90), camera_options=camera)
    env.reset(seed=2)
    for _ in range(10):
        seen, _, _, _, info = env.step(FORWARDS)
    blue, _, red = seen["image"][6:].astype(int)
    rows, columns = np.nonzero(red - blue > 60)
    assert len(rows) > 60
    assert info["target_px"] == pytest.approx((columns.mean(), rows.mean()), abs=0.3)


def test_a_picture_is_the_newest_frame_in_rgb():
    env = make(image_size=SMALL, render_mode="rgb_array", action_period_s=0.08)
    seen, _ = env.reset(seed=1)
    np.testing.assert_array_equal(env.render(), seen["image"][:5:-1].transpose(1, 2, 0))
    assert env.metadata["render_fps"] == 12


def test_options_reach_the_camera_and_the_reward():
    dark = make(image_size=SMALL, camera_options={"gain": 0.3})
    assert dark.reset(seed=1)[1]["mask_px"] == 0
    free = make(image_size=SMALL, reward_options={"vision_scale": 0.0})
    assert free.reset(seed=1)[1]["vision"] == 0.0


@given(st.lists(st.sampled_from((-1.0, 1.0)), min_size=5, max_size=5))
@settings(max_examples=10, deadline=None)
def test_observations_stay_within_their_space(action):
    env = UR5Env(image_size=SMALL)
    env.reset(seed=1)
    for _ in range(60):
        seen = env.step(np.array(action, np.float32))[0]
        assert seen in env.observation_space


def test_an_action_beyond_one_counts_as_one():
    env = UR5Env(image_size=SMALL)
    env.reset(seed=1)
    seen = env.step(np.array([9.0, 1e300, 0.5, -9.0, 1.0]))[0]
    assert seen["proprioception"][10:].tolist() == [1.0, 1.0, 0.5, -1.0, 1.0]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_two_worlds_side_by_side(mode):
    envs = gymnasium.make_vec(
        "UR5Reaching-v0", num_envs=2, vectorization_mode=mode, image_size=SMALL
    )
    try:
        seen, _ = envs.reset(seed=5)
        alone, _ = make(image_size=SMALL).reset(seed=5)
        np.testing.assert_array_equal(seen["image"][0], alone["image"])
        assert not np.array_equal(seen["image"][0], seen["image"][1])
        ends = []
        for _ in range(102):  # beyond an episode's end
            seen, rewards, _, truncated, _ = envs.step(np.zeros((2, 5), np.float32))
            ends.append(truncated.tolist())
        assert [n for n, end in enumerate(ends, 1) if any(end)] == [100]
        assert ends[99] == [True, True]
        assert seen["image"].shape == (2, 9, 45, 80)
        assert np.isfinite(rewards).all()
    finally:
        envs.close()


def test_stable_baselines3_learns_with_it():
    torch.set_num_threads(1)
    env = make(image_size=SMALL)
    model = stable_baselines3.SAC(
        "MultiInputPolicy",
        env,
        buffer_size=100,
        learning_starts=16,
        batch_size=4,
        policy_kwargs={"net_arch": [16]},
        seed=0,
        device="cpu",
    )
    model.learn(24)
    action, _ = model.predict(env.reset(seed=1)[0], deterministic=True)
    assert action in env.action_space
    assert model._n_updates == 8


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"motion": "dancing"}, "motion"),
        ({"image_size": (64, 64)}, "image_size"),
        ({"image_size": 5}, "image_size must be one of"),
        ({"image_size": "160x90"}, "image_size must be one of"),
        ({"motion": 5}, "motion must be str, got 5"),
        ({"episode_s": "4"}, "episode_s must be float, got '4'"),
        ({"camera_options": {"gain": "dark"}}, "gain must be float, got 'dark'"),
        ({"camera_options": {"screen_centre_m": 1.0}}, "screen_centre_m must be a list"),
        ({"camera_options": {"wall_y_m": math.inf}}, "wall_y_m"),
        ({"action_period_s": 0.05}, "action_period_s"),
        ({"episode_s": 0.01}, "episode_s"),
        ({"render_mode": "human"}, "render_mode"),
        ({"camera_options": {"noise": 1.0}}, "noise"),
        ({"camera_options": {"gain": -1.0}}, "gain"),
        ({"camera_options": {"width_px": 80}}, "width_px"),
        ({"camera_options": {"rate_hz": 24.0}}, "rate_hz"),
        ({"motion_options": {"radius_units": math.nan}}, "radius_units"),
        ({"reward_options": {"kernel": "round"}}, "kernel"),
    ],
)
def test_fault_an_environment_that_cannot_be_is_refused_by_name(changed, name):
    with pytest.raises(ValueError, match=name):
        UR5Env(**changed)


@pytest.mark.parametrize("options", [{"episode": -1}, {"episode": "1"}, {"chapter": 1}])
def test_fault_an_unknown_option_of_a_reset_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        UR5Env(image_size=SMALL).reset(options=options)


def test_an_image_size_may_be_a_list_or_of_floats():
    for size in ([80, 45], (80.0, 45.0)):
        env = UR5Env(image_size=size)
        assert env.reset(seed=1)[0]["image"].shape == (9, 45, 80)


@pytest.mark.parametrize(
    "action", [np.zeros(6), np.full(5, np.nan), np.full(5, np.inf), [0, 0, 0, 0, -np.inf]]
)
def test_fault_an_action_that_is_none_is_refused(action):
    env = UR5Env(image_size=SMALL)
    env.reset(seed=1)
    with pytest.raises(ValueError, match="5 finite numbers"):
        env.step(action)


def test_a_specification_written_as_json_makes_the_same_environment():
    env = make("UR5Tracking-v0", image_size=SMALL, camera_options={"gain": 0.9})
    text = env.spec.to_json()
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(text))
    seen, info = again.reset(seed=3)
    np.testing.assert_array_equal(seen["image"], env.reset(seed=3)[0]["image"])
    assert info["q"] == pytest.approx(START_POSE_RAD)
