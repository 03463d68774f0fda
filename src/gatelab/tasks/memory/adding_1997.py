"""Adding and multiplying as in 1997: combine two early numbers at an end that is not known beforehand.

    input   0.3  -0.9   0.1   0.7   0.4   0.2
    mark    -1     0     1     1     0    -1
    target                         0.5 + (0.1 + 0.7) / 4 = 0.7      adding_hs97
                                                0.1 · 0.7 = 0.07    multiplication, whose numbers are not negative

A sequence has T to T + T/10 steps, each length equally likely. The first marked pair X1 is one of the first ten, the
second, X2, one of the first T/2 - 1 pairs that are still unmarked; the first and the last pair of the sequence have the
mark -1. If the draw falls on the first pair, its mark stays -1 and its number counts as 0 in the sum, as 1 in the
product: the paper states this for X1, and here it is done for X2 too, because the mark is the same.

A sequence is right if the output is off by less than 0.04, and the score is the fraction of right sequences. Without
memory the best is a constant c: right are the targets in an interval of width 0.08. With the probability q that a draw
fell on the first pair, and so one number X alone counts:

- sum: c = 1/2. P(abs(X1 + X2) < s) = s - s²/4 and P(abs(X) < s) = s for numbers uniform in [-1, 1], with s = 4 · 0.04.
- product: c = 0.04, as its density falls. P(X1 X2 < s) = s (1 - ln s) and P(X < s) = s for numbers uniform in [0, 1],
  with s = 2 · 0.04.

Source: Hochreiter & Schmidhuber 1997, "Long Short-Term Memory", experiments 4 and 5 (sections 5.4 and 5.5). The forms
of later papers are in adding.py.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gatelab.tasks.chosen_loss import NumberTask
from gatelab.tasks.losses import within
from gatelab.tasks.task import Batch, LengthTask

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AddingHs97", "MarkedPairs", "Multiplication"]

_FIRST_MARKS = 10  # the first mark is in one of these first pairs
_TOLERANCE = 0.04  # a sequence is right if its output differs by less


class MarkedPairs(NumberTask, LengthTask):
    """The shared part of both: inputs (time, batch, 2) = number and mark, targets (batch, 1)."""

    length: int = Field(default=100, ge=2 * _FIRST_MARKS)
    """T: a sequence has T to T + T/10 time steps."""

    lowest: ClassVar[float]
    """Numbers are uniform from here to 1."""
    uncounted: ClassVar[float]
    """The value of the first pair's number if the draw falls on it."""

    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 1
    readout: ClassVar[Literal["last", "every"]] = "last"
    score_name: ClassVar[str] = "fraction off by less than 0.04"
    higher_is_better: ClassVar[bool] = True
    perfect: ClassVar[float] = 1.0

    @property
    def second_marks(self) -> int:
        """T/2 - 1, how many unmarked pairs the second mark can be in."""
        return self.length // 2 - 1

    @property
    def one_number_alone(self) -> float:
        """The probability that one of the marks fell on the first pair."""
        return 1 / _FIRST_MARKS + (1 - 1 / _FIRST_MARKS) / self.second_marks

    @abstractmethod
    def combine(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the targets of X1 and X2: (batch,) and (batch,) give (batch,)."""

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw lengths, numbers and the two marks."""
        longest, sequence = self.length + self.length // 10, np.arange(batch_size)
        lengths = random.integers(self.length, longest + 1, batch_size)
        first = random.integers(0, _FIRST_MARKS, batch_size)
        # one of the pairs that are still unmarked: those from the first mark on move up by one
        second = random.integers(0, self.second_marks, batch_size)
        second += second >= first
        inputs = np.zeros((longest, batch_size, 2), np.float32)
        numbers = self.lowest + (1 - self.lowest) * random.random((longest, batch_size), np.float32)
        inputs[..., 0] = np.where(np.arange(longest)[:, None] < lengths, numbers, 0)
        inputs[first, sequence, 1] = 1
        inputs[second, sequence, 1] = 1
        inputs[0, :, 1] = -1
        inputs[lengths - 1, sequence, 1] = -1
        uncounted = np.float32(self.uncounted)
        one, other = (np.where(step > 0, numbers[step, sequence], uncounted) for step in (first, second))
        targets = self.combine(one, other)[:, None]
        weights = np.ones(batch_size, np.float32)
        return Batch(inputs, lengths, targets, weights, weights.copy())

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return within(self.squashed(outputs), targets, _TOLERANCE)


class AddingHs97(MarkedPairs):
    """The adding problem of 1997: the target is 1/2 + (X1 + X2)/4, of numbers uniform in [-1, 1)."""

    name: Literal["adding_hs97"] = "adding_hs97"

    lowest: ClassVar[float] = -1.0
    uncounted: ClassVar[float] = 0.0
    chance_meaning: ClassVar[str] = "predicting 1/2 always"
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, experiment 4"

    @property
    def chance(self) -> float:
        alone, reach = self.one_number_alone, 4 * _TOLERANCE
        return (1 - alone) * (reach - reach**2 / 4) + alone * reach

    def combine(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.float32(0.5) + (one + other) / np.float32(4)


class Multiplication(MarkedPairs):
    """The multiplication problem: the target is X1 · X2, of numbers uniform in [0, 1)."""

    name: Literal["multiplication"] = "multiplication"

    lowest: ClassVar[float] = 0.0
    uncounted: ClassVar[float] = 1.0
    chance_meaning: ClassVar[str] = "predicting 0.04 always"
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, experiment 5"

    @property
    def chance(self) -> float:
        alone, reach = self.one_number_alone, 2 * _TOLERANCE
        return (1 - alone) * reach * (1 - math.log(reach)) + alone * reach

    def combine(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
        return one * other
