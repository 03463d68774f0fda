"""The probability that a run of the variant beats a run of the baseline."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gatelab.statistics.bootstrap import bootstrap_interval, draw_counts
from gatelab.statistics.intervals import Interval, point
from gatelab.statistics.pairs import Pairs
from gatelab.statistics.samples import Sample, Scores, as_sample, is_constant, pooled_counts

__all__ = ["probability_of_improvement", "probability_of_improvement_paired"]


def probability_of_improvement_paired(
    pairs: Sequence[Pairs], *, generator: np.random.Generator, resamples: int = 20_000, confidence: float = 0.95
) -> Interval:
    """Return P(variant better than baseline at the same seed), ties one half, with a percentile interval, in 0..1.

    ``pairs``: one for each task; the probability is the mean over the tasks that have pairs, each of equal weight;
    pairs are resampled within their task. 0.5 says no difference, above it: better. NaN without a pair; degenerate if
    all pairs of each task agree (all won: the interval is the point 1, which does not mean certainty).
    Source: Bouthillier et al. 2021, Accounting for Variance in Machine Learning Benchmarks.
    """
    given = [one.differences for one in pairs]
    wins = [Sample(_wins(one.values), one.counts) for one in given]
    sizes = sorted(one.values.size for one in wins if one.values.size)  # the order in which strata come to be pooled

    def mean_over_tasks(pooled: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = np.split(pooled, np.cumsum(sizes)[:-1], axis=-1)
        return np.asarray(sum(part.mean(axis=-1) for part in parts) / len(parts))

    return bootstrap_interval(wins, mean_over_tasks, generator=generator, resamples=resamples, confidence=confidence)


def probability_of_improvement(
    scores: Sequence[Scores],
    baseline: Sequence[Scores],
    *,
    higher_is_better: bool | Sequence[bool],
    generator: np.random.Generator,
    resamples: int = 20_000,
    confidence: float = 0.95,
) -> Interval:
    """Return P(a run of the variant beats an independent run of the baseline), ties one half, in 0..1.

    The Mann-Whitney form: U over the number of couples, averaged over the tasks where both sides have a run. Both
    sides: one group for each task, in the same order; ``higher_is_better`` for all or for each task. Source: Agarwal et
    al. 2021, section 4.
    """
    ours, theirs = [as_sample(group) for group in scores], [as_sample(group) for group in baseline]
    higher = [higher_is_better] * len(ours) if isinstance(higher_is_better, bool) else list(higher_is_better)
    tables = [
        _wins((1.0 if up else -1.0) * (np.sort(one.values)[:, None] - np.sort(other.values)[None, :]))
        for one, other, up in zip(ours, theirs, higher, strict=True)
        if one.values.size and other.values.size
    ]
    tables.sort(key=lambda table: (table.shape, *table.ravel()))  # the order of the tasks then changes nothing
    counts, baseline_counts = pooled_counts(ours), pooled_counts(theirs)
    estimate = float(np.mean([table.mean() for table in tables])) if tables else np.nan
    if all(is_constant(table.ravel()) for table in tables):
        return point(
            estimate, confidence=confidence, method="percentile", counts=counts, baseline_counts=baseline_counts
        )
    drawn = np.zeros(resamples)
    for table in tables:
        rows, columns = table.shape
        # How often each run is drawn says all: no couple has to be compared again. (All sums are of halves: exact.)
        left = draw_counts(generator, rows, resamples)
        right = draw_counts(generator, columns, resamples)
        drawn += ((left @ table) * right).sum(axis=-1) / table.size
    low, high = np.quantile(drawn / len(tables), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(
        estimate=estimate,
        low=float(low),
        high=float(high),
        confidence=confidence,
        method="percentile",
        resamples=resamples,
        degenerate=False,
        counts=counts,
        baseline_counts=baseline_counts,
    )


def _wins(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    return (1 + np.sign(differences)) / 2
