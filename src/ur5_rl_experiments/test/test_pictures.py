"""Filmstrip and attention: what a mark in the picture means, to the pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sac_learner.core.networks import KERNEL, NetworkConfig, PolicyNetwork
from ur5_rl_experiments.core.attention import (
    draw_attention,
    looks_of,
    pixels_of,
    places_of,
    receptive_centre,
)
from ur5_rl_experiments.core.contender import yardstick
from ur5_rl_experiments.core.evaluation import episode_moments
from ur5_rl_experiments.core.filmstrip import draw_filmstrip, film_of
from ur5_sim.core.observer import Observer, Seen
from ur5_sim.core.world import World

NETWORKS = [
    NetworkConfig(),  # the thesis'
    NetworkConfig(height_px=45, width_px=80, crop_rows=2, crop_columns=4,
                  strides=(2, 2, 1, 1), hidden_size=16),
    NetworkConfig(height_px=31, width_px=50, crop_rows=0, crop_columns=3,
                  strides=(3, 1, 2), hidden_size=16),
]  # fmt: skip
RED = 8  # newest frame, red


@pytest.fixture(scope="module")
def moments():
    servo = yardstick("servo", 45, 80)
    world = World(servo.world("reaching"))
    act = servo.act_in(1)
    return list(episode_moments(world, Observer(0.7), act, 1, steps=20, delay_s=0.008))


def spot_follower(config):
    """Return a network whose feature 0 is where the newest frame is brightest red."""
    network = PolicyNetwork(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        centre = KERNEL // 2
        network.encoder.first.weight[0, RED, centre, centre] = 1000.0
        for convolution in network.encoder.others:
            convolution.weight[0, 0, centre, centre] = 1.0
    return network


def bright_spot(config, column, row):
    frames = np.zeros((config.channels, config.height_px, config.width_px), np.uint8)
    frames[RED, row, column] = 255
    return Seen(frames, np.zeros(15, np.float32))


@pytest.mark.parametrize("config", NETWORKS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_a_mark_is_on_the_spot_that_its_feature_follows(config, data):
    rows, columns = config.feature_map
    step, first = receptive_centre(config.strides)
    column = config.crop_columns + first + step * data.draw(st.integers(0, columns - 1))
    row = config.crop_rows + first + step * data.draw(st.integers(0, rows - 1))
    places = places_of(spot_follower(config), bright_spot(config, column, row))
    assert places.shape == (32, 2)
    np.testing.assert_allclose(places[0], [column, row], atol=1e-3)
    middle = pixels_of(np.zeros((1, 2)), config)[0]  # the others see nothing anywhere
    np.testing.assert_allclose(places[1:], np.tile(middle, (31, 1)), atol=1e-3)


@pytest.mark.parametrize("config", NETWORKS)
def test_a_place_of_the_map_is_the_middle_of_what_it_sees(config):
    """By differentiation: which pixels does a place of the feature map depend on?"""
    encoder = PolicyNetwork(config).encoder
    frames = torch.rand(1, config.channels, *config.cropped, requires_grad=True)
    x = encoder.first(frames)
    for convolution in encoder.others:
        x = convolution(x)  # without ReLU, which would hide pixels
    assert x.shape[2:] == config.feature_map
    row, column = config.feature_map[0] - 1, 1
    x[0, 0, row, column].backward()
    seen_rows, seen_columns = frames.grad[0].abs().sum(dim=0).nonzero().T
    step, first = receptive_centre(config.strides)
    assert first + step * row == (seen_rows.min() + seen_rows.max()) / 2
    assert first + step * column == (seen_columns.min() + seen_columns.max()) / 2


def test_the_thesis_network_by_hand():
    # 1 + 2 (1 + 2 (1 + 2 (1))) = 15 for the first place, then every 2 * 2 * 2 * 1
    assert receptive_centre((2, 2, 2, 1)) == (8, 15)
    assert receptive_centre((1,)) == (1, 1)
    corners = pixels_of(np.array([[-1.0, -1.0], [1.0, 1.0]]), NetworkConfig())
    rows, columns = NetworkConfig().feature_map
    assert corners.tolist() == [
        [2 + 15, 1 + 15],
        [2 + 15 + 8 * (columns - 1), 1 + 15 + 8 * (rows - 1)],
    ]


def test_a_film_has_times_and_rewards_of_its_frames(moments):
    film = film_of("Reaching", moments, period_s=0.04, every_s=0.4)
    assert [shot.time_s for shot in film.shots] == pytest.approx([0.0, 0.4, 0.8])
    for shot, moment in zip(film.shots, moments[::10], strict=True):
        assert shot.image is moment.step.frame
        assert shot.reward == moment.step.reward
    assert film.return_sum == pytest.approx(sum(m.step.reward for m in moments[1:]))


def labels(figure):
    return [axes.get_xlabel() for axes in figure.axes]


def drawn():
    figure = Figure(figsize=(6, 2), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def test_the_filmstrip_has_a_row_per_film_and_a_picture_per_shot(moments):
    film = film_of("Reaching", moments, period_s=0.04, every_s=0.4)
    figure = drawn()
    draw_filmstrip(figure, [film, film])
    figure.canvas.draw()
    assert len(figure.axes) == 6
    first = moments[0].step.reward
    assert labels(figure)[0] == f"0.0 s\nreward {first:.1f}"
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown, moments[0].step.frame[:, :, ::-1])  # RGB


def test_attention_marks_lie_on_the_frame_they_belong_to(moments):
    network = PolicyNetwork(NETWORKS[1])
    looks = looks_of(network, moments, period_s=0.04, every_s=0.8)
    figure = drawn()
    draw_attention(figure, [("Reaching", looks)])
    figure.canvas.draw()
    assert labels(figure) == ["0.0 s", "0.8"]
    for axes, look in zip(figure.axes, looks, strict=True):
        np.testing.assert_allclose(axes.lines[0].get_xydata(), look.places)
        assert axes.get_xlim() == (-0.5, 79.5) and axes.get_ylim() == (44.5, -0.5)


def test_rows_of_different_length_share_one_width(moments):
    films = [film_of("A", moments, period_s=0.04, every_s=e) for e in (0.4, 0.2)]
    figure = drawn()
    draw_filmstrip(figure, films)
    assert figure.get_size_inches()[0] == 12.0
    assert len([axes for axes in figure.axes if axes.images]) == 3 + 5


def test_fault_nothing_to_draw():
    for draw in (draw_filmstrip, draw_attention):
        with pytest.raises(ValueError, match="at least one"):
            draw(drawn(), [])
