"""Diverged runs are counted, for every rule of their scores."""

import math

import numpy as np
import pytest

from gatelab.statistics import Counts, diverged_score, pair_by_seed, sample
from gatelab.statistics.samples import is_constant


@pytest.mark.parametrize("blown", [math.nan, math.inf, -math.inf])
def test_a_diverged_run_is_left_out_and_counted(blown):
    one = sample([1.0, blown, 3.0])
    assert one.counts == Counts(n=3, n_diverged=1, n_used=2)
    assert one.values.tolist() == [1.0, 3.0]


def test_a_diverged_run_scores_what_stands_for_it():
    one = sample([1.0, math.nan, 3.0], diverged_as=0.5)
    assert one.counts == Counts(n=3, n_diverged=1, n_used=3)
    assert one.values.tolist() == [1.0, 0.5, 3.0]


@pytest.mark.parametrize(
    "policy, higher, chance, expected",
    [
        ("separate", True, 0.1, None),
        ("worst", True, None, 0.2),
        ("worst", True, 0.1, 0.1),
        ("worst", True, 0.5, 0.2),
        ("worst", True, math.nan, 0.2),
        ("worst", False, None, 0.9),
        ("worst", False, 2.3, 2.3),
        ("worst", False, 0.5, 0.9),
    ],
)
def test_what_stands_for_a_diverged_run(policy, higher, chance, expected):
    assert diverged_score(policy, [0.2, math.nan, 0.9], higher_is_better=higher, chance=chance) == expected


def test_nothing_stands_for_it_where_nothing_is_known():
    assert diverged_score("worst", [math.nan], higher_is_better=True) is None


def test_values_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="read-only"):
        sample([1.0, 2.0]).values[0] = 3.0


def test_a_table_is_not_a_group():
    with pytest.raises(ValueError, match=r"scores of shape \(2, 3\); allowed: \(runs,\)"):
        sample(np.zeros((2, 3)))


def test_equal_but_for_rounding_is_constant():
    assert is_constant(np.array([0.9 - 0.8, 0.7 - 0.6]))
    assert is_constant(np.zeros(0))
    assert is_constant(np.zeros(3))
    assert not is_constant(np.array([1.0, 1.0 + 1e-9]))


@pytest.mark.parametrize("higher, expected", [(True, [10.0, 10.0]), (False, [-10.0, -10.0])])
def test_differences_are_positive_where_the_variant_is_better(higher, expected):
    pairs = pair_by_seed([(1, 20.0), (0, 20.0)], [(0, 10.0), (1, 10.0)], higher_is_better=higher)
    assert pairs.seeds == (0, 1)
    assert pairs.differences.values.tolist() == expected


def test_seeds_of_one_side_are_counted():
    pairs = pair_by_seed([(0, 1.0), (5, 9.0), (6, 9.0)], [(0, 0.5), (7, 9.0)], higher_is_better=True)
    assert (pairs.n, pairs.only_scores, pairs.only_baseline) == (1, 2, 1)
    assert pairs.differences.values.tolist() == [0.5]


def test_pairs_with_a_diverged_run():
    ours = [(0, 1.0), (1, math.nan), (2, 3.0), (3, math.nan)]
    theirs = [(0, 0.0), (1, 1.0), (2, math.nan), (3, math.nan)]
    separate = pair_by_seed(ours, theirs, higher_is_better=True)
    assert (separate.n, separate.n_diverged) == (4, 3)
    assert separate.differences.counts == Counts(4, 3, 1)
    assert separate.seeds == (0,)
    worst = pair_by_seed(ours, theirs, higher_is_better=True, diverged_as=-1.0)
    assert worst.differences.counts == Counts(4, 3, 4)
    assert worst.differences.values.tolist() == [1.0, -2.0, 4.0, 0.0]


def test_runs_of_one_seed_count_as_one():
    pairs = pair_by_seed([(0, 1.0), (0, 3.0), (1, 1.0), (1, math.nan)], [(0, 0.0), (1, 0.0)], higher_is_better=True)
    assert (pairs.n, pairs.n_diverged) == (2, 1)
    assert pairs.scores == (2.0,)


def test_no_common_seed():
    pairs = pair_by_seed([(0, 1.0)], [(1, 1.0)], higher_is_better=True)
    assert (pairs.n, pairs.n_diverged, pairs.differences.values.size) == (0, 0, 0)
