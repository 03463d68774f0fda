"""Effect sizes by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from gatelab.statistics import cliffs_delta, cohens_d, cohens_dz, hedges_correction

TOLERANCE = 1e-12


def test_cohens_d_by_hand():
    # means 3 and 6, squares 2 and 8 over four degrees of freedom: spread sqrt(2.5)
    found = cohens_d([4.0, 6.0, 8.0], [2.0, 3.0, 4.0], higher_is_better=True)
    assert found.value == pytest.approx(3 / math.sqrt(2.5), abs=TOLERANCE)
    assert found.corrected == pytest.approx(3 / math.sqrt(2.5) * hedges_correction(4), abs=TOLERANCE)
    turned = cohens_d([4.0, 6.0, 8.0], [2.0, 3.0, 4.0], higher_is_better=False)
    assert turned.value == -found.value


def test_cohens_dz_by_hand():
    found = cohens_dz([1.0, 2.0, 3.0])
    assert found.value == pytest.approx(2.0, abs=TOLERANCE)
    assert found.corrected == pytest.approx(2.0 * hedges_correction(2), abs=TOLERANCE)


@pytest.mark.parametrize("n", [4, 10])
def test_dz_is_t_over_root_n(n):
    values = np.random.default_rng(n).normal(0.5, 1, n)
    expected = stats.ttest_1samp(values, 0).statistic / math.sqrt(n)
    assert cohens_dz(values).value == pytest.approx(expected, abs=1e-9)


def test_hedges_correction():
    # by the Gamma function: m = 2 gives 1 / sqrt(pi), m = 4 gives sqrt(2 / pi)
    assert hedges_correction(2) == pytest.approx(1 / math.sqrt(math.pi), abs=TOLERANCE)
    assert hedges_correction(4) == pytest.approx(math.sqrt(2 / math.pi), abs=TOLERANCE)
    # and nearly 1 - 3 / (4 m - 1), as it is often written
    assert hedges_correction(50) == pytest.approx(1 - 3 / 199, abs=1e-4)
    assert math.isnan(hedges_correction(1))


def test_hedges_correction_takes_the_bias_out():
    # the mean of d over many small groups from normal scores one standard deviation apart is one
    scores = np.random.default_rng(0).normal(size=(20_000, 2, 5))
    scores[:, 0] += 1
    means, variances = scores.mean(axis=2), scores.var(axis=2, ddof=1)
    d = (means[:, 0] - means[:, 1]) / np.sqrt(variances.mean(axis=1))
    assert d.mean() > 1.08
    assert d.mean() * hedges_correction(8) == pytest.approx(1.0, abs=0.02)


def test_cliffs_delta_by_hand():
    # couples: 1-1 tie, 1-2 loss, 3-1 win, 3-2 win
    assert cliffs_delta([1.0, 3.0], [1.0, 2.0], higher_is_better=True).value == 0.25
    assert cliffs_delta([1.0, 3.0], [1.0, 2.0], higher_is_better=False).value == -0.25
    assert cliffs_delta([20.0] * 3, [10.0] * 3, higher_is_better=True).value == 1.0
    assert cliffs_delta([1.0], [1.0], higher_is_better=False).value == 0.0


@pytest.mark.parametrize(
    "effect",
    [
        cohens_d([1.0], [2.0], higher_is_better=True),
        cohens_d([1.0, 1.0], [2.0, 2.0], higher_is_better=True),
        cohens_d([], [2.0, 3.0], higher_is_better=True),
        cohens_dz([1.0]),
        cohens_dz([]),
        cohens_dz([0.9 - 0.8, 0.7 - 0.6]),
        cliffs_delta([math.nan], [1.0], higher_is_better=True),
    ],
)
def test_not_defined(effect):
    assert math.isnan(effect.value)
    assert math.isnan(effect.corrected)


def test_two_pairs_have_an_effect_but_no_correction():
    found = cohens_dz([1.0, 2.0, math.nan])
    assert found.value == pytest.approx(1.5 / math.sqrt(0.5), abs=TOLERANCE)
    assert math.isnan(found.corrected)
    assert (found.n, found.n_diverged, found.n_used) == (3, 1, 2)
