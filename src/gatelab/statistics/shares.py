"""Shares of runs: how many of n did something, with intervals that hold for few runs and for shares of 0 and 1."""

import math

from gatelab.statistics.intervals import Interval, Method
from gatelab.statistics.samples import Counts

__all__ = ["exact_share", "majority_p", "wilson_share"]


def wilson_share(count: float, n: int, *, confidence: float = 0.95) -> Interval:
    """Return a share with Wilson's score interval, in 0..1; its coverage is right on average.

    ``count`` of ``n``, ties as halves; n = 0 gives NaN, and n = 1 an interval, too. Source: Wilson 1927, Probable
    Inference, the Law of Succession, and Statistical Inference.
    """
    from scipy.special import ndtri

    if n == 0:
        return _share(math.nan, math.nan, math.nan, 0, confidence, "wilson")
    z = float(ndtri((1 + confidence) / 2))
    share, weight = count / n, z * z / n
    half = z * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    low, high = ((share + weight / 2 + side * half) / (1 + weight) for side in (-1, 1))
    return _share(share, 0.0 if count == 0 else low, 1.0 if count == n else high, n, confidence, "wilson")


def exact_share(count: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Return a share with the interval of Clopper and Pearson, in 0..1, which covers at least as often as it says.

    None of 10 has the upper limit 0.31, about 3/n (the rule of three). n = 0 gives NaN. Source: Clopper & Pearson
    1934, The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial.
    """
    from scipy.special import betaincinv

    if n == 0:
        return _share(math.nan, math.nan, math.nan, 0, confidence, "exact")
    tail = (1 - confidence) / 2
    low = float(betaincinv(count, n - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
    return _share(count / n, low, high, n, confidence, "exact")


def majority_p(count: int, n: int) -> float:
    """Return the chance that as many of n or more would be on one side, if either side were as likely; one-sided.

    The exact p of a sign test: 8 of 10 give 56/1024. n = 0 gives 1. Source: Conover 1999, Practical Nonparametric
    Statistics, section 3.4.
    """
    from scipy.special import bdtrc

    return float(bdtrc(count - 1, n, 0.5)) if count > 0 else 1.0


def _share(share: float, low: float, high: float, n: int, confidence: float, method: Method) -> Interval:
    return Interval(
        estimate=share,
        low=low,
        high=high,
        confidence=confidence,
        method=method,
        resamples=0,
        degenerate=n == 0,
        counts=Counts(n, 0, n),
    )
