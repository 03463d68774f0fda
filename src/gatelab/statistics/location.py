"""Where the middle of scores lies: mean, median, interquartile mean."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.statistics.samples import Counted, Scores, as_sample, is_constant

__all__ = [
    "Location",
    "Statistic",
    "StatisticName",
    "interquartile_mean",
    "locate",
    "mean",
    "median",
    "standard_deviation",
    "statistic_named",
]

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Takes values of shape (…, runs), gives shape (…): ``mean``, ``median``, ``interquartile_mean``, or one's own."""

StatisticName = Literal["mean", "median", "iqm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Location(Counted):
    """The middles of a group, in the unit of the score; all NaN without a used run, all equal with one."""

    mean: float
    median: float
    iqm: float


def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the last axis; NaN if it is empty."""
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    return np.asarray(values.mean(axis=-1))


def median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median over the last axis; NaN if it is empty."""
    n = values.shape[-1]
    if n == 0:
        return np.full(values.shape[:-1], np.nan)
    ordered = np.sort(values, axis=-1)  # faster over many short rows than numpy.median
    return (ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2


def interquartile_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the middle half over the last axis, shape (…, runs) to (…); NaN if it is empty.

    Exactly a quarter of the weight is cut at each end: with n not divisible by 4 the outermost kept values count in
    part. That equals ``scipy.stats.trim_mean(values, 0.25)`` (and rliable, which calls it) where 4 divides n;
    elsewhere scipy cuts floor(n / 4) whole values, so that n = 1, 2, 3 would be the plain mean. Here n = 1 and 2 are
    the plain mean; n = 3 gives weights 1/4, 1, 1/4 over 3/2.
    Source: Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice, section 4.
    """
    n = values.shape[-1]
    if n == 0:
        return np.full(values.shape[:-1], np.nan)
    ordered = np.sort(values, axis=-1)
    # Value i covers the stretch from i to i + 1 of a line of length n; what lies between n/4 and 3n/4 counts.
    places = np.arange(n)
    weights = np.clip(np.minimum(places + 1, 0.75 * n) - np.maximum(places, 0.25 * n), 0.0, 1.0)
    kept = slice(n // 4, n - n // 4)
    return np.asarray((ordered[..., kept] * weights[kept]).sum(axis=-1) / (n / 2))


def locate(scores: Scores) -> Location:
    """Return the middles of a group of runs; diverged ones are counted, and used if the sample's policy says so."""
    given = as_sample(scores)
    values = np.sort(given.values)  # so that the order of the runs changes no last digit
    return Location(
        counts=given.counts,
        mean=float(mean(values)),
        median=float(median(values)),
        iqm=float(interquartile_mean(values)),
    )


def statistic_named(statistic: Statistic | StatisticName) -> Statistic:
    """Return the function of a name; a function is returned as it is. Raises ValueError for another name."""
    if not isinstance(statistic, str):
        return statistic
    named: dict[str, Statistic] = {"mean": mean, "median": median, "iqm": interquartile_mean}
    if statistic not in named:
        raise ValueError(f"statistic {statistic!r}; allowed: {', '.join(named)}, or a function")
    return named[statistic]


def standard_deviation(values: NDArray[np.float64]) -> float:
    """Return the sample standard deviation of values, shape (n,): NaN for n < 2, exactly 0 for a constant column."""
    if values.size < 2:
        return math.nan
    return 0.0 if is_constant(values) else float(np.sort(values).std(ddof=1))
