"""The columns of what training draws, behind what a layer reads: masks while it learns, their expectation elsewhere."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from gatelab.language import Variant
from gatelab.language.sizes import DRAWN

__all__ = ["draw_columns", "drawn_of", "expectation", "with_drawn"]


def drawn_of(variant: Variant) -> tuple[str, ...]:
    """Return what of training a variant reads, in the order of its columns."""
    return tuple(name for name in variant.beside if name in DRAWN)


def draw_columns(
    word: str, random: np.random.Generator, rate: float, layers: int, steps: int, batch: int, hidden: int
) -> Tensor:
    """Draw the mask of one word for one batch of one run.

    Args:
        word: of :data:`DRAWN`.
        random: of this run, batch and word.
        rate: probability with which a state is kept (zoneout), or with which a value is dropped.
        layers: each with a mask of its own; a direction counts as one.
        steps, batch, hidden: of the layers.

    Returns:
        (layers, time, batch, hidden): of zoneout 1 with probability ``rate``, else 0; of dropout 0 with probability
        ``rate``, else 1/(1 − rate); of variational dropout the same at all steps of a sequence.
    """
    once = word == "variational_dropout"
    hit = random.random((layers, 1 if once else steps, batch, hidden), dtype=np.float32) < rate
    if word.startswith("zoneout"):
        return torch.from_numpy(hit.astype(np.float32))
    kept = torch.from_numpy((~hit).astype(np.float32) / np.float32(1 - rate))
    return kept.expand(layers, steps, batch, hidden)


def expectation(word: str, rate: float) -> float:
    """Return the mean of a mask, by which an evaluation replaces it."""
    return rate if word.startswith("zoneout") else 1.0


def with_drawn(
    columns: Tensor, variant: Variant, hidden: int, drawn: Tensor | None, expected: Mapping[str, Tensor]
) -> Tensor:
    """Return what a layer reads, with the columns of what training draws behind it.

    Args:
        columns: (time, batch, columns), with a leading run axis if the weights have one.
        variant: of the layer.
        hidden: its units.
        drawn: (time, batch, columns) of all words in their order; None for the expectation.
        expected: word -> its mean, one for each run if there is a run axis.
    """
    words = drawn_of(variant)
    if not words:
        return columns
    if drawn is None:
        means = torch.stack([expected[word].to(columns) for word in words], -1).repeat_interleave(hidden, -1)
        drawn = means[..., None, None, :].expand(*columns.shape[:-1], len(words) * hidden)
    return torch.cat([columns, drawn], -1)
