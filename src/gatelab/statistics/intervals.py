"""An estimate with the interval around it: Student's of a mean, and the exact one of a median."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gatelab.statistics.location import standard_deviation
from gatelab.statistics.samples import Counted, Counts, Scores, as_sample

__all__ = ["Interval", "Method", "median_interval", "point", "student_interval"]

Method = Literal["percentile", "bca", "student", "exact", "wilson"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval(Counted):
    """An estimate with the interval around it, in the unit of the statistic."""

    estimate: float
    """NaN without a used run."""
    low: float
    high: float
    confidence: float
    method: Method
    """The one used: BCa falls back to the percentiles where its corrections are not defined."""
    resamples: int
    """0 where none were drawn."""
    degenerate: bool
    """The data cannot say how sure they are (no run, one run, or all equal): the interval is the point itself."""


def point(
    estimate: float, *, confidence: float, method: Method, counts: Counts, baseline_counts: Counts | None = None
) -> Interval:
    """Return the degenerate interval: the estimate alone."""
    return Interval(
        estimate=estimate,
        low=estimate,
        high=estimate,
        confidence=confidence,
        method=method,
        resamples=0,
        degenerate=True,
        counts=counts,
        baseline_counts=baseline_counts,
    )


def student_interval(scores: Scores, *, confidence: float = 0.95) -> Interval:
    """Return Student's t interval of the mean of a group, or of paired differences (``pairs.differences``).

    Its coverage is right from n = 2 on if scores are roughly normal, where the bootstrap's is too low.
    Degenerate for fewer than two values or a constant column. Source: Student 1908, The Probable Error of a Mean.
    """
    from scipy.special import stdtrit

    given = as_sample(scores)
    n = given.values.size
    estimate = float(np.sort(given.values).mean()) if n else math.nan
    spread = standard_deviation(given.values)
    if not spread > 0:
        return point(estimate, confidence=confidence, method="student", counts=given.counts)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * spread / math.sqrt(n)
    return Interval(
        estimate=estimate,
        low=estimate - half,
        high=estimate + half,
        confidence=confidence,
        method="student",
        resamples=0,
        degenerate=False,
        counts=given.counts,
    )


def median_interval(scores: Scores, *, confidence: float = 0.95) -> Interval:
    """Return the exact interval of a median, of scores or of paired differences: two of the values themselves.

    It covers at least as often as it says, whatever the distribution: no symmetry, no finite mean is needed. The
    limits are the k-th smallest and the k-th largest value, with the largest k for which both tails of the sign test
    together stay below 1 - confidence. Fewer than six values have no such interval of 95 %: it is then without
    limits, -inf to inf, and degenerate. Source: Conover 1999, Practical Nonparametric Statistics, section 3.2.
    """
    from scipy.special import bdtr

    given = as_sample(scores)
    values = np.sort(given.values)
    n = values.size
    estimate = float(np.median(values)) if n else math.nan
    left_out = -1  # at each end
    while left_out < n // 2 and 2 * float(bdtr(left_out + 1, n, 0.5)) <= 1 - confidence:
        left_out += 1
    limited = left_out >= 0
    return Interval(
        estimate=estimate,
        low=float(values[left_out]) if limited else -math.inf,
        high=float(values[n - 1 - left_out]) if limited else math.inf,
        confidence=confidence,
        method="exact",
        resamples=0,
        degenerate=not limited,
        counts=given.counts,
    )
