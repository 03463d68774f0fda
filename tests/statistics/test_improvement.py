"""The probability of improvement, by hand and against Mann and Whitney's U."""

import math

import numpy as np
import pytest
from scipy import stats

from gatelab.statistics import pair_by_seed, probability_of_improvement, probability_of_improvement_paired


def rng(seed=0):
    return np.random.default_rng(seed)


def paired(ours, theirs, higher=True):
    return pair_by_seed(enumerate(ours), enumerate(theirs), higher_is_better=higher)


@pytest.mark.parametrize("higher, expected", [(True, 1.0), (False, 0.0)])
def test_direction(higher, expected):
    ours, theirs = [20.0, 21.0, 22.0], [10.0, 11.0, 12.0]
    unpaired = probability_of_improvement([ours], [theirs], higher_is_better=higher, generator=rng())
    same_seed = probability_of_improvement_paired([paired(ours, theirs, higher)], generator=rng())
    assert unpaired.estimate == same_seed.estimate == expected
    assert unpaired.degenerate
    assert same_seed.degenerate


def test_ties_are_one_half():
    # couples: 1-1 tie, 1-2 loss, 3-1 win, 3-2 win: 2.5 of 4; pairs: a tie and a win
    unpaired = probability_of_improvement([[1.0, 3.0]], [[1.0, 2.0]], higher_is_better=True, generator=rng())
    assert unpaired.estimate == 0.625
    assert probability_of_improvement_paired([paired([1.0, 3.0], [1.0, 2.0])], generator=rng()).estimate == 0.75


def test_constant_equal_columns_are_one_half():
    interval = probability_of_improvement([[1.0] * 5], [[1.0] * 5], higher_is_better=True, generator=rng())
    assert (interval.estimate, interval.low, interval.high, interval.degenerate) == (0.5, 0.5, 0.5, True)


@pytest.mark.parametrize("seed", range(50))
def test_unpaired_is_mann_whitney(seed):
    ours, theirs = rng(seed).integers(0, 6, 7).astype(float), rng(seed + 99).integers(0, 6, 9).astype(float)
    interval = probability_of_improvement([ours], [theirs], higher_is_better=True, generator=rng(), resamples=10)
    assert interval.estimate == pytest.approx(stats.mannwhitneyu(ours, theirs).statistic / 63, abs=1e-9)


def test_tasks_weigh_the_same_however_many_runs_they_have():
    pairs = [paired([1.0], [0.0]), paired([0.0] * 3, [1.0] * 3)]
    assert probability_of_improvement_paired(pairs, generator=rng()).estimate == 0.5
    scores, baseline = [[1.0], [0.0] * 3], [[0.0], [1.0] * 3]
    unpaired = probability_of_improvement(scores, baseline, higher_is_better=True, generator=rng())
    assert unpaired.estimate == 0.5
    turned = probability_of_improvement(scores, baseline, higher_is_better=[True, False], generator=rng())
    assert turned.estimate == 1.0


def test_unpaired_interval_against_plain_resampling():
    ours, theirs = rng(1).normal(0.5, 1, 10), rng(2).normal(0, 1, 8)
    interval = probability_of_improvement([ours], [theirs], higher_is_better=True, generator=rng(3))
    left, right = ours[rng(4).integers(0, 10, (100_000, 10))], theirs[rng(5).integers(0, 8, (100_000, 8))]
    drawn = (left[:, :, None] > right[:, None, :]).mean(axis=(1, 2))
    # 80 couples: the quantiles lie on a grid of 1/80, and so many resamples hit the same point of it
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=1e-9)


def test_order_changes_no_bit():
    ours, theirs = [rng(i).normal(size=6) for i in range(3)], [rng(i + 9).normal(size=5) for i in range(3)]
    one = probability_of_improvement(ours, theirs, higher_is_better=True, generator=rng(1))
    turned = [[values[::-1] for values in side[::-1]] for side in (ours, theirs)]
    assert one == probability_of_improvement(*turned, higher_is_better=True, generator=rng(1))
    pairs = [paired(rng(i).normal(size=4 + i), rng(i + 9).normal(size=4 + i)) for i in range(3)]
    assert probability_of_improvement_paired(pairs, generator=rng(1)) == probability_of_improvement_paired(
        pairs[::-1], generator=rng(1)
    )


def test_without_runs():
    nothing = probability_of_improvement([[math.nan]], [[1.0]], higher_is_better=True, generator=rng())
    assert math.isnan(nothing.estimate)
    assert nothing.degenerate
    assert (nothing.n, nothing.n_diverged) == (1, 1)
    assert math.isnan(probability_of_improvement_paired([paired([], [])], generator=rng()).estimate)
