"""Intervals and errors: numbers by hand, laws by hypothesis."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ur5_rl_experiments.core.statistics import (
    bootstrap_difference_interval,
    bootstrap_interval,
    difference_interval,
    mean_interval,
    method_for,
    standard_error,
    student_quantile,
    welch_interval,
    wilson_interval,
)

NUMBERS = st.floats(-1e3, 1e3)
SAMPLES = st.lists(NUMBERS, min_size=1, max_size=20)


def test_the_standard_error_by_hand():
    # mean 4, squares 4 + 0 + 4 = 8, variance 8 / 2, error sqrt(4 / 3)
    assert standard_error([2.0, 4.0, 6.0]) == pytest.approx(math.sqrt(4.0 / 3.0))


def test_one_value_shows_no_spread():
    assert math.isnan(standard_error([3.0]))
    assert bootstrap_interval([3.0]) == (3.0, 3.0)


@pytest.mark.parametrize(
    ("confidence", "degrees", "expected"),
    [  # Student 1908 as tabulated since, for example Abramowitz & Stegun, table 26.10
        (0.95, 1, 12.706),
        (0.95, 2, 4.303),
        (0.95, 4, 2.776),
        (0.95, 9, 2.262),
        (0.95, 30, 2.042),
        (0.90, 3, 2.353),
        (0.99, 2, 9.925),
        (0.999, 5, 6.869),
    ],
)
def test_the_quantiles_of_the_literature(confidence, degrees, expected):
    assert student_quantile(confidence, degrees) == pytest.approx(expected, abs=5e-4)


@given(st.floats(0.01, 0.999), st.floats(1.0, 2.0))
def test_quantiles_where_they_have_a_closed_form_and_between(confidence, degrees):
    one = math.tan(0.5 * math.pi * confidence)
    two = confidence * math.sqrt(2.0 / (1.0 - confidence**2))
    assert student_quantile(confidence, 1.0) == pytest.approx(one, rel=1e-5)
    assert student_quantile(confidence, 2.0) == pytest.approx(two, rel=1e-5)
    assert two * 0.9999 <= student_quantile(confidence, degrees) <= one * 1.0001


def test_an_interval_of_three_values_by_hand():
    # mean 4, error sqrt(4 / 3), two degrees of freedom
    reach = 4.302653 * math.sqrt(4.0 / 3.0)
    assert mean_interval([2.0, 4.0, 6.0]) == pytest.approx((4.0 - reach, 4.0 + reach))


def test_a_difference_of_few_values_by_hand():
    # Variances 4 and 1 of 3 values each: error sqrt(5 / 3), degrees
    # (5 / 3)^2 / ((4 / 3)^2 / 2 + (1 / 3)^2 / 2) = 50 / 17, t 3.2187
    low, high = difference_interval([2.0, 4.0, 6.0], [0.0, 1.0, 2.0])
    reach = student_quantile(0.95, 50.0 / 17.0) * math.sqrt(5.0 / 3.0)
    assert (low, high) == pytest.approx((3.0 - reach, 3.0 + reach))
    assert reach == pytest.approx(4.155, abs=0.002)


@pytest.mark.parametrize("count", [2, 3, 5, 10, 20])
def test_an_interval_holds_the_true_mean_as_often_as_it_says(count):
    """The bootstrap of three values, their extremes, holds it in 74 %, of ten in 90 %."""
    rng = np.random.default_rng(2)
    intervals = [mean_interval(rng.normal(size=count)) for _ in range(1000)]
    held = np.mean([low <= 0.0 <= high for low, high in intervals])
    assert 0.94 < held < 0.965


def test_a_difference_holds_the_true_one_as_often_as_it_says():
    rng = np.random.default_rng(4)
    intervals = [
        difference_interval(rng.normal(2.0, 1.0, 3), rng.normal(1.0, 3.0, 3))
        for _ in range(400)
    ]
    held = np.mean([low <= 1.0 <= high for low, high in intervals])
    assert 0.91 < held < 0.99


def test_one_value_bounds_nothing():
    assert mean_interval([3.0]) == (-math.inf, math.inf)
    assert difference_interval([3.0], [1.0, 2.0]) == (-math.inf, math.inf)


def test_from_thirty_values_on_the_interval_is_resampled():
    values = np.random.default_rng(5).normal(size=30)
    assert mean_interval(values) == bootstrap_interval(values)
    assert mean_interval(values[:29]) != bootstrap_interval(values[:29])
    others = values + 1.0
    assert difference_interval(values, others) == bootstrap_difference_interval(
        values, others
    )
    assert difference_interval(values, others[:29]) == welch_interval(values, others[:29])
    assert (method_for(30), method_for(29)) == ("bootstrap", "Student's t")
    assert (method_for(30, 30), method_for(30, 29)) == ("bootstrap", "Welch's t")


@settings(deadline=None, max_examples=30)
@given(SAMPLES, SAMPLES)
def test_a_difference_the_other_way_round_is_mirrored(a, b):
    low, high = welch_interval(a, b)
    assert low <= np.mean(a) - np.mean(b) <= high
    assert welch_interval(b, a) == pytest.approx((-high, -low))


def test_the_bootstrap_interval_of_two_values_is_both():
    """The mean of a resample is 0, 1/2 or 1, with chances 1/4, 1/2, 1/4."""
    assert bootstrap_interval([0.0, 1.0]) == (0.0, 1.0)
    assert bootstrap_interval([0.0, 1.0], confidence=0.4) == (0.5, 0.5)


def test_the_bootstrap_interval_of_many_values_is_that_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(10.0, 2.0, 400)
    low, high = bootstrap_interval(values)
    reach = 1.96 * standard_error(values)
    assert low == pytest.approx(values.mean() - reach, abs=0.02)
    assert high == pytest.approx(values.mean() + reach, abs=0.02)


def test_the_bootstrap_interval_of_thirty_holds_it_about_as_often():
    rng = np.random.default_rng(2)
    intervals = [
        bootstrap_interval(rng.normal(size=30), resamples=500) for _ in range(300)
    ]
    held = np.mean([low <= 0.0 <= high for low, high in intervals])
    assert 0.89 < held < 0.98


@settings(deadline=None, max_examples=30)
@given(SAMPLES, NUMBERS)
def test_the_interval_is_ordered_inside_the_values_and_moves_with_them(values, shift):
    low, high = bootstrap_interval(values, resamples=200)
    assert min(values) <= low <= high <= max(values)
    assert bootstrap_interval(values, resamples=200) == (low, high)
    moved = bootstrap_interval([v + shift for v in values], resamples=200)
    assert moved == pytest.approx((low + shift, high + shift), abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(SAMPLES)
def test_more_confidence_is_a_wider_interval(values):
    low, high = bootstrap_interval(values, confidence=0.5, resamples=200)
    lower, higher = bootstrap_interval(values, confidence=0.95, resamples=200)
    assert lower <= low <= high <= higher


def test_a_difference_of_constants_has_no_spread():
    assert bootstrap_difference_interval([5.0, 5.0], [2.0, 2.0, 2.0]) == (3.0, 3.0)
    assert difference_interval([5.0, 5.0], [2.0, 2.0, 2.0]) == (3.0, 3.0)


@settings(deadline=None, max_examples=30)
@given(SAMPLES, SAMPLES)
def test_a_resampled_difference_lies_between_the_extremes(a, b):
    low, high = bootstrap_difference_interval(a, b, resamples=200)
    assert min(a) - max(b) <= low <= high <= max(a) - min(b)


def test_a_difference_of_many_values_is_that_of_the_normal_distribution():
    rng = np.random.default_rng(3)
    a, b = rng.normal(3.0, 1.0, 300), rng.normal(1.0, 2.0, 500)
    low, high = difference_interval(a, b)
    middle = a.mean() - b.mean()
    reach = 1.96 * math.hypot(standard_error(a), standard_error(b))
    assert (low, high) == pytest.approx((middle - reach, middle + reach), abs=0.02)


@pytest.mark.parametrize(
    ("successes", "trials", "expected"),
    [  # Newcombe 1998, "Two-sided confidence intervals", table I, method 3
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_intervals_of_the_literature(successes, trials, expected):
    assert wilson_interval(successes, trials) == pytest.approx(expected, abs=5e-5)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_wilson_interval_holds_the_share_and_mirrors(counts):
    successes, trials = counts
    low, high = wilson_interval(successes, trials)
    assert 0.0 <= low <= successes / trials <= high <= 1.0
    assert low < high
    mirrored = wilson_interval(trials - successes, trials)
    assert mirrored == pytest.approx((1.0 - high, 1.0 - low))


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf], [[1.0]]])
def test_fault_values_that_have_no_mean(values):
    for function in (standard_error, bootstrap_interval, mean_interval):
        with pytest.raises(ValueError, match="values must be"):
            function(values)
    with pytest.raises(ValueError, match="b must be"):
        difference_interval([1.0], values)


def test_fault_settings_out_of_range():
    for confidence in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="confidence"):
            bootstrap_interval([1.0], confidence=confidence)
        with pytest.raises(ValueError, match="confidence"):
            mean_interval([1.0, 2.0], confidence)
        with pytest.raises(ValueError, match="confidence"):
            wilson_interval(1, 2, confidence)
    with pytest.raises(ValueError, match="degrees"):
        student_quantile(0.95, 0.5)
    with pytest.raises(ValueError, match="resamples"):
        bootstrap_interval([1.0], resamples=0)
    for successes, trials in ((-1, 3), (4, 3), (0, 0)):
        with pytest.raises(ValueError, match="successes"):
            wilson_interval(successes, trials)
