"""The test of typical runs: exact, hardly moved by one run, and with power where runs diverge."""

import itertools
import math

import numpy as np
import pytest

from gatelab.statistics import holm, pair_typical_runs, sign_flip_test, typical_test, wilcoxon_test


def pairs(ours, theirs, diverged_as=0.0):
    return pair_typical_runs(enumerate(ours), enumerate(theirs), higher_is_better=True, diverged_as=diverged_as)


def test_no_pair_counts_more_than_the_bound():
    # sizes 1, 2, 3, 4, 100 have the median 3: bounded at 4.5; the patterns at least as far out as 1+2+3+4-4.5 = 5.5
    found = typical_test([1.0, 2.0, 3.0, 4.0, -100.0])
    signs = np.array(list(itertools.product([-1, 1], repeat=5)))
    expected = (np.abs(signs @ [1, 2, 3, 4, 4.5]) >= 5.5 - 1e-9).mean()
    assert found.p == expected
    assert found.statistic == pytest.approx(5.5 / 5)
    assert found.test == "sign-flip, exact, of bounded differences"


def test_equal_pairs_lower_what_can_be_reached():
    # a ceiling: six of ten pairs are equal, and all four others are won
    for test in (typical_test, sign_flip_test, wilcoxon_test):
        found = test([0.0] * 6 + [0.1, 0.2, 0.15, 0.12])
        assert (found.p, found.smallest_p) == (0.125, 0.125)
    assert typical_test([0.0] * 3).degenerate


def test_one_failure_of_ten_does_not_hide_what_nine_say():
    differences = [0.05 + 0.001 * seed for seed in range(9)] + [-0.95]
    assert sign_flip_test(differences).p > 0.5
    assert wilcoxon_test(differences).p > 0.05
    assert typical_test(differences).p == pytest.approx(2 * 11 / 2**10)


def test_a_diverged_run_speaks_for_neither_side():
    # the middle of 1, 2, 3, 5, 6 is 3: the run beside the diverged one lies 2 above it
    found = pairs([5.0, math.nan, 6.0], [1.0, 2.0, 3.0])
    assert found.scores == (5.0, 3.0, 6.0)
    assert found.differences.values.tolist() == [4.0, 1.0, 3.0]
    assert (found.n, found.n_diverged) == (3, 1)
    both = pairs([5.0, math.nan, 6.0], [1.0, math.nan, 3.0])
    assert both.differences.values.tolist() == [4.0, 0.0, 3.0]


def test_diverging_is_typical_where_most_pairs_have_it():
    found = pairs([math.nan, math.nan, 6.0], [1.0, 2.0, 3.0], diverged_as=0.5)
    assert found.scores == (0.5, 0.5, 6.0)
    none = pairs([math.nan] * 10, [0.5 + 0.01 * seed for seed in range(10)])
    assert typical_test(none.differences).p == 2 / 2**10


def scores(rng, pages, effect, correlation, diverging, seeds=10):
    """Normal scores of two sides, shape (pages, seeds) each; differences have the standard deviation 1."""
    shared = rng.standard_normal((pages, seeds)) * math.sqrt(correlation)
    spread = 1 / math.sqrt(2 * (1 - correlation))
    sides = []
    for shift in (0.0, effect):
        own = rng.standard_normal((pages, seeds)) * math.sqrt(1 - correlation)
        found = spread * (shared + own) + shift
        sides.append(np.where(rng.random((pages, seeds)) < diverging, math.nan, found))
    return sides


def p_of(one, other):
    return typical_test(pairs(other, one, -10.0).differences).p


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize("diverging", [0.0, 0.1, 0.4])
def test_nothing_is_found_where_there_is_nothing(correlation, diverging):
    rng = np.random.default_rng(0)
    found = [p_of(*sides) for sides in zip(*scores(rng, 2000, 0.0, correlation, diverging), strict=True)]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.012)


def test_power_with_one_run_of_ten_diverged():
    # six comparisons, all of them 1.4 standard deviations of the differences apart, Holm over the six
    rng = np.random.default_rng(0)
    p = np.array([p_of(*sides) for sides in zip(*scores(rng, 600, 1.4, 0.0, 0.1), strict=True)]).reshape(100, 6)
    found = [adjusted < 0.05 for page in p for adjusted in holm(page, family="six").adjusted]
    assert np.mean(found) > 0.8
