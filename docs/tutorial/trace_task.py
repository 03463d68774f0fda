"""The task of the tutorial: a running sum that fades, and begins anew where a flag says so.

    number   0.3  -0.8   0.5   0.2  -0.4
    flag      0     0     1     0     0
    target   0.3  -0.5   0.5   0.7   0.3       (nothing fades, and the scale is left out)

A cell c = f*c + u does this if f is the fading while the flag is 0, and 0 where it is 1. So what a forget gate should
learn is known.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from gatelab.tasks import Batch, GeneratedTask
from gatelab.tasks.losses import Measure, squared_error

SIZE = 0.25
"""Of the numbers where nothing fades; else such that targets vary as much whatever the fading."""


class Trace(GeneratedTask):
    """Inputs (time, batch, 2) = number and flag, targets (time, batch, 1) = the sum so far, at every step."""

    length: int = Field(default=40, ge=1)
    """Time steps of a sequence."""
    decay: float = Field(default=1.0, gt=0, le=1)
    """What is left of the sum after a step: its pole."""
    resets: float = Field(default=0.125, ge=0, lt=1)
    """The probability of a flag at each step."""

    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 1
    readout: ClassVar[Literal["last", "every"]] = "every"
    loss: ClassVar[Measure] = squared_error
    score: ClassVar[Measure] = squared_error
    score_name: ClassVar[str] = "mean squared error"
    higher_is_better: ClassVar[bool] = False
    chance_meaning: ClassVar[str] = "predicting 0 always"
    perfect: ClassVar[float] = 0.0
    source: ClassVar[str] = "made up for the tutorial"
    version: ClassVar[str] = "1"

    @property
    def size(self) -> float:
        """The largest number."""
        return SIZE if self.decay == 1 else (1 - self.decay**2) ** 0.5

    @property
    def chance(self) -> float:
        """The mean square of the targets."""
        of_number, kept = self.size**2 / 3, (1 - self.resets) * self.decay**2
        variance = total = 0.0
        for _ in range(self.length):
            variance = kept * variance + of_number
            total += variance
        return total / self.length

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw numbers and flags, and add up."""
        shape = (self.length, batch_size)
        numbers = self.size * random.uniform(-1, 1, shape)
        flags = random.random(shape) < self.resets
        targets = np.zeros((*shape, 1), np.float32)
        before = np.zeros(batch_size)
        for step in range(self.length):
            before = self.decay * np.where(flags[step], 0, before) + numbers[step]
            targets[step, :, 0] = before
        inputs = np.stack([numbers, flags], -1).astype(np.float32)
        weights = np.ones(shape, np.float32)
        return Batch(inputs, np.full(batch_size, self.length, np.int64), targets, weights, weights.copy())
