"""Finite tasks whose data are kept in their stored type, mostly bytes, and converted batch by batch."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatelab.tasks.finite_task import FiniteTask
from gatelab.tasks.task import Batch

__all__ = ["PackedTask", "Splits", "cut", "pad"]


class Splits(NamedTuple):
    """The three parts of the data, each as one packed batch."""

    training: Batch
    validation: Batch
    test: Batch


class PackedTask(FiniteTask):
    """A finite task that defines how its data are read and how a packed batch is unpacked.

    One-hot inputs of text8 would fill 10 GB, and the training tunes of MuseData more than 1 GB; packed they take a
    thirtieth and a quarter of that.
    """

    @abstractmethod
    def splits(self) -> Splits:
        """Return the three parts, packed; read once and kept."""

    @abstractmethod
    def unpack(self, packed: Batch) -> Batch: ...

    def packed_training(self) -> Batch:
        return self.splits().training

    def training(self) -> Batch:
        return self.unpack(self.splits().training)

    def validation(self) -> Batch:
        return self.unpack(self.packed_validation())

    def test(self) -> Batch:
        return self.unpack(self.packed_test())

    def packed_validation(self) -> Batch:
        return self.splits().validation

    def packed_test(self) -> Batch:
        return self.splits().test


def pad(rows: list[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.bool_]]:
    """Return rows (length, …) side by side, zero after the end of each: (time, rows, …), lengths, mask (time, rows)."""
    lengths = np.array([len(row) for row in rows], np.int64)
    padded = np.zeros((int(lengths.max()), len(rows), *rows[0].shape[1:]), rows[0].dtype)
    for index, row in enumerate(rows):
        padded[: len(row), index] = row
    return padded, lengths, np.arange(len(padded))[:, None] < lengths


def cut(symbols: NDArray[Any], length: int) -> Batch:
    """Return a text as pieces of ``length`` symbols, each with the symbols that follow as its targets, packed.

    Every symbol but the first is a target once; the last piece may be shorter. With length 3:

        text      a b c d e f g h
        inputs    a b c   d e f   g
        targets   b c d   e f g   h
    """
    predicted = len(symbols) - 1
    pieces = -(-predicted // length)
    steps = min(length, predicted)
    inputs, targets, mask = (np.zeros(pieces * steps, kind) for kind in (symbols.dtype, symbols.dtype, np.bool_))
    inputs[:predicted], targets[:predicted], mask[:predicted] = symbols[:-1], symbols[1:], True
    lengths = np.full(pieces, steps, np.int64)
    lengths[-1] = predicted - (pieces - 1) * steps
    # one piece after the other, seen as (time, pieces): time runs fastest in memory, as in the text
    by_time = [array.reshape(pieces, steps).T for array in (inputs, targets, mask)]
    weights: NDArray[Any] = by_time[2]
    return Batch(by_time[0], lengths, by_time[1], weights, weights)
