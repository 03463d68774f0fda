"""Scores of many tasks on one scale, and the share of runs that reach a height on it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatelab.statistics.bootstrap import draw_counts
from gatelab.statistics.samples import Counted, Scores, as_sample, pooled_counts

__all__ = ["Profile", "normalise", "performance_profile"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile(Counted):
    """The share of runs at least as good as each threshold, falling from left to right."""

    thresholds: NDArray[np.float64]
    """Shape (thresholds,), of normalised scores: higher is better."""
    share: NDArray[np.float64]
    """In 0..1: the mean over tasks of the share of the task's runs. NaN without a run."""
    low: NDArray[np.float64] | None
    """Pointwise percentile interval, tasks kept and runs resampled within them; None without a generator or a run."""
    high: NDArray[np.float64] | None


def normalise(scores: ArrayLike, *, chance: float, perfect: float) -> NDArray[np.float64]:
    """Return scores with chance at 0 and perfect at 1: higher is better, whatever the score was. NaN stays NaN.

    Below 0 is worse than chance. Raises ValueError if chance and perfect are equal or not finite.
    """
    if not (math.isfinite(chance) and math.isfinite(perfect) and chance != perfect):
        raise ValueError(f"chance = {chance} and perfect = {perfect}; allowed: two different finite numbers")
    return (np.asarray(scores, dtype=np.float64) - chance) / (perfect - chance)


def performance_profile(
    scores: Sequence[Scores],
    thresholds: ArrayLike,
    *,
    generator: np.random.Generator | None = None,
    resamples: int = 2_000,
    confidence: float = 0.95,
) -> Profile:
    """Return the share of runs that score at least each threshold; ``scores``: one group of normalised runs a task.

    A diverged run that the sample left out counts as below every threshold; the share is always of all runs. Agarwal
    et al. count runs *above* a threshold: here a perfect run reaches 1. Tasks without a run are left out.
    Source: Agarwal et al. 2021, section 4 (score distributions); Dolan & Moré 2002.
    """
    heights = np.array(thresholds, dtype=np.float64)
    samples = [as_sample(group) for group in scores]
    # Ascending runs, and tasks in an order of their own: that in which they were given then changes nothing.
    groups = [np.append(np.full(one.counts.n - one.counts.n_used, -np.inf), np.sort(one.values)) for one in samples]
    ordered = sorted((runs for runs in groups if runs.size), key=lambda runs: (runs.size, *runs))
    reached = [(runs[:, None] >= heights).astype(np.float64) for runs in ordered]
    share = np.full(heights.shape, np.nan)
    if reached:
        share = np.mean([runs.mean(axis=0) for runs in reached], axis=0)
    low = high = None
    if reached and generator is not None:
        drawn = np.zeros((resamples, heights.size))
        for runs in reached:
            n = runs.shape[0]
            drawn += draw_counts(generator, n, resamples) @ runs / n
        low, high = np.quantile(drawn / len(reached), [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return Profile(thresholds=heights, share=share, low=low, high=high, counts=pooled_counts(samples))
