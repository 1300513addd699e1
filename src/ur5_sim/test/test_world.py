"""The whole task in process: its returns, its timing, its limits, its speed."""

import copy
import pickle
import time

import cv2
import numpy as np
import pytest

from target_display.core.motion import MotionConfig, trajectory
from ur5_rl_env.core import task
from ur5_rl_env.core.arm_config import ArmConfig
from ur5_rl_env.core.kinematics import position_of_tool0
from ur5_rl_env.core.reward import Reward, RewardConfig, mask_pixels
from ur5_sim.core.camera_config import CameraConfig
from ur5_sim.core.one_core import use_one_core
from ur5_sim.core.world import World, WorldConfig

STEPS = 100
STILL = np.zeros(5)


@pytest.fixture(autouse=True, scope="module")
def _one_core():
    before = cv2.getNumThreads()
    use_one_core()
    yield
    cv2.setNumThreads(before)
    cv2.ipp.setUseIPP(True)


def world(motion="reaching", seed=0, **changed):
    camera = changed.pop("camera", CameraConfig())
    return World(
        WorldConfig(
            motion=MotionConfig(motion=motion, seed=seed, **changed), camera=camera
        )
    )


def returns(some_world, policy, episodes):
    sums = []
    for episode in range(1, episodes + 1):
        some_world.reset(episode)
        sums.append(sum(some_world.step(policy()).reward for _ in range(STEPS)))
    return np.array(sums)


def test_doing_nothing_earns_54_on_average():
    """Published reference: 54 +- 20 per episode, reaching. Standard error 2.2 here."""
    sums = returns(world(), lambda: STILL, 80)
    assert sums.mean() == pytest.approx(54.0, abs=8.0)
    assert sums.std() == pytest.approx(20.0, abs=8.0)


def test_doing_nothing_earns_59_on_average_while_the_target_moves():
    sums = returns(world("tracking"), lambda: STILL, 40)
    assert sums.mean() == pytest.approx(59.0, abs=6.0)


@pytest.mark.parametrize(("motion", "reference"), [("reaching", 3.0), ("tracking", 10.0)])
def test_random_actions_earn_about_nothing(motion, reference):
    rng = np.random.default_rng(1)
    sums = returns(world(motion), lambda: rng.uniform(-1.0, 1.0, 5), 40)
    assert sums.mean() == pytest.approx(reference, abs=15.0)
    assert sums.std() > 15.0


def test_each_reward_is_that_of_its_frame_and_pose():
    some_world = world("tracking")
    reward = Reward(RewardConfig(), 90, 160, task.ACTION_PERIOD_S)
    rng = np.random.default_rng(2)
    some_world.reset(1)
    for _ in range(20):
        step = some_world.step(rng.uniform(-1.0, 1.0, 5))
        assert step.reward == reward(step.frame, step.q)
        assert (step.frame.shape, step.frame.dtype) == ((90, 160, 3), np.uint8)
        assert step.q.shape == step.qd.shape == (6,)


