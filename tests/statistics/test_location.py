"""Middles checked by hand and against scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from gatelab.statistics import interquartile_mean, locate, mean, median, sample

TOLERANCE = 1e-12


@pytest.mark.parametrize(
    "values, expected",
    [
        ([7.0], 7.0),
        ([1.0, 2.0], 1.5),
        ([0.0, 1.0, 5.0], (0.25 * 0 + 1 + 0.25 * 5) / 1.5),
        ([0.0, 1.0, 3.0, 100.0], 2.0),
        ([0.0, 1.0, 2.0, 4.0, 100.0], (0.75 * 1 + 2 + 0.75 * 4) / 2.5),
        ([0.0, 1.0, 2.0, 3.0, 5.0, 100.0], (0.5 * 1 + 2 + 3 + 0.5 * 5) / 3),
    ],
)
def test_interquartile_mean_by_hand(values, expected):
    assert float(interquartile_mean(np.array(values))) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("n", [4, 8, 12, 40])
def test_interquartile_mean_is_scipys_where_four_divides(n):
    values = np.random.default_rng(n).normal(size=(50, n))
    expected = stats.trim_mean(values, 0.25, axis=-1)
    np.testing.assert_allclose(interquartile_mean(values), expected, rtol=0, atol=1e-9)


def test_interquartile_mean_is_not_scipys_elsewhere():
    # five values: scipy cuts one whole value at each end, not 1.25
    values = np.array([0.0, 1.0, 2.0, 6.0, 100.0])
    assert stats.trim_mean(values, 0.25) == pytest.approx(3.0, abs=TOLERANCE)
    assert float(interquartile_mean(values)) == pytest.approx((0.75 + 2 + 4.5) / 2.5, abs=TOLERANCE)


@pytest.mark.parametrize("n", range(1, 9))
def test_median_and_mean_are_numpys(n):
    values = np.random.default_rng(n).normal(size=(3, 7, n))
    np.testing.assert_array_equal(median(values), np.median(values, axis=-1))
    np.testing.assert_array_equal(mean(values), values.mean(axis=-1))


def test_locate_counts_and_uses_what_finished():
    found = locate([3.0, math.nan, 1.0])
    assert (found.n, found.n_diverged, found.n_used) == (3, 1, 2)
    assert (found.mean, found.median, found.iqm) == (2.0, 2.0, 2.0)
    worst = locate(sample([3.0, math.nan, 1.0], diverged_as=-4.0))
    assert (worst.n, worst.n_diverged, worst.n_used) == (3, 1, 3)
    assert (worst.mean, worst.median) == (0.0, 1.0)


def test_no_run_has_no_middle():
    for scores in ([], [math.nan]):
        found = locate(scores)
        assert all(math.isnan(value) for value in (found.mean, found.median, found.iqm))


def test_order_changes_no_digit():
    values = np.random.default_rng(0).normal(size=11)
    assert locate(values) == locate(values[::-1])
