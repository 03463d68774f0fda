"""Learning curves and the wait for a threshold, by hand and against scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from gatelab.statistics import area_under_curve, survive, time_to_threshold

TOLERANCE = 1e-12
STEPS, SCORES = [10, 20, 40], [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    "until, expected",
    [
        (None, (5 + 30) / 30),
        (20, 0.5),
        (30, (5 + 12.5) / 20),
        (60, (5 + 30 + 40) / 50),
        (10, 0.0),
        (5, 0.0),
    ],
)
def test_area_by_hand(until, expected):
    assert area_under_curve(STEPS, SCORES, until=until) == pytest.approx(expected, abs=TOLERANCE)


def test_area_of_little():
    assert area_under_curve([5], [0.25]) == 0.25
    assert area_under_curve([5], [0.25], until=9) == 0.25
    assert math.isnan(area_under_curve([], []))
    assert math.isnan(area_under_curve([1, 2], [1.0, math.nan]))
    assert area_under_curve([1, 4, 9], [0.5, 0.5, 0.5]) == pytest.approx(0.5, abs=TOLERANCE)


@pytest.mark.parametrize(
    "threshold, higher, expected",
    [(1.0, True, 20), (0.5, True, 20), (2.1, True, math.inf), (0.0, False, 10), (-1.0, False, math.inf)],
)
def test_first_step_at_the_threshold(threshold, higher, expected):
    assert time_to_threshold(STEPS, SCORES, threshold, higher_is_better=higher) == expected


def test_nan_reaches_nothing():
    assert time_to_threshold([1, 2, 3], [math.nan, math.nan, 1.0], 0.5, higher_is_better=True) == 3
    assert time_to_threshold([1], [math.nan], 0.5, higher_is_better=False) == math.inf
    assert time_to_threshold([], [], 0.5, higher_is_better=True) == math.inf


@pytest.mark.parametrize(
    "steps, scores", [([1, 1], [0.0, 0.0]), ([2, 1], [0.0, 0.0]), ([1, 2], [0.0]), ([[1]], [[0.0]])]
)
def test_no_curve(steps, scores):
    with pytest.raises(ValueError, match="allowed"):
        area_under_curve(steps, scores)


def test_kaplan_meier_by_hand():
    # five runs: reached at 2, ended at 3, reached at 4 and 4, ended at 10; at risk 5, then 3
    found = survive([2, math.inf, 4, 4, math.nan], [10, 3, 10, 10, 10])
    assert found.steps.tolist() == [2, 4]
    assert found.waiting == pytest.approx([4 / 5, 4 / 5 * 1 / 3], abs=TOLERANCE)
    assert (found.n, found.n_censored, found.n_diverged, found.median, found.horizon) == (5, 2, 0, 4.0, 10.0)
    assert found.restricted_mean == pytest.approx(2 + 2 * 0.8 + 6 * 0.8 / 3, abs=TOLERANCE)


def test_a_diverged_run_waits_until_the_horizon():
    # censored where it broke off, the second run would leave the median at 4
    censored = survive([4, math.inf], [10, 3])
    diverged = survive([4, math.inf], [10, 3], diverged=[False, True])
    assert (censored.restricted_mean, diverged.restricted_mean) == (4.0, 7.0)
    assert (diverged.n_diverged, diverged.n_censored) == (1, 1)


def test_few_reach_it():
    found = survive([math.inf, math.inf, 5], [10, 10, 10])
    assert found.median == math.inf
    assert found.restricted_mean == pytest.approx((10 + 10 + 5) / 3, abs=TOLERANCE)
    none = survive([math.inf] * 2, [10, 8])
    assert (none.median, none.restricted_mean, none.steps.size) == (math.inf, 10.0, 0)


def test_what_comes_after_the_horizon_does_not_count():
    found = survive([2, 8], [10, 10], horizon=5)
    assert (found.n_censored, found.median, found.restricted_mean) == (1, 2.0, 3.5)


def test_one_run_and_none():
    one = survive([3], [10])
    assert (one.median, one.restricted_mean) == (3.0, 3.0)
    nothing = survive([], [])
    assert (nothing.n, nothing.steps.size) == (0, 0)
    assert math.isnan(nothing.median)
    assert math.isnan(nothing.restricted_mean)


@pytest.mark.parametrize("seed", range(20))
def test_survival_is_scipys(seed):
    rng = np.random.default_rng(seed)
    reached, ended = rng.integers(1, 15, 12).astype(float), rng.integers(1, 15, 12).astype(float)
    happened = reached <= ended
    found = survive(np.where(happened, reached, math.inf), ended, horizon=15)
    data = stats.CensoredData.right_censored(np.minimum(reached, ended), ~happened)
    expected = stats.ecdf(data).sf
    np.testing.assert_allclose(found.waiting, expected.evaluate(found.steps), rtol=0, atol=1e-9)


def test_order_of_runs_changes_nothing():
    one, other = survive([3, 5, math.inf, 7], [9, 9, 4, 9]), survive([7, math.inf, 5, 3], [9, 4, 9, 9])
    assert (one.median, one.restricted_mean) == (other.median, other.restricted_mean)
    np.testing.assert_array_equal(one.waiting, other.waiting)


def test_shapes_differ():
    with pytest.raises(ValueError, match=r"allowed: \(runs,\) for all"):
        survive([1.0], [1.0, 2.0])