def test_the_same_actions_give_the_same_frames_bit_by_bit():
    config = CameraConfig(latency_s=0.08, drop_probability=0.2, noise_sigma=5.0, seed=3)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (30, 5))

    def film(some_world, episode):
        frames = [some_world.reset(episode).frame]
        frames += [some_world.step(action).frame for action in actions]
        return np.array(frames)

    first = world("tracking", camera=config)
    film(first, 1)  # what went before does not matter
    np.testing.assert_array_equal(
        film(first, 2), film(world("tracking", camera=config), 2)
    )
    assert not np.array_equal(film(first, 2), film(first, 3))


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_a_copy_goes_on_as_the_original_does_bit_by_bit(copied):
    config = CameraConfig(latency_s=0.08, drop_probability=0.2)
    original = world("tracking", camera=config)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (50, 5))
    original.reset(1)
    for action in actions[:5]:
        original.step(action)
    twin = copied(original)
    for action in actions:
        for one, other in zip(
            original.step(action).frames, twin.step(action).frames, strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_frames_and_rewards_do_not_depend_on_how_opencv_computes():
    def film():
        some_world = world("tracking", camera=CameraConfig(blur_sigma_px=0.7, gain=0.9))
        some_world.reset(1)
        steps = [some_world.step(action) for action in np.eye(5)]
        return np.array([s.frame for s in steps]), [s.reward for s in steps]

    cv2.ipp.setUseIPP(True)
    frames, rewards = film()
    use_one_core()
    again, same_rewards = film()
    np.testing.assert_array_equal(frames, again)
    assert rewards == same_rewards


def test_a_reset_is_the_start_pose_at_rest_and_the_target_of_the_episode():
    some_world = world(seed=5)
    some_world.reset(1)
    for _ in range(10):
        some_world.step(np.ones(5))
    step = some_world.reset(2)
    assert step.q == pytest.approx(task.START_POSE_RAD)
    assert not step.qd.any()
    assert some_world.target == trajectory(MotionConfig(seed=5), 2).at(0.0)


def test_the_joints_move_by_the_law_of_speedj():
    """1.4 rad/s2 up to 0.7 rad/s: half a second of ramp, then constant speed.

    The first cycle has 100 rad/s3 * 8 ms = 0.8 rad/s2 only: 4.8 mrad/s less.
    """
    some_world = world()
    some_world.reset(1)
    action = np.array([1.0, 0.0, 0.0, 0.0, -1.0])
    speeds, pans = [], []
    for _ in range(20):
        step = some_world.step(action)
        speeds.append(step.qd[0])
        pans.append(step.q[0])
    assert speeds[4] == pytest.approx(1.4 * 0.2 - 0.0048)
    assert speeds[-1] == pytest.approx(0.7)
    travelled = 0.5 * 0.7 * 0.5 + 0.7 * 0.3
    assert pans[-1] - task.START_POSE_RAD[0] == pytest.approx(travelled, rel=0.015)
    assert step.qd[5] == 0.0


def test_the_target_moves_while_the_arm_stands():
    some_world = world("tracking")
    start = trajectory(MotionConfig(motion="tracking"), 4)
    some_world.reset(4)
    for _ in range(25):
        some_world.step(STILL)
    assert some_world.target.x_units == pytest.approx(start.at(1.0).x_units)
    assert some_world.target.y_units == pytest.approx(start.at(1.0).y_units)


@pytest.mark.parametrize("frames", [1, 3])
def test_latency_shows_what_was_seen_so_many_steps_ago(frames):
    now = world("tracking")
    then = world("tracking", camera=CameraConfig(latency_s=frames * 0.04))
    seen_now, seen_then = [now.reset(1).frames], [then.reset(1).frames]
    for action in np.random.default_rng(0).uniform(-1.0, 1.0, (8, 5)):
        seen_now.append(now.step(action).frames)
        seen_then.append(then.step(action).frames)
    np.testing.assert_array_equal(seen_then[frames:], seen_now[:-frames])
    np.testing.assert_array_equal(seen_then[:frames], [seen_now[0]] * frames)


@pytest.mark.parametrize(
    ("latency_s", "cycles"), [(0.0, 0), (0.01, 2), (0.024, 3), (0.03, 4), (0.05, 7)]
)
def test_a_frame_is_seen_in_the_first_control_cycle_after_its_latency(latency_s, cycles):
    arm, camera = ArmConfig(action_period_s=0.008), CameraConfig(latency_s=latency_s)
    some_world = World(WorldConfig(arm=arm, camera=camera))
    ids = [some_world.reset(1).frame_ids[-1]]
    ids += [some_world.step(STILL).frame_ids[-1] for _ in range(40)]
    seen_at = (np.flatnonzero(np.diff(ids)) + 1).tolist()
    assert seen_at == list(range(5 + cycles, 41, 5))


def test_a_lost_frame_leaves_the_one_before():
    config = CameraConfig(noise_sigma=0.0, drop_probability=1.0)
    some_world = world("tracking", camera=config)
    first = some_world.reset(1).frame
    for _ in range(5):
        np.testing.assert_array_equal(some_world.step(STILL).frame, first)


def test_the_arm_keeps_its_limits_whatever_is_asked():
    arm, some_world = ArmConfig(), world()
    rng = np.random.default_rng(0)
    touched = 0
    for episode in range(1, 9):
        some_world.reset(episode)
        action = rng.uniform(-1.0, 1.0, 5).round()
        for _ in range(STEPS):
            step = some_world.step(action)
            assert (np.array(arm.joint_lower_rad) <= step.q + 1e-6).all()
            assert (step.q <= np.array(arm.joint_upper_rad) + 1e-6).all()
            position = np.array(position_of_tool0(step.q))
            assert (np.array(arm.box_lower_m) <= position).all()
            assert (position <= np.array(arm.box_upper_m)).all()
        asked = action * arm.max_joint_speed_rad_s
        touched += np.abs(asked - step.qd[:5]).max() > 0.1
    assert touched >= 4  # the limits were put to the test


@pytest.mark.parametrize("size", [(80, 45), (320, 180)])
def test_other_sizes_earn_the_same(size):
    camera = CameraConfig(width_px=size[0], height_px=size[1])
    usual, other = (
        returns(world(), lambda: STILL, 6),
        returns(world(camera=camera), lambda: STILL, 6),
    )
    assert other.mean() == pytest.approx(usual.mean(), rel=0.06)


def test_a_step_is_fast_enough_to_train_with():
    """`./ur5rl bench env` measures; a part of it must be there on any machine."""
    some_world = world("tracking")
    some_world.reset(1)
    rng = np.random.default_rng(0)
    times_s = []
    for _ in range(10):
        actions = rng.uniform(-1.0, 1.0, (40, 5))
        some_world.reset(1)
        before = time.thread_time()
        for action in actions:
            some_world.step(action)
        times_s.append((time.thread_time() - before) / 40)
    assert min(times_s) < 1 / 800


@pytest.mark.parametrize(
    "action", [np.zeros(6), np.zeros((1, 5)), [0.0, 0.0, np.nan, 0.0, 0.0]]
)
def test_fault_an_action_that_is_none_is_refused(action):
    some_world = world()
    before = some_world.reset(1).q
    with pytest.raises(ValueError, match="5 finite numbers"):
        some_world.step(action)
    assert some_world.step(STILL).q == pytest.approx(before)


def test_fault_an_action_beyond_one_is_cut_off():
    fast, usual = world(), world()
    fast.reset(1)
    usual.reset(1)
    for _ in range(10):
        wild = fast.step(np.array([50.0, 0.2, -0.5, -3.0, 0.0]))
        full = usual.step(np.array([1.0, 0.2, -0.5, -1.0, 0.0]))
    np.testing.assert_array_equal(wild.q, full.q)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"arm": ArmConfig(action_period_s=0.041)}, "action_period_s"),
        ({"screen_width_px": 4}, "screen_width_px"),
    ],
)
def test_fault_a_world_that_cannot_be_is_refused_by_name(changed, name):
    with pytest.raises(ValueError, match=name):
        WorldConfig(**changed)


