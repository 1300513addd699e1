"""Curves, bars and tables of several seeds, by numbers done by hand."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from fake_results import result, table

from ur5_rl_experiments.core import figures, png_file
from ur5_rl_experiments.core.figures import (
    by_group,
    draw_thesis_figures,
    learning_curve,
)
from ur5_rl_experiments.core.table import commits_of, rows, text

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


def test_each_panel_names_its_seeds_and_its_yardsticks(results, tmp_path, monkeypatch):
    """Of tracking one seed is finished, of reaching both are."""
    drawn = {}
    monkeypatch.setattr(figures, "save_png", lambda f, path: drawn.update({path.name: f}))
    some = [r for r in results if "reaching" in r.group or not r.config.learner.seed]
    draw_thesis_figures(some, tmp_path)
    panels = {axes.get_title(): axes for axes in drawn["figure_6_1.png"].axes}
    for title, count, level in (
        ("Reaching, baseline", 2, 304.0),
        ("Tracking, large mini-batch", 1, 314.0),
    ):
        lines, labels = panels[title].get_legend_handles_labels()
        assert labels == [f"Seq-SAC (n = {count})", "servo", "no motion"]
        assert panels[title].get_legend() is not None
        assert lines[1].get_ydata()[0] == level


def test_fault_a_figure_that_cannot_be_written_leaves_the_old_one(
    results, tmp_path, monkeypatch
):
    old = tmp_path / "figure_6_1.png"
    old.write_text("drawn before")

    def full(figure, path, **_):
        path.write_text("half of")
        raise OSError("no space left")

    monkeypatch.setattr(png_file.Figure, "savefig", full)
    with pytest.raises(OSError, match="space"):
        draw_thesis_figures(results, tmp_path)
    assert old.read_text() == "drawn before"
    assert list(tmp_path.iterdir()) == [old]


def test_rows_hold_mean_error_interval_and_minimum(results):
    row = {r.group: r for r in rows(by_group(results))}["reaching/baseline/async_1"]
    assert row.seeds == 2
    assert row.overall == pytest.approx(85.0)
    assert row.overall_standard_error == pytest.approx(5.0)
    assert row.overall_minimum == pytest.approx(80.0)
    assert row.evaluation_minimum == pytest.approx(160.0)
    reach = 12.7062 * 5.0  # Student's t of one degree of freedom
    assert row.overall_interval == pytest.approx((85.0 - reach, 85.0 + reach), rel=1e-4)
    assert row.interval_method == "Student's t"
    assert row.commits == ("0" * 40,)


def test_the_text_is_a_markdown_table_with_a_line_a_group(results):
    lines = text(rows(by_group(results))).splitlines()
    assert len(lines) == 2 + 18
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) < 180
    assert {line.count("|") for line in lines} == {10}
    assert "overall +- se [95 % Student's t]" in lines[0]
    assert set(lines[1]) <= set("|-: ")


def test_the_text_says_which_commits_there_are(results):
    there = rows(by_group([replace(results[0], commit="a" * 40 + "-dirty"), *results]))
    assert commits_of(there).endswith(": 000000000, aaaaaaaaa-dirty")


def test_the_text_says_what_was_computed_in_where_that_differs(results):
    there = rows(by_group([replace(results[0], computes_in="bfloat16"), *results]))
    assert commits_of(there).endswith("; computed in bfloat16, float32")


def test_many_seeds_are_resampled_and_the_text_says_so(results):
    many = [r for r in results if r.group == "tracking/baseline/sequential"] * 15
    (row,) = rows(by_group(many))
    assert row.interval_method == "bootstrap"
    assert "[95 % bootstrap]" in text([row])
