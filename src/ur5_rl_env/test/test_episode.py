"""An episode from snapshots and answers alone: no clock, no ROS."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_env.core.env_config import EnvConfig
from ur5_rl_env.core.episode import Answer, Episode
from ur5_rl_env.core.reward import Reward
from ur5_rl_env.core.sensors import Frame, JointSample, Snapshot
from ur5_rl_env.core.task import START_POSE_RAD

MS = 1_000_000
CONFIG = EnvConfig(height_px=9, width_px=16, episode_s=0.4)
STEPS = 10


def frame(number, stamp_ms=0, red=False):
    image = np.full((9, 16, 3), (0, 0, 200) if red else 255, np.uint8)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    return Frame(number, stamp_ms * MS, stamp_ms * MS, image, planes)


def snapshot(newest=3, joints_ms=0, frame_ms=0, red=False, qd=0.0):
    frames = tuple(frame(n, frame_ms, red) for n in range(newest - 2, newest + 1))
    q = np.array(START_POSE_RAD)
    return Snapshot(JointSample(joints_ms * MS, 0, q, np.full(6, qd)), frames)


def answer(episode, step, value=0.5, **more):
    return Answer(episode, step, np.full(5, value, np.float32), **more)


def episode():
    size = (CONFIG.height_px, CONFIG.width_px)
    reward = Reward(CONFIG.reward(), *size, CONFIG.action_period_s)
    return Episode(CONFIG, reward, number=7)


def advance(running, **kwargs):
    running.begin_step(kwargs.pop("snapshot", snapshot()), kwargs.pop("answer", None))
    return running.finish_step(limited=kwargs.pop("limited", False))


def test_first_step_has_no_action_and_no_reward():
    step = advance(episode(), snapshot=snapshot(red=True), limited=True)
    assert (step.is_first, step.is_last, step.step, step.reward) == (True, False, 0, 0.0)
    assert not step.limited
    np.testing.assert_array_equal(step.action, np.zeros(5))
    assert [f.number for f in step.new_frames] == [3]


def test_each_frame_travels_once():
    running = episode()
    sent = []
    for newest in (3, 4, 4, 7, 8):
        step = advance(running, snapshot=snapshot(newest))
        sent += [f.number for f in step.new_frames]
    assert sent == [3, 4, 5, 6, 7, 8]


def test_no_frame_from_before_an_episode_is_part_of_it():
    running, stacks = episode(), []
    for newest in (3, 4, 5, 6):
        stacks.append(advance(running, snapshot=snapshot(newest)).snapshot.frames)
        assert running.snapshot.frames == stacks[-1]  # what the actor sees, too
    numbers = [[frame.number for frame in stack] for stack in stacks]
    assert numbers == [[3, 3, 3], [3, 3, 4], [3, 4, 5], [4, 5, 6]]


def test_a_slow_camera_cycle_sends_only_the_stack_that_is_needed():
    running = episode()
    advance(running, snapshot=snapshot(3))
    step = advance(running, snapshot=snapshot(9))  # 4, 5 and 6 belong to no stack
    assert [f.number for f in step.new_frames] == [7, 8, 9]


def test_an_answer_is_the_action_of_the_next_time_step():
    running = episode()
    advance(running)
    step = advance(running, answer=answer(7, 0, 0.25, policy_version=4))
    np.testing.assert_allclose(step.action, 0.25)
    assert step.policy_version == 4
    np.testing.assert_allclose(step.proprioception[10:], 0.25)
    assert running.record.missed_actions == 0


def test_fault_a_missing_answer_means_that_the_old_action_was_held_and_then_none():
    running = episode()
    advance(running)
    answered = answer(7, 0, 0.25)
    steps = [advance(running, answer=answered) for _ in range(3)]
    actions = [float(step.action[0]) for step in steps]
    assert actions == [0.25, 0.25, 0.0]  # by then it was too old: the arm braked
    assert running.record.missed_actions == 2


def test_fault_an_answer_that_is_always_late_is_the_action_of_the_time_it_was_in_force():
    running = episode()
    advance(running)
    advance(running)  # the answer to step 0 is on its way
    step = advance(running, answer=answer(7, 0, 0.9))
    np.testing.assert_allclose(step.action, 0.9)
    assert running.record.missed_actions == 2


@pytest.mark.parametrize("wrong", [answer(6, 0), answer(7, 1), None])
def test_fault_an_answer_to_something_else_is_not_taken(wrong):
    running = episode()
    advance(running)
    step = advance(running, answer=wrong)
    np.testing.assert_array_equal(step.action, np.zeros(5))


def test_fault_a_silent_actor_is_noticed_after_three_observations():
    running = episode()
    advance(running)
    silent = []
    for _ in range(3):
        running.begin_step(snapshot(), None)
        silent.append(running.fault)
    assert silent == ["", "", "actor does not answer"]


def test_fault_an_observation_held_back_is_a_zero_action_and_no_silent_actor():
    """The arm brakes while nobody may act on an old image."""
    running = episode()
    advance(running)
    assert advance(running, answer=answer(7, 0)).action.tolist() == [0.5] * 5
    for _ in range(4):
        running.hold()
        assert advance(running).action.tolist() == [0.0] * 5
        assert running.fault == ""
    assert advance(running, answer=answer(7, 5)).action.tolist() == [0.5] * 5
    assert (running.record.held_observations, running.record.missed_actions) == (4, 0)


def test_fault_a_late_answer_acts_while_an_observation_is_held_back():
    running = episode()
    advance(running)
    advance(running)  # the answer to step 0 is late
    running.hold()
    step = advance(running, answer=answer(7, 0, 0.9))
    np.testing.assert_allclose(step.action, 0.9)
    assert running.record.missed_actions == 1


def test_one_answer_ends_the_silence():
    running = episode()
    advance(running)
    advance(running)
    advance(running)
    advance(running, answer=answer(7, 2))
    advance(running)
    assert running.fault == ""


def test_the_time_limit_is_the_last_step_and_not_terminal():
    running = episode()
    steps = [advance(running, snapshot=snapshot(3 + i)) for i in range(STEPS + 1)]
    assert [s.is_last for s in steps] == [False] * STEPS + [True]
    assert running.is_over
    assert running.record.steps == STEPS


def test_return_is_the_sum_of_the_rewards():
    running = episode()
    steps = [advance(running, snapshot=snapshot(3 + i, red=True)) for i in range(5)]
    assert running.record.return_sum == pytest.approx(sum(s.reward for s in steps))
    assert running.record.return_sum == pytest.approx(4 * 4.0, abs=0.01)  # all red: clip
    assert running.record.first_mask_px == 9 * 16


def test_proprioception_is_scaled_as_documented():
    running = episode()
    step = advance(running, snapshot=snapshot(qd=0.35))
    np.testing.assert_allclose(step.proprioception[:5], START_POSE_RAD[:5], rtol=1e-6)
    np.testing.assert_allclose(step.proprioception[5:10], 0.5)


def test_fault_joint_sample_and_image_too_far_apart_are_counted():
    running = episode()
    advance(running, snapshot=snapshot(joints_ms=100, frame_ms=60))
    advance(running, snapshot=snapshot(joints_ms=100, frame_ms=30))
    advance(running, snapshot=snapshot(joints_ms=30, frame_ms=100))  # from the future
    assert running.record.synchronisation_misses == 2
    assert running.fault == ""


def ticks(running, offsets_ms):
    """Advance once for each distance of joint sample and image; return the faults."""
    faults = []
    for offset_ms in offsets_ms:
        seen = snapshot(joints_ms=100_000 + offset_ms, frame_ms=100_000)
        running.begin_step(seen, answer(7, running.step))
        faults.append(running.fault)
    return faults


def test_fault_a_camera_that_stays_late_ends_the_episode_by_name():
    """An image of 100 ms ago does not show where the arm is: the reward would lie."""
    faults = ticks(episode(), [100] * 25)
    assert faults[:24] == [""] * 24
    words = "joint sample and image are more than 0.05 s apart for 25 ticks in a row"
    assert words in faults[24]


@pytest.mark.parametrize("jump_ms", [-30_000, 30_000])
def test_fault_a_jump_of_the_wall_clock_is_a_few_misses_and_heals(jump_ms):
    """The joints' stamps jump first; the next image has the new time too."""
    running = episode()
    assert ticks(running, [0] * 30 + [jump_ms] * 2 + [0] * 30) == [""] * 62
    assert running.record.synchronisation_misses == 2


