"""How sure a mean or a share is, from a handful of episodes.

With five seeds or twenty episodes a bare mean says little: Agarwal 2021, "Deep
reinforcement learning at the edge of the statistical precipice", arXiv:2108.13264.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FEWEST_RESAMPLED = 30  # of ten a percentile bootstrap interval has 0.82 of t's width
STUDENT, WELCH, BOOTSTRAP = "Student's t", "Welch's t", "bootstrap"
GRID = 20_001  # points of a quarter turn

Values = Sequence[float] | NDArray[np.float64]
Interval = tuple[float, float]


def standard_error(values: Values) -> float:
    """Return the standard error of the mean; NaN for one value, which shows no spread.

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    sample = _checked("values", values)
    if len(sample) == 1:
        return math.nan
    return float(sample.std(ddof=1) / math.sqrt(len(sample)))


def mean_interval(values: Values, confidence: float = 0.95) -> Interval:
    """Return an interval for the mean by the method that suits so many values.

    Args:
        values: Independent of each other, such as one return per seed.
        confidence: Part of such intervals that hold the true mean, in (0, 1).

    Raises:
        ValueError: there is no value, one is not finite, or confidence is out of range.
    """
    if method_for(len(values)) == BOOTSTRAP:
        return bootstrap_interval(values, confidence=confidence)
    return student_interval(values, confidence)


def difference_interval(a: Values, b: Values, confidence: float = 0.95) -> Interval:
    """Return an interval for mean(a) - mean(b), a and b unpaired, as `mean_interval`.

    Where a[i] and b[i] come from the same episode, `mean_interval` of a - b is narrower.

    Raises:
        ValueError: as `mean_interval`.
    """
    if method_for(len(a), len(b)) == BOOTSTRAP:
        return bootstrap_difference_interval(a, b, confidence=confidence)
    return welch_interval(a, b, confidence)


def method_for(*counts: int) -> str:
    """Return how the interval of one or two samples of these sizes is made."""
    if min(counts) >= FEWEST_RESAMPLED:
        return BOOTSTRAP
    return STUDENT if len(counts) == 1 else WELCH


def student_interval(values: Values, confidence: float = 0.95) -> Interval:
    """Return Student's t interval of the mean; without bounds for one value.

    Student 1908, "The probable error of a mean". Exact for normal values.

    Raises:
        ValueError: as `mean_interval`.
    """
    sample = _checked("values", values)
    mean, error = float(sample.mean()), _error_or_infinite(sample)
    return _around(mean, error, len(sample) - 1.0, confidence)


def welch_interval(a: Values, b: Values, confidence: float = 0.95) -> Interval:
    """Return Welch's t interval of mean(a) - mean(b); without bounds if one is single.

    Welch 1947, "The generalization of 'Student's' problem when several different
    population variances are involved".

    Raises:
        ValueError: as `mean_interval`.
    """
    of_a, of_b = _checked("a", a), _checked("b", b)
    difference = float(of_a.mean() - of_b.mean())
    errors = _error_or_infinite(of_a), _error_or_infinite(of_b)
    error = math.hypot(*errors)
    degrees = 1.0  # of no consequence where the error is 0 or infinite
    if 0.0 < error < math.inf:
        shares = [(part / error) ** 4 for part in errors]
        degrees = 1.0 / (shares[0] / (len(of_a) - 1) + shares[1] / (len(of_b) - 1))
    return _around(difference, error, degrees, confidence)


def student_quantile(confidence: float, degrees: float) -> float:
    """Return the t that |T| stays below with this probability, `degrees` >= 1.

    With T = sqrt(degrees) tan(angle) the density is cos(angle)^(degrees - 1): bounded,
    so that sums over a grid give it to six digits for confidences up to 0.999.

    Raises:
        ValueError: confidence is not in (0, 1), or degrees below 1.
    """
    _check_confidence(confidence)
    if not degrees >= 1.0:
        raise ValueError(f"degrees must be at least 1, got {degrees}")
    angles = np.linspace(0.0, 0.5 * math.pi, GRID)
    density = np.cos(angles) ** (degrees - 1.0)
    below = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    angle = float(np.interp(confidence * below[-1], below, angles))
    return math.sqrt(degrees) * math.tan(angle)


def bootstrap_interval(
    values: Values, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Return the percentile bootstrap interval of the mean; of one value v (v, v).

    Efron & Tibshirani 1993, "An introduction to the bootstrap", chapter 13. Not for few
    values: of three it is always the least and the greatest, which hold the mean of a
    normal distribution in 74 % of all cases.

    Args:
        values: Independent of each other.
        confidence: Part of such intervals that hold the true mean, in (0, 1).
        resamples: More make the ends steadier.
        seed: The same seed gives the same interval.

    Raises:
        ValueError: there is no value, one is not finite, or a setting is out of range.
    """
    sample = _checked("values", values)
    means = _resampled_means(sample, resamples, np.random.default_rng(seed))
    return _middle(means, confidence)


def bootstrap_difference_interval(
    a: Values,
    b: Values,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Return the percentile bootstrap interval of mean(a) - mean(b), a and b unpaired.

    Efron & Tibshirani 1993, chapter 8: each sample is drawn from anew.

    Raises:
        ValueError: as `bootstrap_interval`.
    """
    of_a, of_b = _checked("a", a), _checked("b", b)
    rng = np.random.default_rng(seed)
    differences = _resampled_means(of_a, resamples, rng) - _resampled_means(
        of_b, resamples, rng
    )
    return _middle(differences, confidence)


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Return the score interval of a share, within [0, 1] and never empty.

    Wilson 1927; Brown, Cai & DasGupta 2001, "Interval estimation for a binomial
    proportion", recommend it for few trials.

    Raises:
        ValueError: not 0 <= successes <= trials, no trial, or confidence not in (0, 1).
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(
            f"successes must be in 0..trials, trials >= 1, got {successes} of {trials}"
        )
    _check_confidence(confidence)
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    share, spread = successes / trials, z * z / trials
    middle = (share + spread / 2.0) / (1.0 + spread)
    reach = z * math.sqrt(share * (1.0 - share) / trials + spread / (4.0 * trials))
    reach /= 1.0 + spread
    # The ends are exact where all or none succeeded; rounding would miss them.
    low = 0.0 if successes == 0 else max(0.0, middle - reach)
    return low, 1.0 if successes == trials else min(1.0, middle + reach)


def _error_or_infinite(sample: NDArray[np.float64]) -> float:
    """Return the standard error of the mean; of one value nothing is known."""
    return math.inf if len(sample) == 1 else standard_error(sample)


def _around(middle: float, error: float, degrees: float, confidence: float) -> Interval:
    reach = student_quantile(confidence, max(degrees, 1.0)) * error
    return middle - reach, middle + reach


def _resampled_means(
    sample: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the means of samples drawn from `sample` with replacement, (resamples,)."""
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    means = rng.choice(sample, (resamples, len(sample))).mean(axis=1)
    # The mean of equal numbers may differ from them in the last bit.
    return np.asarray(np.clip(means, sample.min(), sample.max()))


def _middle(values: NDArray[np.float64], confidence: float) -> Interval:
    _check_confidence(confidence)
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(values, (tail, 100.0 - tail))
    return float(low), float(high)


def _check_confidence(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")


def _checked(name: str, values: Values) -> NDArray[np.float64]:
    sample = np.asarray(values, np.float64)
    if sample.ndim != 1 or not len(sample) or not np.isfinite(sample).all():
        raise ValueError(f"{name} must be at least one finite number, got {values}")
    return sample
