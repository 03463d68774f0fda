"""Held-out sequences beside a fixed training set: those that are in it are left out, and others are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gatelab.tasks.task import Batch

__all__ = ["digests", "drawn_beside"]

_ROUNDS = 100  # draws after which sequences that are not in training are no longer looked for


def drawn_beside(draw: Callable[[], Batch], size: int, known: frozenset[bytes]) -> Batch:
    """Return sequences of which none is known; where there are too few others, known ones fill the rest.

    Args:
        draw: draws ``size`` sequences, others at every call.
        size: how many are wanted.
        known: their :func:`digests`.
    """
    whole = draw()
    if not known:
        return whole
    rounds = [_others(whole, known)]
    while (found := sum(len(part.lengths) for part in rounds)) < size and len(rounds) < _ROUNDS:
        rounds.append(_others(draw(), known))
    if found < size:
        rounds.append(whole)
    return _joined(rounds).select(slice(size))


def digests(batch: Batch) -> Iterator[bytes]:
    """Yield a hash of each sequence: of its inputs up to its end, and of its targets."""
    for place, length in enumerate(batch.lengths):
        one = batch.select(slice(place, place + 1))
        yield blake2b(one.inputs[:length].tobytes() + one.targets.tobytes(), digest_size=16).digest()


def _others(batch: Batch, known: frozenset[bytes]) -> Batch:
    return batch.select(np.array([digest not in known for digest in digests(batch)]).nonzero()[0])


def _joined(batches: Sequence[Batch]) -> Batch:
    """Return the sequences of several batches of equal times as one."""
    ends = batches[0].loss_weights.ndim - 1
    axes = (1, 0, ends, ends, ends)
    kind = type(batches[0])
    return kind(*(np.concatenate(parts, axis) for parts, axis in zip(zip(*batches, strict=True), axes, strict=True)))
