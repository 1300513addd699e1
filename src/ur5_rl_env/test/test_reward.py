"""The reward by hand: masks, weights and posture."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ur5_rl_env.core.reward import (
    Reward,
    RewardConfig,
    centre_weight,
    mask_pixels,
    posture_penalty,
    red_mask,
)
from ur5_rl_env.core.task import START_POSE_RAD

HEIGHT, WIDTH = 90, 160
RED, WHITE = (30, 30, 220), (255, 255, 255)  # BGR


def image(rows=slice(0, 0), columns=slice(0, 0)):
    """Return a white image with a red rectangle."""
    pixels = np.full((HEIGHT, WIDTH, 3), WHITE, np.uint8)
    pixels[rows, columns] = RED
    return pixels


def reward(pixels, q=START_POSE_RAD, period_s=0.04, **form):
    return Reward(RewardConfig(**form), HEIGHT, WIDTH, period_s)(pixels, q)


@pytest.mark.parametrize(
    ("bgr", "is_red"),
    [
        ((50, 50, 120), True),
        ((51, 50, 120), False),
        ((50, 51, 120), False),
        ((50, 50, 119), False),
        ((0, 0, 255), True),
        (WHITE, False),
        ((220, 30, 30), False),  # blue: the channels are not swapped
    ],
)
def test_red_is_what_the_task_says(bgr, is_red):
    pixel = np.array([[bgr]], np.uint8)
    assert red_mask(pixel).tolist() == [[255 * is_red]]
    assert mask_pixels(pixel) == is_red


def test_weight_is_a_quarter_in_the_middle_and_nothing_at_the_edge():
    weight = centre_weight("tents", HEIGHT, WIDTH)
    assert weight[45, 80] == weight.max() == 0.25
    assert weight[0].max() == weight[:, 0].max() == 0.0
    assert weight.mean() == pytest.approx(0.0625, abs=1e-4)


def test_one_red_pixel_in_the_middle():
    assert reward(image(45, 80)) == pytest.approx(800 * 0.25 / (HEIGHT * WIDTH), abs=2e-4)


def test_white_screen_earns_the_posture_alone():
    q = (math.pi / 2, -2.0, 1.9, -3.0, -1.0, 0.0)
    assert reward(image(), q) == pytest.approx(-(math.pi / 2 - 1.0) - (math.pi - 3.1))


def test_vision_is_clipped_at_four():
    assert reward(image(slice(None), slice(None))) == pytest.approx(4.0, abs=2e-4)
    unclipped = reward(image(slice(None), slice(None)), vision_clip=0.0)
    assert unclipped == pytest.approx(50.0, abs=0.1)


def test_reward_grows_with_the_action_period():
    pixels = image(slice(40, 50), slice(75, 85))
    assert reward(pixels, period_s=0.08) == pytest.approx(2.0 * reward(pixels))
    fixed = reward(pixels, period_s=0.08, reference_period_s=0.0)
    assert fixed == pytest.approx(reward(pixels))


def test_thesis_kernel_is_one_in_the_middle():
    assert centre_weight("thesis", HEIGHT, WIDTH).max() == 1.0


@given(row=st.integers(6, 84), column=st.integers(6, 154))
def test_nearer_to_the_middle_is_never_worse(row, column):
    def at(row, column):
        return reward(image(slice(row - 5, row + 5), slice(column - 5, column + 5)))

    nearer_row, nearer_column = (row + 45) // 2, (column + 80) // 2
    assert at(nearer_row, nearer_column) >= at(row, column) - 1e-6


def test_start_pose_costs_nothing():
    assert posture_penalty(START_POSE_RAD) == pytest.approx(0.0, abs=2e-4)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"kernel": "gauss"}, "kernel must be one of"),
        ({"vision_scale": -1.0}, "vision_scale must be finite"),
        ({"vision_clip": math.inf}, "vision_clip must be finite"),
    ],
)
def test_fault_bad_form_is_refused_by_name(bad, message):
    with pytest.raises(ValueError, match=message):
        RewardConfig(**bad)


@pytest.mark.parametrize(("clip", "vision"), [(0.0, 11.11), (4.0, 4.0)])
def test_a_score_says_what_the_reward_is_made_of(clip, vision):
    """800 pixels of the best weight, 1/4, of 14400: 800 / 14400 * 0.25 * 800 at most."""
    pose = (START_POSE_RAD[0] + 0.5, *START_POSE_RAD[1:])
    pixels = image(slice(35, 55), slice(60, 100))
    scored = Reward(RewardConfig(vision_clip=clip), HEIGHT, WIDTH, 0.12)
    score = scored.score(pixels, pose)
    assert score.mask_px == mask_pixels(pixels) == 800
    assert score.posture == pytest.approx(0.5, abs=1e-3)
    assert 0.75 * vision <= score.vision <= vision
    assert score.reward == pytest.approx(3.0 * (score.vision - score.posture))
    assert score.reward == scored(pixels, pose)
