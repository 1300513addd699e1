"""Curves, bars and tables of several seeds, by numbers done by hand."""

import math

import cv2
import numpy as np
import pytest
from fake_results import result, table

from ur5_rl_experiments.core.figures import (
    by_group,
    draw_thesis_figures,
    learning_curve,
)
from ur5_rl_experiments.core.table import rows, text

LEVELS = {"sequential": 40.0, "async_1": 80.0, "async_2": 120.0}


@pytest.fixture(scope="module")
def results():
    return [
        result(
            run, LEVELS[run.config.learner.architecture] + 10.0 * run.config.learner.seed
        )
        for run in table()
    ]


def test_a_curve_is_the_mean_over_seeds_with_its_standard_error(results):
    seeds = by_group(results)["reaching/baseline/async_2"]
    curve = learning_curve(seeds, bins=10)
    assert len(curve.mean) == 10
    assert curve.minutes[0] == pytest.approx(1.5)
    # Two straight lines, to 240 and 260: their mean, and half of what lies between.
    middle = np.array([np.mean(np.arange(6 * k, 6 * k + 6)) / 59 for k in range(10)])
    np.testing.assert_allclose(curve.mean, 250.0 * middle)
    np.testing.assert_allclose(curve.standard_error, 10.0 * middle)


def test_bins_without_an_episode_are_left_out(results):
    short = by_group(results)["reaching/baseline/async_2"][:1]
    assert len(learning_curve(short, bins=600).mean) == 60


def test_one_seed_has_no_standard_error(results):
    curve = learning_curve(by_group(results)["reaching/baseline/async_2"][:1])
    assert all(math.isnan(error) for error in curve.standard_error)


def test_all_nine_figures_are_drawn(results, tmp_path):
    paths = draw_thesis_figures(results, tmp_path / "figures")
    names = [f"figure_{c}_{k}.png" for c in (6, 7, 8) for k in (1, 2, 3)]
    assert [path.name for path in paths] == names
    for path in paths:
        picture = cv2.imread(str(path))
        assert picture.std() > 10.0  # there is something on it


def test_a_part_of_the_table_is_drawn_too(results, tmp_path):
    some = [r for r in results if r.group == "tracking/baseline/sequential"][:1]
    assert len(draw_thesis_figures(some, tmp_path)) == 9


def test_rows_hold_mean_error_interval_and_minimum(results):
    row = {r.group: r for r in rows(by_group(results))}["reaching/baseline/async_1"]
    assert row.seeds == 2
    assert row.overall == pytest.approx(85.0)
    assert row.overall_standard_error == pytest.approx(5.0)
    assert row.overall_minimum == pytest.approx(80.0)
    assert row.evaluation_minimum == pytest.approx(160.0)
    low, high = row.overall_interval
    assert 80.0 <= low <= 85.0 <= high <= 90.0


def test_the_text_has_a_line_a_group(results):
    lines = text(rows(by_group(results))).splitlines()
    assert len(lines) == 1 + 18
    assert all(len(line) < 160 for line in lines)
