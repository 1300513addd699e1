"""What is compared with what, and the intervals that decide: numbers by hand."""

import pytest
from fake_results import result, table

from ur5_rl_experiments.core import reaching, thesis
from ur5_rl_experiments.core.figures import by_group
from ur5_rl_experiments.core.group_differences import differences, text
from ur5_rl_experiments.core.statistics import difference_interval

LEVELS = {"sequential": 40.0, "async_1": 80.0, "async_2": 120.0}
CELL = "reaching/baseline"


@pytest.fixture(scope="module")
def groups():
    chosen = {"seeds": 3, "tasks": ["reaching"], "settings": ["baseline"]}
    return by_group(
        [
            result(
                run,
                LEVELS[run.config.learner.architecture] + 10.0 * run.config.learner.seed,
            )
            for run in table(**chosen)
        ]
    )


def test_in_each_cell_each_architecture_is_compared_with_those_before_it():
    assert list(thesis.pairs(["reaching"], ["baseline"])) == [
        (f"{CELL}/async_2", f"{CELL}/async_1"),
        (f"{CELL}/async_2", f"{CELL}/sequential"),
        (f"{CELL}/async_1", f"{CELL}/sequential"),
    ]
    assert len(list(thesis.pairs())) == 2 * 3 * 3


def test_an_ablation_compares_the_best_settings_with_each_variant():
    pairs = list(reaching.ablation_pairs())
    assert {first for first, _ in pairs} == {"ablation/best"}
    variants = {run.group for run in reaching.ablation_runs(1)} - {"ablation/best"}
    assert {less for _, less in pairs} == variants


def test_a_difference_is_that_of_the_means_with_the_interval_of_welch(groups):
    first, *_ = differences(groups, thesis.pairs(["reaching"], ["baseline"]))
    assert first.overall == pytest.approx(40.0)
    assert first.evaluation == pytest.approx(80.0)
    interval = difference_interval([120.0, 130.0, 140.0], [80.0, 90.0, 100.0])
    assert first.overall_interval == pytest.approx(interval)
    # Errors of 10 / sqrt(3) each, four degrees of freedom: 2.776 * 10 * sqrt(2 / 3)
    assert first.overall_interval == pytest.approx((17.33, 62.67), abs=0.01)
    assert first.interval_method == "Welch's t"


def test_only_what_there_are_results_of_is_compared(groups):
    assert len(differences(groups, thesis.pairs())) == 3
    assert differences(groups, reaching.ablation_pairs()) == []
    assert text([]) == ""


def test_the_text_names_both_groups_and_signs_every_number(groups):
    lines = text(differences(groups, thesis.pairs())).splitlines()
    assert len(lines) == 2 + 3
    assert "[95 % Welch's t]" in lines[0]
    assert lines[2].split(" | ")[0] == f"| {CELL}: async_2 - async_1   "
    assert "+40.0 [+17.3, +62.7]" in lines[2]
