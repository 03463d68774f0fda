"""Adding problem: report the sum of the two marked numbers.

    input   0.3  0.9  0.1  0.7  0.4
    mark     0    1    0    0    1
    target                     0.9 + 0.4 = 1.3

The numbers are uniform in [0, 1). Predicting 1 always gives a mean squared error of 1/6 = 0.167, the variance of the
sum; perfect is 0. Two forms differ in the places of the marks:

- ``adding``: one mark in each half of the sequence. Source: Arjovsky, Shah & Bengio 2016, "Unitary Evolution Recurrent
  Neural Networks", section 5.2.
- ``adding_tcn``: two different steps anywhere, each pair equally likely. Source: Bai, Kolter & Koltun 2018, "An
  Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence Modeling", and its code,
  github.com/locuslab/TCN, TCN/adding_problem/utils.py, which has 50,000 fixed training sequences
  (``training_size=50000``).

The problem was posed by Hochreiter & Schmidhuber 1997; their form, with numbers in [-1, 1], early marks and sequences
of different lengths, is ``adding_hs97`` in adding_1997.py.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gatelab.tasks.losses import Measure, squared_error
from gatelab.tasks.streams import Random
from gatelab.tasks.task import Batch, LengthTask

__all__ = ["Adding", "AddingProblem", "AddingTcn"]


class AddingProblem(LengthTask):
    """The shared part of all forms: inputs (time, batch, 2) = number and mark, targets (batch, 1) = the sum."""

    length: int = Field(default=100, ge=2)
    """Time steps of a sequence."""

    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 1
    readout: ClassVar[Literal["last", "every"]] = "last"
    loss: ClassVar[Measure] = squared_error
    score: ClassVar[Measure] = squared_error
    score_name: ClassVar[str] = "mean squared error"
    higher_is_better: ClassVar[bool] = False
    chance: ClassVar[float] = 1 / 6
    chance_meaning: ClassVar[str] = "predicting 1 always"
    perfect: ClassVar[float] = 0.0
    draws_many: ClassVar[bool] = True

    @abstractmethod
    def draw_marks(self, random: Random, batch_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw the two marked steps of each sequence: (batch,) and (batch,), nowhere equal."""

    def draw(self, random: Random, batch_size: int) -> Batch:
        """Draw numbers for every step and two marks."""
        numbers = random.random((self.length, batch_size), np.float32)
        first, second = (marks[..., None, :] for marks in self.draw_marks(random, batch_size))
        inputs = np.zeros((*numbers.shape, 2), np.float32)
        inputs[..., 0] = numbers
        for marks in (first, second):
            np.put_along_axis(inputs[..., 1], marks, 1, -2)
        added = np.take_along_axis(numbers, first, -2) + np.take_along_axis(numbers, second, -2)
        targets = np.ascontiguousarray(added.swapaxes(-1, -2))
        weights = np.ones(targets.shape[:-1], np.float32)
        return Batch(inputs, np.full(weights.shape, self.length, np.int64), targets, weights, weights.copy())


class Adding(AddingProblem):
    """The adding problem with one mark in each half."""

    name: Literal["adding"] = "adding"

    source: ClassVar[str] = "Arjovsky, Shah & Bengio 2016, section 5.2 (after Hochreiter & Schmidhuber 1997)"

    def draw_marks(self, random: Random, batch_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        half = self.length // 2
        return random.integers(0, half, batch_size), random.integers(half, self.length, batch_size)


class AddingTcn(AddingProblem):
    """The adding problem with two different marked steps anywhere."""

    name: Literal["adding_tcn"] = "adding_tcn"
    length: int = Field(default=200, ge=2)
    """Time steps of a sequence; the paper has 200, 400 and 600."""

    source: ClassVar[str] = "Bai, Kolter & Koltun 2018 (after Hochreiter & Schmidhuber 1997)"

    def draw_marks(self, random: Random, batch_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first = random.integers(0, self.length, batch_size)
        # one of the others: those from the first on move up by one
        second = random.integers(0, self.length - 1, batch_size)
        return first, second + (second >= first)
