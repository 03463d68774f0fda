"""What the best of n trials of a hyperparameter search is worth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatelab.statistics.samples import Counted, Counts

__all__ = ["BudgetCurve", "expected_best"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BudgetCurve(Counted):
    """Expected score after n of N trials, for n = 1 … N (N = ``n_used``); empty arrays without a trial."""

    trials: NDArray[np.int64]
    """1 … N."""
    biased: NDArray[np.float64]
    """Best validation score, trials drawn with replacement (Dodge et al. 2019): pessimistic, low variance."""
    unbiased: NDArray[np.float64]
    """Best validation score, drawn without replacement (Tang et al. 2020): unbiased, high variance near N."""
    biased_test: NDArray[np.float64] | None
    """Test score of the trial chosen by validation, in the same two ways; None if no test scores were given."""
    unbiased_test: NDArray[np.float64] | None
    recommended: int
    """The largest n to show: N // 2 (at least 1, 0 without a trial); beyond it a few trials decide the curve."""


def expected_best(
    validation: ArrayLike,
    *,
    higher_is_better: bool,
    test: ArrayLike | None = None,
    diverged_as: float | None = None,
    diverged_test_as: float | None = None,
) -> BudgetCurve:
    """Return the expected best-of-n of the trials of one variant on one task, in the unit of the score.

    ``validation``, ``test``: shape (trials,); NaN or infinite validation is a diverged trial. ``diverged_as``: the
    validation score that stands for it (``diverged_score`` gives it), with ``diverged_test_as`` for its test score;
    None leaves diverged trials out of N and counts them, which flatters a variant that diverges often. A trial without
    a finite test score counts as diverged, too. Raises ValueError for other shapes.
    Trials equal in validation share their place: the test score there is their mean.
    Sources: Dodge et al. 2019, Show Your Work; Tang et al. 2020, Showing Your Work Doesn't Always Work; Dodge et al.
    2021, Expected Validation Performance and Estimation of a Random Variable's Maximum.
    """
    scores, counts, tests = _trials(validation, test, diverged_as, diverged_test_as)
    ranking = scores if higher_is_better else -scores
    # The best comes last. Ties go by test score, so that the order of the trials changes no last digit.
    order = np.argsort(ranking) if tests is None else np.lexsort((tests, ranking))
    scores = scores[order]
    total = scores.size
    rows = np.stack([scores] if tests is None else [scores, _shared_among_ties(scores, tests[order])])
    places = np.arange(1, total + 1)
    biased, unbiased = np.empty_like(rows), np.empty_like(rows)
    for n in range(1, total + 1):
        # chance that the best of n lies at each place: with replacement, and without
        biased[:, n - 1] = rows @ np.diff((places / total) ** n, prepend=0.0)
        unbiased[:, n - 1] = rows @ _without_replacement(places, n)
    return BudgetCurve(
        counts=counts,
        trials=places,
        biased=biased[0],
        unbiased=unbiased[0],
        biased_test=None if tests is None else biased[1],
        unbiased_test=None if tests is None else unbiased[1],
        recommended=max(total // 2, min(total, 1)),
    )


def _trials(
    validation: ArrayLike, test: ArrayLike | None, diverged_as: float | None, diverged_test_as: float | None
) -> tuple[NDArray[np.float64], Counts, NDArray[np.float64] | None]:
    """Return validation scores, counts and test scores of the trials that take part."""
    scores = np.array(validation, dtype=np.float64)
    tests = None if test is None else np.array(test, dtype=np.float64)
    if scores.ndim != 1 or (tests is not None and tests.shape != scores.shape):
        shapes = f"{scores.shape}" if tests is None else f"{scores.shape} and {tests.shape}"
        raise ValueError(f"trials of shape {shapes}; allowed: (trials,), the same for both scores")
    if tests is not None and (diverged_as is None) != (diverged_test_as is None):
        raise ValueError("diverged_as and diverged_test_as; allowed: both or neither, where test scores are given")
    finished = np.isfinite(scores) if tests is None else np.isfinite(scores) & np.isfinite(tests)
    if diverged_as is None:
        scores, tests = scores[finished], None if tests is None else tests[finished]
    else:
        scores = np.where(finished, scores, diverged_as)
        tests = None if tests is None or diverged_test_as is None else np.where(finished, tests, diverged_test_as)
    return scores, Counts(finished.size, int((~finished).sum()), scores.size), tests


def _shared_among_ties(scores: NDArray[np.float64], tests: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the test scores with the mean of each group of equal validation scores, both ordered by validation."""
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    return (np.bincount(group, tests, sizes.size) / sizes)[group]


def _without_replacement(places: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Return C(place - 1, n - 1) / C(N, n), shape (N,), by logarithms, which do not overflow."""
    from scipy.special import gammaln

    total = places.size
    kept = places >= n
    inside = places[kept]
    chances = np.zeros(total)
    chances[kept] = np.exp(gammaln(inside) - gammaln(inside - n + 1) - gammaln(total + 1) + gammaln(total - n + 1)) * n
    return chances / chances.sum()  # they sum to one but for the rounding of the logarithms