def test_distant_stamps_can_be_counted_alone():
    patient = Episode(replace(CONFIG, max_synchronisation_misses=0), None, number=7)
    assert ticks(patient, [100] * 60) == [""] * 60
    assert patient.record.synchronisation_misses == 60


@pytest.mark.parametrize("name", ["policy_age_s", "observation_to_command_ms"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_fault_an_answer_with_an_impossible_time_is_refused(name, bad):
    with pytest.raises(ValueError, match=f"{name} must be finite and >= 0"):
        answer(7, 0, **{name: bad})


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1.01, -2.0])
def test_fault_an_action_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match="action must"):
        answer(7, 0, bad)


def test_fault_a_short_action_is_refused():
    with pytest.raises(ValueError, match="5 finite numbers"):
        Answer(7, 0, np.zeros(4, np.float32))


@given(late=st.lists(st.booleans(), min_size=1, max_size=STEPS))
def test_recorded_actions_are_those_that_were_executed(late):
    """A counter policy: the action of step k is k / 100, unless it never came."""
    running = episode()
    advance(running)
    newest = None
    for k, is_late in enumerate(late):
        newest = newest if is_late else answer(7, k, k / 100)
        step = advance(running, answer=newest)
        is_in_force = newest is not None and newest.step >= k - 1  # else the arm brakes
        executed = newest.step / 100 if is_in_force else 0.0
        np.testing.assert_allclose(step.action, executed, rtol=1e-6)
        assert step.step == k + 1
    assert running.record.missed_actions == sum(late)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("action_period_s", 0.0),
        ("episode_s", 0.01),
        ("max_image_age_s", float("nan")),
        ("height_px", 0),
        ("image_margin_s", -0.001),
        ("kernel", "gauss"),
        ("vision_clip", -1.0),
        ("first_episode", 0),
        ("max_equal_images", 1),
        ("max_equal_images", -2),
        ("max_synchronisation_misses", -1),
        ("min_mask_px", float("inf")),
    ],
)
def test_fault_a_bad_parameter_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        EnvConfig(**{name: value})


@pytest.mark.parametrize(
    ("period_s", "steps"), [(0.04, 100), (0.08, 50), (0.12, 33), (0.2, 20)]
)
def test_steps_per_episode_as_in_the_thesis(period_s, steps):
    assert EnvConfig(action_period_s=period_s).steps_per_episode == steps


@pytest.mark.parametrize(
    ("height", "width", "pixels"),
    [(90, 160, 10), (45, 80, 3), (36, 64, 2), (180, 320, 40)],
)
def test_the_least_target_goes_with_the_area_of_the_image(height, width, pixels):
    assert EnvConfig(height_px=height, width_px=width).min_mask == pixels


def test_a_wait_for_the_learner_is_listed_and_no_wait_is_not():
    record = Episode(CONFIG, None, 1).record
    record.on_tick(40 * MS, 1 * MS, 0)
    record.on_tick(90 * MS, 51 * MS, 50 * MS)
    assert record.cycle_ms == [40.0, 90.0]
    assert record.lateness_ms == [1.0, 51.0]
    assert record.learner_wait_ms == [50.0]
