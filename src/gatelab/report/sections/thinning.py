"""Which runs are drawn where there are more than anybody could tell apart."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from gatelab.evidence.collected import EndedRun

__all__ = ["MOST_DRAWN", "drawn_runs", "told"]

MOST_DRAWN = 1000
"""Runs of one drawing."""

_FEWEST = 20  # of one variant


def drawn_runs(runs: Sequence[EndedRun], variants: int, score: Callable[[EndedRun], float]) -> list[EndedRun]:
    """Return the runs to draw of one of several variants, in order: all, or as many as there is room for.

    These are evenly spaced by the rank of their score, the best and the worst among them; runs without a finite score
    rank last.
    """
    most = max(_FEWEST, MOST_DRAWN // max(1, variants))
    if len(runs) <= most:
        return list(runs)
    scores = [score(run) for run in runs]
    ranked = sorted(range(len(runs)), key=lambda place: (not math.isfinite(scores[place]), scores[place], place))
    kept = np.linspace(0, len(runs) - 1, most).round().astype(np.int64)
    return [runs[place] for place in sorted(ranked[rank] for rank in set(kept.tolist()))]


def told(groups: Sequence[Sequence[EndedRun]], drawn: Sequence[Sequence[EndedRun]]) -> str:
    """Return a sentence for the caption, if runs are left out of a drawing."""
    runs, shown = sum(map(len, groups)), sum(map(len, drawn))
    if runs == shown:
        return ""
    return f" Drawn are {shown:,} of {runs:,} runs, evenly spaced by rank; whatever is computed counts all."
