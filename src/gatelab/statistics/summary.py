"""What a group of runs says: counts, centre and spread."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Summary", "summarise"]


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
