"""Intervals of shares and of medians: against scipy and published values."""

import math

import numpy as np
import pytest
from scipy import stats

from gatelab.statistics import exact_share, majority_p, median_interval, wilson_share


@pytest.mark.parametrize("count, n", [(0, 10), (3, 17), (20, 30), (13, 30), (5, 5)])
def test_shares_are_scipys(count, n):
    for ours, method in ((exact_share, "exact"), (wilson_share, "wilson")):
        found, theirs = ours(count, n), stats.binomtest(count, n).proportion_ci(method=method)
        assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
        assert (found.estimate, found.method, found.n) == (count / n, method, n)


def test_wilson_of_two_thirds():
    # 20 of 30 is 67 % [49, 81]; 13 of 30 is 43 % [27, 61]
    assert (round(wilson_share(20, 30).low, 2), round(wilson_share(20, 30).high, 2)) == (0.49, 0.81)
    assert (round(wilson_share(13, 30).low, 2), round(wilson_share(13, 30).high, 2)) == (0.27, 0.61)


@pytest.mark.parametrize("count, n", [(8, 10), (0, 4), (7, 7), (15, 20)])
def test_the_chance_of_a_majority_is_scipys(count, n):
    assert majority_p(count, n) == pytest.approx(stats.binomtest(count, n, alternative="greater").pvalue, abs=1e-12)


def test_no_pair_is_no_majority():
    assert majority_p(0, 0) == 1.0


def test_the_rule_of_three():
    for n in (10, 30, 100):
        assert exact_share(0, n).high == pytest.approx(3 / n, rel=0.25)
        assert exact_share(0, n).low == 0.0


def test_no_run():
    for found in (exact_share(0, 0), wilson_share(0, 0)):
        assert math.isnan(found.estimate) and found.degenerate


@pytest.mark.parametrize("n, low, high", [(6, 1, 6), (8, 1, 8), (9, 2, 8), (10, 2, 9), (20, 6, 15)])
def test_the_exact_interval_of_a_median(n, low, high):
    # Conover 1999, table A3: of ten values the second and the ninth, of twenty the sixth and the fifteenth
    found = median_interval(np.arange(n, 0.0, -1))
    assert (found.low, found.high, found.estimate) == (low, high, (n + 1) / 2)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_values_for_limits(n):
    found = median_interval(np.arange(1.0, n + 1))
    assert found.degenerate and (found.low, found.high) == (-math.inf, math.inf)


def test_the_interval_of_a_median_holds_it_whatever_the_distribution():
    rng = np.random.default_rng(0)
    for draw in (rng.standard_normal, rng.standard_exponential, rng.standard_cauchy):
        median = math.log(2) if draw == rng.standard_exponential else 0.0
        intervals = [median_interval(row) for row in draw((1000, 10))]
        assert np.mean([found.low <= median <= found.high for found in intervals]) > 0.95
