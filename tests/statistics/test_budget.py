"""Expected best of n: by enumeration of what n trials may be, in both directions."""

import itertools
import math

import numpy as np
import pytest

from gatelab.statistics import expected_best

TOLERANCE = 1e-12
VALIDATION = np.array([0.3, 0.9, 0.1, 0.5, 0.7])
TEST = np.array([0.2, 0.6, 0.4, 0.8, 0.1])


def enumerated(draws, best):
    """Mean over all draws (tuples of trials) of the best validation score and of the test score of that trial."""
    chosen = [best(draw, key=lambda trial: VALIDATION[trial]) for draw in draws]
    return np.mean(VALIDATION[chosen]), np.mean(TEST[chosen])


@pytest.mark.parametrize("higher, best", [(True, max), (False, min)])
def test_both_estimators_against_all_draws(higher, best):
    curve = expected_best(VALIDATION, test=TEST, higher_is_better=higher)
    assert curve.biased_test is not None
    assert curve.unbiased_test is not None
    for n in range(1, 6):
        with_replacement = enumerated(itertools.product(range(5), repeat=n), best)
        without = enumerated(itertools.combinations(range(5), n), best)
        ours = (curve.biased[n - 1], curve.biased_test[n - 1])
        assert ours == pytest.approx(with_replacement, abs=TOLERANCE)
        assert (curve.unbiased[n - 1], curve.unbiased_test[n - 1]) == pytest.approx(without, abs=TOLERANCE)
    assert curve.trials.tolist() == [1, 2, 3, 4, 5]
    assert curve.recommended == 2


@pytest.mark.parametrize("higher", [True, False])
def test_the_biased_estimator_is_the_pessimistic_one(higher):
    curve = expected_best(VALIDATION, higher_is_better=higher)
    gain = (curve.unbiased - curve.biased) * (1 if higher else -1)
    assert gain[0] == pytest.approx(0.0, abs=TOLERANCE)
    assert (gain[1:] > 0).all()
    assert curve.unbiased[-1] == pytest.approx(0.9 if higher else 0.1, abs=TOLERANCE)
    assert curve.biased_test is None


def test_trials_equal_in_validation_share_their_place():
    curve = expected_best([1.0, 1.0, 0.0], test=[0.2, 0.8, 0.0], higher_is_better=True)
    assert curve.unbiased_test is not None
    assert curve.unbiased_test[-1] == pytest.approx(0.5, abs=TOLERANCE)


def test_order_of_trials_changes_no_bit():
    validation, test = np.array([1.0, 2.0, 1.0, 2.0, 2.0]), np.array([0.1, 0.2, 0.3, 0.4, 0.7])
    one = expected_best(validation, test=test, higher_is_better=True)
    for order in itertools.permutations(range(5)):
        other = expected_best(validation[list(order)], test=test[list(order)], higher_is_better=True)
        for name in ("biased", "unbiased", "biased_test", "unbiased_test"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_many_trials_do_not_overflow():
    values = np.random.default_rng(0).uniform(size=1500)
    curve = expected_best(values, higher_is_better=True)
    assert np.isfinite(curve.unbiased).all()
    assert (np.diff(curve.unbiased) >= 0).all()
    assert curve.unbiased[-1] == pytest.approx(values.max(), abs=TOLERANCE)


def test_diverged_trials():
    validation, test = [0.5, math.nan, 0.7, math.inf], [0.4, math.nan, 0.6, 0.2]
    separate = expected_best(validation, test=test, higher_is_better=True)
    assert (separate.n, separate.n_diverged, separate.n_used) == (4, 2, 2)
    assert separate.biased[0] == pytest.approx(0.6, abs=TOLERANCE)
    worst = expected_best(validation, test=test, higher_is_better=True, diverged_as=0.1, diverged_test_as=0.0)
    assert (worst.n, worst.n_diverged, worst.n_used) == (4, 2, 4)
    assert worst.biased[0] == pytest.approx((0.5 + 0.7 + 0.1 + 0.1) / 4, abs=TOLERANCE)
    assert worst.biased_test is not None
    assert worst.biased_test[0] == pytest.approx((0.4 + 0.6) / 4, abs=TOLERANCE)


@pytest.mark.parametrize("trials, recommended", [([], 0), ([math.nan], 0), ([0.5], 1), ([0.5, 0.5], 1), ([1.0] * 9, 4)])
def test_few_trials(trials, recommended):
    curve = expected_best(trials, higher_is_better=True)
    assert curve.recommended == recommended
    assert curve.biased.size == curve.n_used


def test_constant_scores_stay_constant():
    curve = expected_best([0.1] * 7, higher_is_better=False)
    np.testing.assert_allclose(curve.biased, 0.1, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(curve.unbiased, 0.1, rtol=0, atol=TOLERANCE)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"trials of shape \(2,\) and \(1,\)"):
        expected_best([1.0, 2.0], test=[1.0], higher_is_better=True)
    with pytest.raises(ValueError, match="allowed: both or neither"):
        expected_best([1.0, 2.0], test=[1.0, 2.0], higher_is_better=True, diverged_as=0.0)