def test_the_first_frame_shows_the_dot():
    some_world = world()
    assert all(mask_pixels(some_world.reset(n).frame) > 60 for n in range(1, 20))


def test_frames_come_at_the_camera_rate_whatever_the_action_period():
    """The last three camera frames, 40 ms apart, at an action period of 120 ms."""
    some_world = World(WorldConfig(arm=ArmConfig(action_period_s=0.12)))
    first = some_world.reset(1)
    assert first.frame_ids == (first.frame_ids[0],) * 3
    seen = [some_world.step(STILL).frame_ids for _ in range(3)]
    begin = first.frame_ids[0]
    assert seen == [tuple(begin + 3 * k + i for i in (1, 2, 3)) for k in range(3)]


def test_until_the_delay_is_over_the_arm_follows_the_action_before():
    some_world = world()
    some_world.reset(1)
    forwards, back = np.array([1.0, 0, 0, 0, 0]), np.array([-1.0, 0, 0, 0, 0])
    for _ in range(20):
        some_world.step(forwards)
    held = some_world.step(back, delay_s=0.024)  # 3 of 5 control periods
    assert held.qd[0] == pytest.approx(0.7 - 0.008 * (0.8 + 1.4))  # 0.8: jerk
    assert some_world.step(back).qd[0] == pytest.approx(0.7 - 0.008 * (0.8 + 6 * 1.4))


def test_a_step_says_whether_a_limit_kept_the_arm_back():
    some_world = world()
    some_world.reset(1)
    action = np.array([0.0, 1.0, -1.0, 0.0, 0.0])
    limited = [some_world.step(action).is_limited for _ in range(STEPS)]
    assert not limited[0]
    assert limited[-1]
