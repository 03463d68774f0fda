"""Bootstrap intervals: percentile and BCa, stratified by task, paired or not, from a given generator."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.statistics.intervals import Interval, point
from gatelab.statistics.location import Statistic, StatisticName, statistic_named
from gatelab.statistics.pairs import Pairs
from gatelab.statistics.samples import Counts, Scores, as_sample, is_constant, pooled_counts

__all__ = ["BootstrapMethod", "bootstrap_difference", "bootstrap_interval", "bootstrap_paired", "draw_counts"]

BootstrapMethod = Literal["percentile", "bca"]
"""``percentile``: the quantiles of the resampled statistic. ``bca``: those corrected for bias and skew (Efron 1987).

Both are too narrow for few runs (docs/statistics.md has the measured coverage); ``student_interval`` is not.
"""

_Strata = list[NDArray[np.float64]]
_Evaluate = Callable[[_Strata], NDArray[np.float64]]  # strata of shape (…, runs of the stratum) to shape (…)

NUMBERS_AT_ONCE = 4_000_000  # resampled scores held in memory: 32 MB


def bootstrap_interval(
    scores: Sequence[Scores],
    statistic: Statistic | StatisticName = "mean",
    *,
    generator: np.random.Generator,
    resamples: int = 20_000,
    confidence: float = 0.95,
    method: BootstrapMethod = "percentile",
) -> Interval:
    """Return the interval of a statistic of the pooled runs of one or several tasks.

    ``scores``: one group for each task, each of shape (runs of the task,); runs are resampled within their task. For
    one task, a list of one. Tasks of different scales must be normalised before (``normalise``). The same generator
    state gives the same interval bit for bit, in whatever order runs and tasks are given.
    """
    samples = [as_sample(group) for group in scores]
    strata, measure = _ordered([one.values for one in samples]), statistic_named(statistic)
    return _interval(
        strata,
        lambda drawn: measure(_pooled(drawn)),
        generator=generator,
        resamples=resamples,
        confidence=confidence,
        method=method,
        counts=pooled_counts(samples),
    )


def bootstrap_paired(
    pairs: Sequence[Pairs],
    statistic: Statistic | StatisticName = "mean",
    *,
    generator: np.random.Generator,
    resamples: int = 20_000,
    confidence: float = 0.95,
    method: BootstrapMethod = "percentile",
) -> Interval:
    """Return the interval of a statistic of the paired differences of one or several tasks; positive: better.

    ``pairs``: one for each task; pairs are resampled whole, so that a seed that is hard for both sides cancels out.
    """
    return bootstrap_interval(
        [one.differences for one in pairs],
        statistic,
        generator=generator,
        resamples=resamples,
        confidence=confidence,
        method=method,
    )


def bootstrap_difference(
    scores: Sequence[Scores],
    baseline: Sequence[Scores],
    statistic: Statistic | StatisticName = "mean",
    *,
    higher_is_better: bool,
    generator: np.random.Generator,
    resamples: int = 20_000,
    confidence: float = 0.95,
    method: BootstrapMethod = "percentile",
) -> Interval:
    """Return the interval of statistic(scores) minus statistic(baseline), unpaired; positive: better than the baseline.

    Both sides: one group for each task; each side and task is resampled on its own. If a side has no used run, the
    interval is NaN.
    """
    ours, theirs = [as_sample(group) for group in scores], [as_sample(group) for group in baseline]
    left, right = _ordered([one.values for one in ours]), _ordered([one.values for one in theirs])
    counts, baseline_counts = pooled_counts(ours), pooled_counts(theirs)
    if not left or not right:
        return point(np.nan, confidence=confidence, method=method, counts=counts, baseline_counts=baseline_counts)
    measure, sign = statistic_named(statistic), 1.0 if higher_is_better else -1.0

    def evaluate(drawn: _Strata) -> NDArray[np.float64]:
        return sign * (measure(_pooled(drawn[: len(left)])) - measure(_pooled(drawn[len(left) :])))

    return _interval(
        left + right,
        evaluate,
        generator=generator,
        resamples=resamples,
        confidence=confidence,
        method=method,
        counts=counts,
        baseline_counts=baseline_counts,
    )


def draw_counts(generator: np.random.Generator, n: int, resamples: int) -> NDArray[np.int64]:
    """Return how often each of n runs is drawn in each resample of n, shape (resamples, n)."""
    drawn = generator.integers(0, n, (resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n)


def _ordered(groups: Sequence[NDArray[np.float64]]) -> _Strata:
    """Return the groups that have values, in an order that depends on the values alone: so do then the resamples."""
    return sorted((np.sort(values) for values in groups if values.size), key=lambda values: (values.size, *values))


def _pooled(strata: _Strata) -> NDArray[np.float64]:
    return strata[0] if len(strata) == 1 else np.concatenate(strata, axis=-1)


def _interval(
    strata: _Strata,
    evaluate: _Evaluate,
    *,
    generator: np.random.Generator,
    resamples: int,
    confidence: float,
    method: BootstrapMethod,
    counts: Counts,
    baseline_counts: Counts | None = None,
) -> Interval:
    if not strata:
        return point(np.nan, confidence=confidence, method=method, counts=counts, baseline_counts=baseline_counts)
    estimate = float(evaluate(strata))
    if all(is_constant(values) for values in strata):
        return point(estimate, confidence=confidence, method=method, counts=counts, baseline_counts=baseline_counts)
    drawn = _distribution(strata, evaluate, generator, resamples)
    if is_constant(drawn):  # such as the median of nine equal scores and one other
        return point(estimate, confidence=confidence, method=method, counts=counts, baseline_counts=baseline_counts)
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    corrected = _corrected_tails(tails, drawn, estimate, strata, evaluate) if method == "bca" else None
    low, high = np.quantile(drawn, tails if corrected is None else corrected)
    return Interval(
        estimate=estimate,
        low=float(low),
        high=float(high),
        confidence=confidence,
        method="percentile" if corrected is None else "bca",
        resamples=resamples,
        degenerate=False,
        counts=counts,
        baseline_counts=baseline_counts,
    )


def _distribution(
    strata: _Strata, evaluate: _Evaluate, generator: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    """Return the statistic of each resample, shape (resamples,)."""
    at_once = max(1, NUMBERS_AT_ONCE // sum(values.size for values in strata))
    parts = []
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        parts.append(evaluate([values[generator.integers(0, values.size, (rows, values.size))] for values in strata]))
    return np.concatenate(parts)


def _corrected_tails(
    tails: NDArray[np.float64],
    drawn: NDArray[np.float64],
    estimate: float,
    strata: _Strata,
    evaluate: _Evaluate,
) -> NDArray[np.float64] | None:
    """Return the tails corrected for bias z0 and acceleration a; None where they are not defined.

    Source: Efron 1987, Better Bootstrap Confidence Intervals; several strata: Davison & Hinkley 1997, chapter 5.
    """
    from scipy.special import ndtr, ndtri

    below = ((drawn < estimate).mean() + (drawn <= estimate).mean()) / 2
    if not 0 < below < 1:
        return None
    bias = ndtri(below)
    cubes = squares = 0.0
    for place, values in enumerate(strata):
        n = values.size
        if n == 1:
            continue  # it never varies
        left_out = np.stack([np.delete(values, index) for index in range(n)])
        others = [np.broadcast_to(other, (n, other.size)) for other in strata]
        jackknife = evaluate([*others[:place], left_out, *others[place + 1 :]])
        influence = (n - 1) * (jackknife.mean() - jackknife)
        cubes += (influence**3).sum() / n**3
        squares += (influence**2).sum() / n**2
    if squares == 0:
        return None
    acceleration = cubes / (6 * squares**1.5)
    shifted = bias + ndtri(tails)
    corrected = ndtr(bias + shifted / (1 - acceleration * shifted))
    return corrected if np.isfinite(corrected).all() and corrected[0] <= corrected[1] else None
