"""Variants across tasks by their ranks: Friedman's test and Nemenyi's critical difference, from five tasks on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FEWEST_TASKS", "Ranks", "Refusal", "rank_variants"]

FEWEST_TASKS = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a statistic is not given, in one sentence for the reader. Not an error: the data are too few for it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ranks:
    """Ranks of variants over tasks, 1 for the best; ties share the mean of their ranks."""

    variants: tuple[str, ...]
    """In the order given."""
    average: tuple[float, ...]
    """Average rank of each variant, smaller is better."""
    n: int
    """Tasks."""
    n_diverged: int
    """Cells without a finite score; each ranks last on its task."""
    friedman_statistic: float
    """Chi-squared, corrected for ties; 0 if all variants tie on all tasks."""
    friedman_p: float
    critical_difference: float
    """Nemenyi: two average ranks further apart than this differ, at ``alpha``."""
    alpha: float
    groups: tuple[tuple[str, ...], ...]
    """Largest sets of variants within the critical difference, best first (the bars of the diagram); no singles. None
    where Friedman's test finds no difference: Nemenyi's is made only after it."""


def rank_variants(
    variants: Sequence[str],
    scores: ArrayLike,
    *,
    higher_is_better: bool | Sequence[bool],
    alpha: float = 0.05,
) -> Ranks | Refusal:
    """Rank variants on tasks: ``scores`` of shape (variants, tasks), one middle (median, IQM) for each cell.

    ``higher_is_better`` for all or for each task. Refuses fewer than five tasks or fewer than two variants, by a
    ``Refusal`` that says why. Raises ValueError for another shape. Source: Demšar 2006, Statistical Comparisons of
    Classifiers over Multiple Data Sets; Friedman 1937; Nemenyi 1963.
    """
    from scipy.special import chdtrc
    from scipy.stats import rankdata, studentized_range

    table = np.array(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != len(variants):
        raise ValueError(f"scores of shape {table.shape} for {len(variants)} variants; allowed: (variants, tasks)")
    k, n = table.shape
    if n < FEWEST_TASKS:
        return Refusal(f"ranks across tasks need at least {FEWEST_TASKS} tasks, and there {_are(n, 'task')}")
    if k < 2:
        return Refusal(f"ranks across tasks need at least 2 variants, and there {_are(k, 'variant')}")
    signs = np.where(np.broadcast_to(np.asarray(higher_is_better), (n,)), 1.0, -1.0)
    finite = np.isfinite(table)
    ranks = rankdata(np.where(finite, -signs * table, np.inf), axis=0)
    average = ranks.mean(axis=1)
    statistic = _friedman(ranks)
    p = float(chdtrc(k - 1, statistic))
    difference = float(studentized_range.ppf(1 - alpha, k, np.inf)) * math.sqrt(k * (k + 1) / (12 * n))
    return Ranks(
        variants=tuple(variants),
        average=tuple(average.tolist()),
        n=n,
        n_diverged=int((~finite).sum()),
        friedman_statistic=statistic,
        friedman_p=p,
        critical_difference=difference,
        alpha=alpha,
        groups=_groups(variants, average.tolist(), difference) if p < alpha else (),
    )


def _are(count: int, noun: str) -> str:
    return f"is {count} {noun}" if count == 1 else f"are {count} {noun}s"


def _friedman(ranks: NDArray[np.float64]) -> float:
    """Return Friedman's chi-squared of ranks, shape (variants, tasks), corrected for ties."""
    k, n = ranks.shape
    # Between variants, over the variance that ranks have within a task: ties make that smaller.
    between = float(((ranks.sum(axis=1) - n * (k + 1) / 2) ** 2).sum())
    within = float(((ranks - (k + 1) / 2) ** 2).sum())
    return (k - 1) * between / within if within > 0 else 0.0


def _groups(variants: Sequence[str], average: Sequence[float], difference: float) -> tuple[tuple[str, ...], ...]:
    order = sorted(range(len(variants)), key=lambda index: (average[index], variants[index]))
    groups, covered = [], 0
    for start in range(len(order)):
        end = start
        while end < len(order) and average[order[end]] - average[order[start]] <= difference:
            end += 1
        if end > covered and end - start > 1:  # else it lies within a group before
            groups.append(tuple(variants[index] for index in order[start:end]))
        covered = max(covered, end)
    return tuple(groups)
