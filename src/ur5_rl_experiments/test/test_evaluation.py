"""Episodes in numbers: centring by hand, yardsticks where their returns are known."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_env.core.task import FIRST_EVALUATION_EPISODE
from ur5_rl_experiments.core.centring import CENTRED_PX, seconds_to_centre, sight
from ur5_rl_experiments.core.contender import yardstick
from ur5_rl_experiments.core.evaluation import (
    EpisodeResult,
    episode_moments,
    evaluate,
    evaluation_episodes,
    run_episode,
    summary,
)
from ur5_sim.core.observer import Observer
from ur5_sim.core.world import World

PERIOD_S = 0.04
RESULT = EpisodeResult(
    return_sum=100.0, steps=100, seconds_to_centre=1.0, tracking_error_px=2.0,
    limited_steps=3, final_mask_px=400.0,
)  # fmt: skip


def still(_):
    return np.zeros(5, np.float32)


def lean(_):
    return np.array([0.0, 1.0, 0.0, 0.0, 0.0], np.float32)


def picture_of_a_dot(column, row, radius, width=160, height=90):
    image = np.full((height, width, 3), 200, np.uint8)
    cv2.circle(image, (column, row), radius, (0, 0, 255), -1)
    return image


@pytest.fixture(scope="module")
def servo():
    return yardstick("servo", 45, 80)


@pytest.fixture
def world(servo):
    return World(servo.world("reaching"))


def test_a_dot_is_where_it_was_drawn():
    dot = sight(picture_of_a_dot(100, 50, 6))
    assert dot.distance_px == pytest.approx(math.hypot(100 - 79.5, 50 - 44.5))
    assert dot.area_px == pytest.approx(math.pi * 6.25**2, rel=0.1)


def test_images_of_all_sizes_speak_of_the_same_pixels():
    small = sight(picture_of_a_dot(100, 50, 6))
    large = sight(cv2.resize(picture_of_a_dot(100, 50, 6), (320, 180), 0, 0, 0, 0))
    assert large.distance_px == pytest.approx(small.distance_px, rel=0.01)
    assert large.area_px == pytest.approx(small.area_px, rel=0.05)


@pytest.mark.parametrize(("width", "height"), [(160, 90), (80, 45)])
def test_fault_a_dot_out_of_sight_counts_as_half_the_diagonal(width, height):
    image = np.full((height, width, 3), 200, np.uint8)
    assert sight(image).distance_px == pytest.approx(math.hypot(80, 45))
    assert sight(image).area_px == 0.0


def test_the_dot_is_centred_once_it_has_stayed_for_a_second():
    far, near = CENTRED_PX + 1.0, CENTRED_PX
    distances = np.array([near] * 25 + [far] * 5 + [near] * 26 + [far])
    assert seconds_to_centre(distances, PERIOD_S) == pytest.approx(30 * PERIOD_S)
    assert seconds_to_centre(distances[:55], PERIOD_S) == math.inf
    assert seconds_to_centre(np.full(26, near), PERIOD_S) == 0.0
    assert seconds_to_centre(np.array([]), PERIOD_S) == math.inf


@given(st.lists(st.floats(0.0, 90.0), max_size=80), st.integers(0, 20))
def test_a_later_start_is_a_later_end(distances, before):
    values = np.array(distances)
    first = seconds_to_centre(values, PERIOD_S)
    later = seconds_to_centre(np.concatenate([np.full(before, 90.0), values]), PERIOD_S)
    assert later == pytest.approx(first + before * PERIOD_S)


def test_the_servo_centres_every_dot_and_standing_still_none(servo, world):
    episodes, observer = evaluation_episodes(3), Observer(0.7)
    settings = {"steps": 100, "delay_s": 0.008}
    servos = [
        run_episode(world, observer, servo.act_in(episode), episode, **settings)
        for episode in episodes
    ]
    stills = evaluate(world, observer, still, episodes=episodes, **settings)
    for moved, stood in zip(servos, stills, strict=True):
        assert moved.is_centred and moved.seconds_to_centre < 2.0
        assert moved.tracking_error_px < 2.0
        assert moved.final_mask_px > 3.0 * stood.final_mask_px
        assert stood.return_sum < 100.0 and moved.return_sum > 240.0
        assert stood.limited_steps == 0


def test_the_same_episode_gives_the_same_result(world):
    results = [
        run_episode(
            world, Observer(0.7), still, FIRST_EVALUATION_EPISODE, steps=10, delay_s=0.0
        )
        for _ in range(2)
    ]
    assert results[0] == results[1]


def test_a_reward_belongs_to_the_action_before_it(world):
    moments = list(episode_moments(world, Observer(0.7), still, 1, steps=5, delay_s=0.0))
    result = run_episode(world, Observer(0.7), still, 1, steps=5, delay_s=0.0)
    assert len(moments) == 6
    assert result.return_sum == pytest.approx(sum(m.step.reward for m in moments[1:]))


def test_every_step_that_a_limit_changed_is_counted(world):
    settings = {"steps": 100, "delay_s": 0.0}
    moments = episode_moments(world, Observer(0.7), lean, 1, **settings)
    limited = sum(moment.step.is_limited for moment in moments)
    result = run_episode(world, Observer(0.7), lean, 1, **settings)
    assert result.limited_steps == limited > 1


@pytest.mark.parametrize(("delay_s", "moves"), [(0.0, True), (PERIOD_S, False)])
def test_the_arm_follows_an_action_after_the_delay(world, delay_s, moves):
    moments = episode_moments(world, Observer(0.7), lean, 1, steps=1, delay_s=delay_s)
    first, second = moments
    assert (first.step.q != second.step.q).any() == moves


def test_the_policy_is_told_its_last_action(world):
    seen_actions = []

    def act(seen):
        seen_actions.append(seen.proprioception[10:].tolist())
        return np.full(5, 0.1 * len(seen_actions), np.float32)

    run_episode(world, Observer(0.7), act, 1, steps=3, delay_s=0.0)
    expected = [[0.1 * k] * 5 for k in range(3)]
    np.testing.assert_allclose(seen_actions, expected, rtol=1e-6)


def test_a_summary_by_hand():
    results = [
        RESULT,
        replace(RESULT, return_sum=200.0, seconds_to_centre=2.0),
        replace(RESULT, return_sum=300.0, seconds_to_centre=math.inf),
    ]
    it = summary(results)
    assert (it.episodes, it.mean_return, it.minimum) == (3, 200.0, 100.0)
    assert it.standard_error == pytest.approx(100.0 / math.sqrt(3.0))
    assert it.seconds_to_centre == 2.0
    assert it.centred == pytest.approx(2 / 3)
    assert it.centred_interval == pytest.approx((0.2077, 0.9385), abs=1e-4)
    assert it.limited_steps == 9
    assert it.tracking_error_px == 2.0 and it.final_mask_px == 400.0


def test_where_half_of_the_dots_are_never_centred_the_median_is_infinite():
    never = replace(RESULT, seconds_to_centre=math.inf)
    assert summary([RESULT, never]).seconds_to_centre == math.inf


def test_no_training_run_gets_to_the_episodes_of_an_evaluation():
    assert evaluation_episodes(2) == range(1_000_000, 1_000_002)


def test_fault_nothing_to_evaluate(world):
    with pytest.raises(ValueError, match="episodes must be at least 1, got 0"):
        evaluation_episodes(0)
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        run_episode(world, Observer(0.7), still, 1, steps=0, delay_s=0.0)
    with pytest.raises(ValueError, match="values must be"):
        summary([])
