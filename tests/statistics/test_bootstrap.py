"""Intervals: against scipy's, at the edges, in both directions, bit for bit."""

import math

import numpy as np
import pytest
from scipy import stats

from gatelab.statistics import (
    bootstrap_difference,
    bootstrap_interval,
    bootstrap_paired,
    interquartile_mean,
    pair_by_seed,
    student_interval,
)

TOLERANCE = 1e-9


def rng(seed=0):
    return np.random.default_rng(seed)


def bounds(interval):
    return interval.estimate, interval.low, interval.high


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("name, function", [("mean", np.mean), ("median", np.median), ("iqm", interquartile_mean)])
@pytest.mark.parametrize("n", [5, 12])
def test_one_task_is_scipys(method, name, function, n):
    values = np.sort(rng(n).exponential(size=n))
    ours = bootstrap_interval([values], name, generator=rng(7), resamples=3000, method=method)

    def statistic(x, axis=-1):
        return function(x) if function is interquartile_mean else function(x, axis=axis)

    theirs = stats.bootstrap((values,), statistic, n_resamples=3000, method=method, rng=rng(7)).confidence_interval
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=TOLERANCE)
    assert (ours.method, ours.resamples) == (method, 3000)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_two_sides_are_scipys(method):
    one, other = np.sort(rng(1).exponential(size=8)), np.sort(rng(2).exponential(size=6))
    ours = bootstrap_difference(
        [one], [other], "mean", higher_is_better=True, generator=rng(3), resamples=3000, method=method
    )
    theirs = stats.bootstrap(
        (one, other),
        lambda x, y, axis=-1: x.mean(axis=axis) - y.mean(axis=axis),
        n_resamples=3000,
        method=method,
        rng=rng(3),
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=TOLERANCE)


def test_runs_are_resampled_within_their_task():
    # Two constant tasks and one that varies between 0 and 3: the pooled mean of 2 + 2 + 2 runs is 4, 4.5 or 5.
    interval = bootstrap_interval([[1.0, 1.0], [11.0, 11.0], [0.0, 3.0]], generator=rng(), confidence=0.9)
    assert bounds(interval) == pytest.approx((4.5, 4.0, 5.0), abs=TOLERANCE)


def test_the_same_generator_gives_the_same_bits_and_another_does_not():
    scores = [rng(1).normal(size=10), rng(2).normal(size=7)]
    first = bootstrap_interval(scores, "iqm", generator=rng(5), method="bca")
    assert first == bootstrap_interval(scores, "iqm", generator=rng(5), method="bca")
    assert bounds(first) != bounds(bootstrap_interval(scores, "iqm", generator=rng(6), method="bca"))


def test_order_of_runs_and_tasks_changes_no_bit():
    scores = [rng(1).normal(size=10), rng(2).normal(size=7), rng(3).normal(size=10)]
    shuffled = [scores[2][::-1], rng(9).permutation(scores[0]), scores[1][::-1]]
    for method in ("percentile", "bca"):
        one = bootstrap_interval(scores, "iqm", generator=rng(5), method=method)
        assert one == bootstrap_interval(shuffled, "iqm", generator=rng(5), method=method)
    ours = bootstrap_difference(scores, scores[:2], higher_is_better=True, generator=rng(5))
    assert ours == bootstrap_difference(shuffled, [scores[1], scores[0]], higher_is_better=True, generator=rng(5))


@pytest.mark.parametrize("higher, expected", [(True, 10.0), (False, -10.0)])
def test_direction(higher, expected):
    ours, theirs = [20.0, 20.5, 19.5], [10.0, 10.5, 9.5]
    unpaired = bootstrap_difference([ours], [theirs], higher_is_better=higher, generator=rng())
    assert unpaired.estimate == expected
    assert (unpaired.low > 0, unpaired.high < 0) == (higher, not higher)
    pairs = pair_by_seed(enumerate([20.0, 20.5, 19.0]), enumerate(theirs), higher_is_better=higher)
    paired = bootstrap_paired([pairs], "median", generator=rng())
    assert paired.estimate == expected
    assert (paired.low > 0, paired.high < 0) == (higher, not higher)


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("scores", [[0.3], [0.25, 0.25], [0.9 - 0.8, 0.7 - 0.6, 0.5 - 0.4]])
def test_data_without_spread_give_a_point(scores, method):
    interval = bootstrap_interval([scores], generator=rng(), method=method)
    assert interval.degenerate
    assert interval.low == interval.estimate == interval.high


@pytest.mark.parametrize("scores", [[], [[]], [[math.nan, math.nan]]])
def test_no_finished_run_gives_nan(scores):
    interval = bootstrap_interval(scores, generator=rng())
    assert interval.degenerate
    assert all(math.isnan(value) for value in bounds(interval))


def test_a_side_without_a_run_gives_nan():
    interval = bootstrap_difference([[1.0, 2.0]], [[math.nan]], higher_is_better=True, generator=rng())
    assert interval.degenerate
    assert math.isnan(interval.estimate)
    assert (interval.n, interval.baseline_counts.n_diverged) == (2, 1)


def test_a_median_that_cannot_move_is_a_point():
    interval = bootstrap_interval([[1.0] * 40 + [2.0]], "median", generator=rng(), resamples=500, method="bca")
    assert interval.degenerate
    assert bounds(interval) == (1.0, 1.0, 1.0)


def test_two_runs_span_their_interval():
    interval = bootstrap_interval([[1.0, 2.0]], generator=rng())
    assert bounds(interval) == (1.5, 1.0, 2.0)
    assert not interval.degenerate


def test_diverged_runs_are_counted():
    interval = bootstrap_interval([[1.0, math.nan, 2.0], [math.nan, 4.0]], generator=rng())
    assert (interval.n, interval.n_diverged, interval.n_used) == (5, 2, 3)


def test_a_long_search_is_resampled_in_parts():
    scores = rng(1).normal(size=3000)
    interval = bootstrap_interval([scores], generator=rng(), resamples=3000)
    error = 1.96 * scores.std(ddof=1) / math.sqrt(3000)
    assert interval.high - interval.low == pytest.approx(2 * error, rel=0.1)


def test_unknown_statistic():
    with pytest.raises(ValueError, match="statistic 'mode'; allowed: mean, median, iqm"):
        bootstrap_interval([[1.0, 2.0]], "mode", generator=rng())


def test_student_is_scipys():
    values = rng(1).normal(size=7)
    ours = student_interval(values, confidence=0.9)
    theirs = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=TOLERANCE)


@pytest.mark.parametrize("values", [[], [1.0], [0.1, 0.1, 0.1]])
def test_student_without_spread_is_a_point(values):
    interval = student_interval(values)
    assert interval.degenerate
    assert interval.low == interval.high or math.isnan(interval.low)
