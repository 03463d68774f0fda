"""How large a difference is, in standard deviations or in wins; positive always means better than the baseline."""

import math
from dataclasses import dataclass

import numpy as np

from gatelab.statistics.location import standard_deviation
from gatelab.statistics.samples import Counted, Scores, as_sample

__all__ = ["Effect", "cliffs_delta", "cohens_d", "cohens_dz", "hedges_correction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect(Counted):
    """An effect size without unit."""

    name: str
    value: float
    """NaN where it is not defined (too few runs, or a spread of zero)."""
    corrected: float
    """With Hedges' correction for small samples; equal to ``value`` for Cliff's delta, which needs none."""


def cohens_d(scores: Scores, baseline: Scores, *, higher_is_better: bool) -> Effect:
    """Return the difference of means over the pooled standard deviation (unpaired). Source: Cohen 1988, chapter 2.

    NaN with fewer than three runs together, with an empty side, or without any spread.
    """
    ours, theirs = as_sample(scores), as_sample(baseline)
    n, m = ours.values.size, theirs.values.size
    sides = [side for side in (ours.values, theirs.values) if side.size > 1]
    squares = sum((side.size - 1) * standard_deviation(side) ** 2 for side in sides)
    value = math.nan
    if n and m and squares > 0:
        gain = float(np.sort(ours.values).mean() - np.sort(theirs.values).mean())
        value = (gain if higher_is_better else -gain) / math.sqrt(squares / (n + m - 2))
    return Effect(
        name="Cohen's d",
        value=value,
        corrected=value * hedges_correction(n + m - 2),
        counts=ours.counts,
        baseline_counts=theirs.counts,
    )


def cohens_dz(differences: Scores) -> Effect:
    """Return the mean of paired differences over their standard deviation. Source: Cohen 1988, chapter 2.

    NaN for fewer than two pairs or equal differences. d_z = d / sqrt(2 (1 - correlation)), for equal spreads.
    """
    given = as_sample(differences)
    spread = standard_deviation(given.values)
    value = float(np.sort(given.values).mean()) / spread if spread > 0 else math.nan
    return Effect(
        name="Cohen's d_z",
        value=value,
        corrected=value * hedges_correction(given.values.size - 1),
        counts=given.counts,
    )


def hedges_correction(degrees_of_freedom: int) -> float:
    """Return the factor, below 1, that takes the bias out of d: Γ(m/2) / (√(m/2) Γ((m-1)/2)); exact, NaN for m < 2.

    Source: Hedges 1981, Distribution Theory for Glass's Estimator of Effect Size and Related Estimators.
    """
    m = degrees_of_freedom
    return math.exp(math.lgamma(m / 2) - math.lgamma((m - 1) / 2)) / math.sqrt(m / 2) if m > 1 else math.nan


def cliffs_delta(scores: Scores, baseline: Scores, *, higher_is_better: bool) -> Effect:
    """Return P(better) - P(worse) over all couples, in -1..1; NaN with an empty side. Source: Cliff 1993."""
    ours, theirs = as_sample(scores), as_sample(baseline)
    wins = np.sign(ours.values[:, None] - theirs.values[None, :])
    value = float(wins.mean()) if wins.size else math.nan
    value = value if higher_is_better else 0.0 - value
    return Effect(
        name="Cliff's delta",
        value=value,
        corrected=value,
        counts=ours.counts,
        baseline_counts=theirs.counts,
    )
