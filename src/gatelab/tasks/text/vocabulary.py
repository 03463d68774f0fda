"""What texts of characters and of words share: which symbols have a class of their own, and what guessing costs."""

from __future__ import annotations

from collections import Counter

import numpy as np

from gatelab.tasks.sources.byte_arrays import Splits

__all__ = ["frequency_cost", "ranked"]


def ranked(counts: Counter[str], most: int) -> list[str]:
    """Return the most frequent symbols, at most so many; of two as frequent the one that sorts first."""
    return sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[:most]


def frequency_cost(splits: Splits, classes: int) -> float:
    """Return the cost of the test targets in nats each, when each class is as probable as it is frequent in training.

    Half a count is added to every class, so that one that training never shows does not cost infinity.
    """
    training, test = (
        np.bincount(part.targets[part.score_weights.astype(bool)], minlength=classes).astype(float)
        for part in (splits.training, splits.test)
    )
    probabilities = (training + 0.5) / (training.sum() + 0.5 * classes)
    return float(-(test * np.log(probabilities)).sum() / test.sum())
