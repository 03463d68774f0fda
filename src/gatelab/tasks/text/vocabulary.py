"""The shared part of characters and words: which symbols have their own class, and the cost of guessing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from gatelab.tasks.sources.byte_arrays import Splits

__all__ = ["frequency_cost", "ranked", "unknown_shares"]


def ranked(counts: Counter[str], most: int) -> list[str]:
    """Return the most frequent symbols, at most so many; of two as frequent the one that sorts first."""
    return sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[:most]


def frequency_cost(splits: Splits, classes: int) -> float:
    """Return the cost of the test targets in nats each, when each class is as probable as it is frequent in training.

    Half a count is added to every class, so that a class without training examples does not cost infinity.
    """
    training, test = (
        np.bincount(part.targets[part.score_weights.astype(bool)], minlength=classes).astype(float)
        for part in (splits.training, splits.test)
    )
    probabilities = (training + 0.5) / (training.sum() + 0.5 * classes)
    return float(-(test * np.log(probabilities)).sum() / test.sum())


def unknown_shares(splits: Splits, vocabulary: int, symbols: str) -> Iterator[str]:
    """Yield a line with the shares of class 0, of unknown symbols, among the targets of each part, if there are any."""
    shares = [float((part.targets == 0)[part.score_weights.astype(bool)].mean()) for part in splits]
    if any(shares):
        training, validation, test = (f"{100 * share:.2g} %" for share in shares)
        yield (
            f"task.vocabulary={vocabulary}: unknown are {training} of the {symbols} of training, {validation} of "
            f"validation and {test} of test; all of them are one class"
        )
