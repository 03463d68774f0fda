"""Ranks across tasks, against Demšar's tables and scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from gatelab.statistics import Refusal, normalise, performance_profile, rank_variants, sample


def test_by_hand():
    # ranks of a: 1 1 1 1 2, of b: 2.5 2 2 3 1, of c: 2.5 3 3 2 3
    scores = np.array([[9, 9, 9, 9, 8], [5, 8, 8, 7, 9], [5, 7, 7, 8, 7]], dtype=float)
    ranks = rank_variants(["a", "b", "c"], scores, higher_is_better=True)
    assert ranks.average == pytest.approx((1.2, 2.1, 2.7), abs=1e-12)
    assert (ranks.n, ranks.n_diverged) == (5, 0)
    # 2.343 sqrt(3 · 4 / (6 · 5)): Demšar 2006, table 5(a)
    assert ranks.critical_difference == pytest.approx(2.343 * math.sqrt(12 / 30), abs=1e-3)
    assert ranks.groups == (("a", "b"), ("b", "c"))
    turned = rank_variants(["a", "b", "c"], -scores, higher_is_better=False)
    assert turned == ranks


@pytest.mark.parametrize(
    "k, quantile",
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_critical_differences_are_demsars(k, quantile):
    # studentised range over sqrt(2): Demšar 2006, table 5(a); six tasks make the root sqrt(k (k + 1) / 36)
    ranks = rank_variants([f"v{i}" for i in range(k)], np.zeros((k, 6)), higher_is_better=True)
    assert ranks.critical_difference == pytest.approx(quantile * math.sqrt(k * (k + 1) / 36), abs=2e-3)


@pytest.mark.parametrize("seed", range(50))
def test_friedman_is_scipys_ties_too(seed):
    scores = np.random.default_rng(seed).integers(0, 5, (3 + seed % 4, 5 + seed % 7)).astype(float)
    ranks = rank_variants([f"v{i}" for i in range(len(scores))], scores, higher_is_better=True)
    expected = stats.friedmanchisquare(*scores)
    assert ranks.friedman_statistic == pytest.approx(expected.statistic, abs=1e-9)
    assert ranks.friedman_p == pytest.approx(expected.pvalue, abs=1e-9)


def test_directions_may_differ_by_task():
    scores = np.array([[9.0, 1.0] * 3, [8.0, 2.0] * 3])
    ranks = rank_variants(["a", "b"], scores, higher_is_better=[True, False] * 3)
    assert ranks.average == (1.0, 2.0)
    assert ranks.groups == ()


def test_a_diverged_cell_ranks_last():
    scores = np.ones((3, 5))
    scores[0, 0] = math.nan
    ranks = rank_variants(["a", "b", "c"], scores, higher_is_better=False)
    assert ranks.n_diverged == 1
    assert ranks.average == pytest.approx((11 / 5, 9.5 / 5, 9.5 / 5), abs=1e-12)


def test_all_tied():
    ranks = rank_variants(["a", "b"], np.ones((2, 5)), higher_is_better=True)
    assert (ranks.friedman_statistic, ranks.friedman_p) == (0.0, 1.0)
    # where Friedman's test finds nothing, nothing is compared pairwise
    assert ranks.groups == ()


def test_order_of_variants_and_tasks_changes_nothing():
    scores = np.random.default_rng(0).normal(size=(4, 9))
    one = rank_variants(list("abcd"), scores, higher_is_better=True)
    other = rank_variants(list("dcba"), scores[::-1, ::-1], higher_is_better=True)
    assert dict(zip(one.variants, one.average, strict=True)) == dict(zip(other.variants, other.average, strict=True))
    assert (one.groups, one.friedman_p) == (other.groups, other.friedman_p)


def test_too_few_tasks_or_variants_are_refused_with_the_reason():
    assert rank_variants(["a", "b"], np.ones((2, 4)), higher_is_better=True) == Refusal(
        "ranks across tasks need at least 5 tasks, and there are 4 tasks"
    )
    assert rank_variants(["a"], np.ones((1, 5)), higher_is_better=True) == Refusal(
        "ranks across tasks need at least 2 variants, and there is 1 variant"
    )


def test_a_table_of_another_shape():
    with pytest.raises(ValueError, match=r"scores of shape \(5, 2\) for 2 variants"):
        rank_variants(["a", "b"], np.ones((5, 2)), higher_is_better=True)


def test_profile_by_hand():
    # task one reaches 0.5 with 1 of 2, task two with 3 of 3: mean of shares, not of runs
    profile = performance_profile([[0.2, 0.5], [0.6, 0.7, 1.0]], [0.0, 0.5, 1.0])
    assert profile.share == pytest.approx([1.0, 0.75, 1 / 6], abs=1e-12)
    assert profile.low is None


def test_a_diverged_run_reaches_nothing():
    profile = performance_profile([[math.nan, 0.5]], [-10.0, 0.5])
    assert profile.share.tolist() == [0.5, 0.5]
    assert (profile.n, profile.n_diverged, profile.n_used) == (2, 1, 1)
    worst = performance_profile([sample([math.nan, 0.5], diverged_as=0.0)], [-10.0, 0.5])
    assert worst.share.tolist() == [1.0, 0.5]


def test_profile_interval():
    rng = np.random.default_rng
    scores = [rng(1).uniform(size=10), rng(2).uniform(size=7)]
    profile = performance_profile(scores, [0.0, 0.5], generator=rng(3))
    assert profile.low is not None
    assert profile.high is not None
    assert (profile.low[0], profile.high[0]) == (1.0, 1.0)
    assert profile.low[1] < profile.share[1] < profile.high[1]
    again = performance_profile([scores[1][::-1], scores[0]], [0.0, 0.5], generator=rng(3))
    np.testing.assert_array_equal(profile.low, again.low)
    np.testing.assert_array_equal(profile.share, again.share)


def test_profile_without_a_run():
    profile = performance_profile([[], []], [0.0], generator=np.random.default_rng(0))
    assert math.isnan(profile.share[0])
    assert profile.low is None


@pytest.mark.parametrize(
    "chance, perfect, score, expected", [(0.1, 1.0, 0.55, 0.5), (2.0, 0.0, 0.5, 0.75), (2, 0, 3, -0.5)]
)
def test_normalised_scores_rise_to_one(chance, perfect, score, expected):
    found = normalise([score, math.nan], chance=chance, perfect=perfect)
    assert found[0] == pytest.approx(expected, abs=1e-12)
    assert math.isnan(found[1])


@pytest.mark.parametrize("chance, perfect", [(1.0, 1.0), (math.nan, 1.0), (0.0, math.inf)])
def test_no_scale(chance, perfect):
    with pytest.raises(ValueError, match="allowed: two different finite numbers"):
        normalise([0.5], chance=chance, perfect=perfect)
