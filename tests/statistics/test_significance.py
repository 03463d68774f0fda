"""Tests of a difference: by hand, at their smallest p, against scipy, in both directions."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gatelab.statistics import holm, pair_by_seed, sign_flip_test, smallest_p, welch_test, wilcoxon_test

TOLERANCE = 1e-9


def rng(seed=0):
    return np.random.default_rng(seed)


def test_sign_flip_by_hand():
    # sums of the eight patterns of 1, 2, 4: ±7, ±5, ±3, ±1; observed 5: four of eight
    found = sign_flip_test([-1.0, 2.0, 4.0])
    assert (found.p, found.statistic, found.exact, found.smallest_p) == (0.5, 5 / 3, True, 0.25)


@pytest.mark.parametrize(
    "n, expected", [(0, 1.0), (1, 1.0), (2, 0.5), (3, 0.25), (4, 0.125), (5, 0.0625), (6, 0.03125), (10, 2**-9)]
)
def test_smallest_p_is_reached_where_all_signs_agree(n, expected):
    differences = np.arange(1.0, n + 1)
    assert smallest_p(n) == expected
    assert sign_flip_test(differences).p == expected
    assert sign_flip_test(np.full(n, 0.1)).p == expected
    assert wilcoxon_test(differences).p == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("seed", range(10))
def test_sign_flip_against_all_patterns_and_scipy(seed):
    differences = rng(seed).normal(0.3, 1, 8)
    signs = np.array(list(itertools.product([-1, 1], repeat=8)))
    expected = (np.abs((signs * differences).sum(axis=1)) >= abs(differences.sum()) - 1e-12).mean()
    theirs = stats.permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=np.inf)
    found = sign_flip_test(differences)
    assert found.p == expected
    assert found.p == pytest.approx(theirs.pvalue, abs=TOLERANCE)


def test_patterns_equal_on_paper_are_equal():
    # 0.1 + 0.2 - 0.3 is not 0 by floating point: with it, p would be 0.5
    assert sign_flip_test([0.1, 0.2, -0.3]).p == 1.0


@pytest.mark.parametrize("values", [[], [0.0, 0.0, 0.0], [math.nan, math.nan]])
def test_nothing_shown(values):
    for found in (sign_flip_test(values), wilcoxon_test(values)):
        assert (found.p, found.degenerate) == (1.0, True)
        assert found.n == len(values)


def test_many_pairs_are_sampled_and_p_is_never_zero():
    found = sign_flip_test(np.full(40, 1.0), generator=rng(), resamples=999)
    assert (found.p, found.smallest_p, found.exact) == (1 / 1000, 1 / 1000, False)
    values = rng(1).normal(0.2, 1, 21)
    sampled = sign_flip_test(values, generator=rng(2), resamples=200_000)
    assert sampled.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)
    assert sampled == sign_flip_test(values[::-1], generator=rng(2), resamples=200_000)


def test_sampling_agrees_with_enumeration():
    # one tiny difference more is hardly a difference, but makes it 21
    values = rng(3).normal(0.3, 1, 20)
    sampled = sign_flip_test(np.append(values, 1e-9), generator=rng(), resamples=100_000)
    assert sampled.p == pytest.approx(sign_flip_test(values).p, abs=0.006)


def test_many_pairs_need_a_generator():
    with pytest.raises(ValueError, match="21 differences"):
        sign_flip_test(np.ones(21))


@pytest.mark.parametrize("seed", range(50))
def test_welch_is_scipys(seed):
    ours, theirs = rng(seed).normal(0, 1, 3 + seed % 8), rng(seed + 99).normal(0.5, 3, 2 + seed % 5)
    found, expected = welch_test(ours, theirs, higher_is_better=True), stats.ttest_ind(ours, theirs, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue, abs=TOLERANCE)
    assert found.statistic == pytest.approx(expected.statistic, abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(50))
def test_wilcoxon_is_scipys_where_there_are_no_ties(seed):
    differences = rng(seed).normal(0.2, 1, 4 + seed % 20)
    expected = stats.wilcoxon(differences, method="exact").pvalue
    assert wilcoxon_test(differences).p == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(20))
def test_wilcoxon_with_ties_against_all_patterns(seed):
    differences = rng(seed).integers(-3, 4, 9).astype(float)
    ranks = stats.rankdata(np.abs(differences[differences != 0]))
    signs = np.array(list(itertools.product([-1, 1], repeat=ranks.size)))
    observed = abs((np.sign(differences[differences != 0]) * ranks).sum())
    expected = (np.abs(signs @ ranks) >= observed - 1e-9).mean()
    assert wilcoxon_test(differences).p == pytest.approx(expected, abs=1e-12)


def test_wilcoxon_of_many_is_nearly_scipys_normal_form():
    differences = rng(1).normal(0.1, 1, 300)
    found = wilcoxon_test(differences)
    assert not found.exact
    assert found.p == pytest.approx(stats.wilcoxon(differences, method="approx").pvalue, abs=TOLERANCE)


@pytest.mark.parametrize("higher", [True, False])
def test_direction(higher):
    ours, theirs = [20.0, 21.0, 22.5], [10.0, 11.0, 12.0]
    differences = pair_by_seed(enumerate(ours), enumerate(theirs), higher_is_better=higher).differences
    for found in (
        sign_flip_test(differences),
        wilcoxon_test(differences),
        welch_test(ours, theirs, higher_is_better=higher),
    ):
        assert (found.statistic > 0) is higher


def test_constant_columns_show_nothing_by_welch():
    for ours, theirs in [([2.0] * 5, [1.0] * 5), ([1.0] * 5, [1.0] * 5), ([0.1] * 3, [0.1, 0.1]), ([1.0], [2.0, 3.0])]:
        found = welch_test(ours, theirs, higher_is_better=True)
        assert (found.p, found.degenerate) == (1.0, True)
    assert welch_test([1.0] * 5, [2.0, 2.1], higher_is_better=True).p < 0.5


def test_p_does_not_underflow_to_zero():
    ours, theirs = 1e6 + rng(0).normal(size=400), rng(1).normal(size=400)
    assert 0 < welch_test(ours, theirs, higher_is_better=True).p < 1e-300
    assert wilcoxon_test(np.arange(1.0, 201)).p > 0


def test_counts_of_both_sides():
    found = welch_test([1.0, 2.0, math.nan], [3.0, 5.0], higher_is_better=True)
    assert (found.n, found.n_diverged, found.n_used, found.baseline_counts.n) == (3, 1, 2, 2)


def test_smallest_p_unpaired():
    assert smallest_p(3, paired=False) == 0.1  # 2 of the 20 ways to divide six runs
    assert smallest_p(4, paired=False) == 2 / 70
    assert smallest_p(2, paired=False, n_baseline=10) == 2 / 66
    assert smallest_p(0, paired=False) == 1.0


def test_holm_by_hand():
    # sorted .01 .02 .03 .04: times 4 3 2 1 = .04 .06 .06 .04, then never falling
    family = holm([0.04, 0.01, 0.03, 0.02], family="four variants against lstm")
    assert family.adjusted == pytest.approx((0.06, 0.04, 0.06, 0.06), abs=1e-15)
    assert (family.size, family.name) == (4, "four variants against lstm")
    assert holm([], family="none").adjusted == ()
    assert holm([0.3], family="one").adjusted == (0.3,)
    assert holm([0.0, 0.9, 0.9], family="three").adjusted == (0.0, 1.0, 1.0)


def test_holm_counts_what_could_not_be_compared():
    assert holm([0.02, math.nan], family="two").adjusted == (0.04, 1.0)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.inf])
def test_holm_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match=r"allowed: 0\.\.1"):
        holm([p], family="one")


def test_false_positives_of_unequal_spreads():
    ours, theirs = rng(12).normal(size=(2, 2000, 10)) * np.array([1.0, 3.0])[:, None, None]
    found = [welch_test(one, other, higher_is_better=True).p <= 0.05 for one, other in zip(ours, theirs, strict=True)]
    assert np.mean(found) <= 0.06
