"""Intervals and errors: numbers by hand, laws by hypothesis."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ur5_rl_experiments.core.statistics import (
    bootstrap_interval,
    difference_interval,
    standard_error,
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


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
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
    assert difference_interval([5.0, 5.0], [2.0, 2.0, 2.0]) == (3.0, 3.0)


@settings(deadline=None, max_examples=30)
@given(SAMPLES, SAMPLES)
def test_a_difference_lies_between_the_extremes(a, b):
    low, high = difference_interval(a, b, resamples=200)
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
    for function in (standard_error, bootstrap_interval):
        with pytest.raises(ValueError, match="values must be"):
            function(values)
    with pytest.raises(ValueError, match="b must be"):
        difference_interval([1.0], values)


def test_fault_settings_out_of_range():
    for confidence in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="confidence"):
            bootstrap_interval([1.0], confidence=confidence)
        with pytest.raises(ValueError, match="confidence"):
            wilson_interval(1, 2, confidence)
    with pytest.raises(ValueError, match="resamples"):
        bootstrap_interval([1.0], resamples=0)
    for successes, trials in ((-1, 3), (4, 3), (0, 0)):
        with pytest.raises(ValueError, match="successes"):
            wilson_interval(successes, trials)
