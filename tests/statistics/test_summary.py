"""Summaries checked by hand."""

import math

import pytest

from gatelab.statistics import summarise


def test_numbers_checked_by_hand():
    # mean 5; squared deviations 9 1 1 1 0 0 4 16, sum 32, over 7
    summary = summarise([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])
    assert (summary.n, summary.finished, summary.diverged) == (8, 8, 0)
    assert summary.mean == 5.0
    assert summary.standard_deviation == pytest.approx(math.sqrt(32 / 7), rel=1e-15)
    assert (summary.median, summary.minimum, summary.maximum) == (4.5, 2.0, 9.0)


def test_diverged_runs_are_counted_and_not_averaged():
    summary = summarise([1.0, 3.0], diverged=3)
    assert (summary.n, summary.finished, summary.diverged) == (5, 2, 3)
    assert summary.mean == 2.0


def test_one_run_has_no_spread():
    summary = summarise([0.5])
    assert (summary.mean, summary.median, summary.minimum, summary.maximum) == (0.5, 0.5, 0.5, 0.5)
    assert math.isnan(summary.standard_deviation)


@pytest.mark.parametrize("diverged", [0, 2])
def test_no_finished_run_has_no_numbers(diverged):
    summary = summarise([], diverged=diverged)
    assert (summary.n, summary.finished, summary.diverged) == (diverged, 0, diverged)
    assert all(math.isnan(value) for value in (summary.mean, summary.standard_deviation, summary.median))
    assert math.isnan(summary.minimum)
    assert math.isnan(summary.maximum)


def test_nan_is_not_hidden():
    summary = summarise([1.0, math.nan, 2.0])
    numbers = (summary.mean, summary.standard_deviation, summary.median, summary.minimum, summary.maximum)
    assert all(math.isnan(value) for value in numbers)
    assert summary.n == 3


def test_an_infinite_score():
    summary = summarise([1.0, math.inf])
    assert summary.mean == math.inf
    assert math.isnan(summary.standard_deviation)


def test_equal_scores_have_spread_zero():
    assert summarise([0.25, 0.25, 0.25]).standard_deviation == 0.0


def test_order_does_not_matter_for_counts_and_ranks():
    one, other = summarise([3.0, 1.0, 2.0]), summarise([1.0, 2.0, 3.0])
    assert one == other
