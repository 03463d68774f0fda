"""What a group of runs says: counts, centre and spread, and the difference to another group, paired by seed."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Paired", "Summary", "paired_difference", "summarise"]


@dataclass(frozen=True, slots=True)
class Summary:
    """A group of runs that differ in their seed. All but the counts are in the unit of the score.

    The numbers are over the finished runs. A diverged run has no score that could enter a mean; it is counted, so
    that a group is never made better by forgetting its failures.
    """

    n: int
    """All runs of the group: ``finished + diverged``."""
    finished: int
    diverged: int
    mean: float
    """NaN if no run finished."""
    standard_deviation: float
    """Of the sample (divisor ``finished - 1``); NaN for fewer than two finished runs."""
    median: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Paired:
    """Differences between two groups, one for each seed that finished in both."""

    n: int
    """Number of pairs."""
    mean: float
    """Mean of the differences, in the unit of the score; NaN without a pair."""


def summarise(scores: Sequence[float], *, diverged: int = 0) -> Summary:
    """Summarise the scores of the finished runs of a group, beside the number of those that diverged.

    A score of NaN is not left out: it makes every number of the summary NaN, because a finished run without a score
    is a fault to be seen.
    """
    values = np.asarray(scores, dtype=np.float64)
    n = values.size
    nan = math.nan
    if n == 0:
        return Summary(diverged, 0, diverged, nan, nan, nan, nan, nan)
    with np.errstate(invalid="ignore"):  # an infinite score has an infinite mean, and no deviation from it
        mean = float(values.mean())
        spread = float(values.std(ddof=1)) if n > 1 else nan
    return Summary(
        n=n + diverged,
        finished=n,
        diverged=diverged,
        mean=mean,
        standard_deviation=spread,
        median=float(np.median(values)),
        minimum=float(values.min()),
        maximum=float(values.max()),
    )


def paired_difference(scores: Iterable[tuple[int, float]], baseline: Iterable[tuple[int, float]]) -> Paired:
    """Return scores minus baseline, paired by seed; both are (seed, score) of finished runs, in any order.

    Seeds present on one side only are left out. Several runs of one seed count as one, by their mean.
    """
    ours, theirs = _by_seed(scores), _by_seed(baseline)
    differences = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
    return Paired(n=len(differences), mean=float(np.mean(differences)) if differences else math.nan)


def _by_seed(scores: Iterable[tuple[int, float]]) -> Mapping[int, float]:
    found: dict[int, list[float]] = {}
    for seed, score in scores:
        found.setdefault(seed, []).append(score)
    return {seed: float(np.mean(values)) for seed, values in found.items()}
