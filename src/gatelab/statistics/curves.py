"""Learning curves: the area under them, and the step at which they reach a threshold."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["area_under_curve", "time_to_threshold"]


def area_under_curve(steps: ArrayLike, scores: ArrayLike, *, until: float | None = None) -> float:
    """Return the mean height of a learning curve over its steps (trapezoids over their width), unit of the score.

    ``steps``: shape (points,), strictly increasing; ``scores``: shape (points,). ``until`` cuts the curve at a step,
    and extends a shorter one by its last score (early stopping); at or before the first step it gives the first score.
    One point gives its score, none NaN; NaN among the scores gives NaN (the run diverged). Raises ValueError if steps
    do not increase or shapes differ.
    """
    places, heights = _curve(steps, scores)
    if heights.size == 0 or np.isnan(heights).any():
        return math.nan
    end = places[-1] if until is None else until
    if end <= places[0]:
        return float(heights[0])
    inside = places < end
    height_at_end = np.interp(end, places, heights)  # beyond the last point: the last score
    places, heights = np.append(places[inside], end), np.append(heights[inside], height_at_end)
    return float(np.trapezoid(heights, places) / (end - places[0]))


def time_to_threshold(steps: ArrayLike, scores: ArrayLike, threshold: float, *, higher_is_better: bool) -> float:
    """Return the first step at which the curve is at least as good as the threshold; infinite if it never is.

    The step is that of a validation, not interpolated. NaN scores reach nothing.
    """
    places, heights = _curve(steps, scores)
    reached = heights >= threshold if higher_is_better else heights <= threshold
    return float(places[reached.argmax()]) if reached.any() else math.inf


def _curve(steps: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    places, heights = np.array(steps, dtype=np.float64), np.array(scores, dtype=np.float64)
    if places.ndim != 1 or places.shape != heights.shape:
        raise ValueError(f"steps of shape {places.shape}, scores of shape {heights.shape}; allowed: (points,) twice")
    if not (np.diff(places) > 0).all():
        raise ValueError("steps of a curve that do not increase; allowed: strictly increasing")
    return places, heights
