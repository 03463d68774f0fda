"""Adding problem: report the sum of the two marked numbers.

    input   0.3  0.9  0.1  0.7  0.4
    mark     0    1    0    0    1
    target                     0.9 + 0.4 = 1.3

The numbers are uniform in [0, 1); one mark lies in each half of the sequence. Predicting 1 always gives a mean
squared error of 1/6 = 0.167, the variance of the sum; perfect is 0. Source: Hochreiter & Schmidhuber 1997, "Long
Short-Term Memory"; this form: Arjovsky, Shah & Bengio 2016, "Unitary Evolution Recurrent Neural Networks",
section 5.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from gatelab.tasks.measures import squared_error
from gatelab.tasks.task import Batch, LengthTask

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Adding"]


class Adding(LengthTask):
    """The adding problem: inputs (time, batch, 2) = number and mark, targets (batch, 1) = the sum."""

    name: Literal["adding"] = "adding"
    length: int = Field(default=100, ge=2)
    """Time steps of a sequence."""

    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 1
    readout: ClassVar[Literal["last", "every"]] = "last"
    loss_name: ClassVar[str] = "mean squared error"
    score_name: ClassVar[str] = "mean squared error"
    higher_is_better: ClassVar[bool] = False
    chance: ClassVar[float] = 1 / 6
    chance_meaning: ClassVar[str] = "predicting 1 always"
    perfect: ClassVar[float] = 0.0
    source: ClassVar[str] = "Arjovsky, Shah & Bengio 2016, section 5.2 (after Hochreiter & Schmidhuber 1997)"

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw numbers for every step and one mark in each half."""
        half, sequence = self.length // 2, np.arange(batch_size)
        inputs = np.zeros((self.length, batch_size, 2), np.float32)
        inputs[:, :, 0] = random.random((self.length, batch_size), np.float32)
        first = random.integers(0, half, batch_size)
        second = random.integers(half, self.length, batch_size)
        inputs[first, sequence, 1] = 1
        inputs[second, sequence, 1] = 1
        targets = inputs[first, sequence, :1] + inputs[second, sequence, :1]
        weights = np.ones(batch_size, np.float32)
        return Batch(inputs, np.full(batch_size, self.length, np.int64), targets, weights, weights.copy())

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return squared_error(outputs, targets)

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return squared_error(outputs, targets)
