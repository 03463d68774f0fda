"""An estimate with the interval around it, and Student's interval of a mean, the honest one for few runs."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gatelab.statistics.location import standard_deviation
from gatelab.statistics.samples import Counted, Counts, Scores, as_sample

__all__ = ["Interval", "Method", "point", "student_interval"]

Method = Literal["percentile", "bca", "student"]


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
