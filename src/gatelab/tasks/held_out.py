"""Held-out sequences beside a fixed training set: those that are in it are left out, and others are drawn.

In some tasks the sequences of a set also differ from each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gatelab.tasks.task import Batch

__all__ = ["digests", "drawn_beside", "repeated"]

_ROUNDS = 100  # draws after which sequences that are not in training are no longer looked for
_IN_VAIN = 1000  # sequences without a new one, after which sequences that differ are no longer looked for


def drawn_beside(draw: Callable[[], Batch], size: int, known: frozenset[bytes], *, differing: bool = False) -> Batch:
    """Return sequences of which none is known; where there are too few others, known ones fill the rest.

    Args:
        draw: draws ``size`` sequences, others at every call.
        size: how many are wanted.
        known: their :func:`digests`.
        differing: whether those that are returned must differ from each other too.
    """
    whole = draw()
    if not known and not differing:
        return whole
    seen = set(known)
    rounds = [_others(whole, seen, differing=differing)]
    in_vain = 0
    while (found := sum(len(part.lengths) for part in rounds)) < size and len(rounds) < _ROUNDS:
        rounds.append(_others(draw(), seen, differing=differing))
        in_vain = 0 if len(rounds[-1].lengths) else in_vain + size
        if differing and in_vain >= _IN_VAIN:
            break
    if found < size:
        rounds.append(whole)
    return _joined(rounds).select(slice(size))


def repeated(parts: Mapping[str, Batch], known: frozenset[bytes], *, differing: bool) -> Iterator[str]:
    """Yield a line for each part that has known sequences, or, where they must differ, one more than once.

    Args:
        parts: validation, test and, where they must differ, the training set, by name.
        known: the :func:`digests` of the training set.
        differing: whether the sequences of a part must differ from each other.
    """
    for part, batch in parts.items():
        found, size = list(digests(batch)), f"{len(batch.lengths):,}"
        if part != "training" and (shared := sum(digest in known for digest in found)):
            yield f"{shared:,} of {size} sequences of {part} are in training too: few others exist"
        if differing and (again := len(found) - len(set(found))):
            yield f"{again:,} of {size} sequences of {part} repeat others of it: few others exist"


def digests(batch: Batch) -> Iterator[bytes]:
    """Yield a hash of each sequence: of its inputs up to its end, and of its targets."""
    for place, length in enumerate(batch.lengths):
        one = batch.select(slice(place, place + 1))
        yield blake2b(one.inputs[:length].tobytes() + one.targets.tobytes(), digest_size=16).digest()


def _others(batch: Batch, seen: set[bytes], *, differing: bool) -> Batch:
    """Return the sequences that were not seen; where they must differ, these are seen from now on."""
    others = []
    for place, digest in enumerate(digests(batch)):
        if digest not in seen:
            others.append(place)
            if differing:
                seen.add(digest)
    return batch.select(np.array(others, np.int64))


def _joined(batches: Sequence[Batch]) -> Batch:
    """Return the sequences of several batches of equal times as one."""
    ends = batches[0].loss_weights.ndim - 1
    axes = (1, 0, ends, ends, ends)
    kind = type(batches[0])
    return kind(*(np.concatenate(parts, axis) for parts, axis in zip(zip(*batches, strict=True), axes, strict=True)))
