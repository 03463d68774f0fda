"""Time to a threshold over runs, some of which never reached it: Kaplan-Meier."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gatelab.statistics.samples import ROUNDING

__all__ = ["Survival", "survive"]


@dataclass(frozen=True, slots=True, eq=False)
class Survival:
    """How long runs of one variant on one task take to reach a threshold, those that did not reach it included."""

    n: int
    n_censored: int
    """Runs that ended before they reached the threshold, diverged ones too."""
    n_diverged: int
    """Those that diverged or gave up."""
    median: float
    """Step by which half of the runs reach it (Kaplan-Meier); infinite if fewer are seen to; NaN for n = 0."""
    restricted_mean: float
    """Mean time until the threshold or ``horizon``, whichever is first, in steps; defined however many are censored."""
    horizon: float
    steps: NDArray[np.float64]
    """Ascending steps at which a run reached it; with ``waiting`` the curve to draw, which is 1 before the first."""
    waiting: NDArray[np.float64]
    """Share still waiting just after each of ``steps``."""


def survive(
    reached: ArrayLike, ended: ArrayLike, diverged: ArrayLike | None = None, horizon: float | None = None
) -> Survival:
    """Return the Kaplan-Meier account of a group of runs.

    ``reached``: shape (runs,), step of the threshold (``time_to_threshold``), infinite or NaN if never. ``ended``:
    shape (runs,), last step of each run. ``diverged``: shape (runs,) of booleans, of runs that diverged or gave up
    because they learnt nothing; such a run that never reached the threshold never will: it waits until the horizon
    instead of being censored where it broke off, which would flatter it. ``horizon``: defaults to the latest of
    ``ended``; to compare variants, give them the same. What is reached after the horizon is not counted as reached.
    Where the last run is censored before the horizon, the share still waiting stays as it is until there.
    Source: Kaplan & Meier 1958; restricted mean: Royston & Parmar 2013.
    """
    first, last = np.array(reached, dtype=np.float64), np.array(ended, dtype=np.float64)
    blown = np.zeros(first.shape, dtype=bool) if diverged is None else np.array(diverged, dtype=bool)
    if first.ndim != 1 or not first.shape == last.shape == blown.shape:
        raise ValueError(f"runs of shapes {first.shape}, {last.shape}, {blown.shape}; allowed: (runs,) for all")
    n = first.size
    end = horizon if horizon is not None else float(last.max()) if n else math.nan
    happened = np.isfinite(first) & (first <= end)
    seen = np.where(happened, first, np.minimum(np.where(blown, np.inf, last), end))
    steps = np.unique(seen[happened])
    # Those who reach it at a step, of those still waiting just before (a run that ends at that very step is one).
    at_risk = (seen[:, None] >= steps).sum(axis=0)
    reaching = (happened[:, None] & (seen[:, None] == steps)).sum(axis=0)
    waiting = np.cumprod(1 - reaching / at_risk) if n else np.ones(0)
    half = waiting <= 0.5 + ROUNDING
    return Survival(
        n=n,
        n_censored=int((~happened).sum()),
        n_diverged=int(blown.sum()),
        median=math.nan if n == 0 else float(steps[half.argmax()]) if half.any() else math.inf,
        restricted_mean=float(np.append(1.0, waiting) @ np.diff(steps, prepend=0.0, append=end)) if n else math.nan,
        horizon=end,
        steps=steps,
        waiting=waiting,
    )
