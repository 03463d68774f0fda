"""Delay: at every step, report the number of a smooth random signal some steps ago.

    input    0.2  0.9  1.3  0.8 -0.1 -0.7        lag 2
    target    -    -   0.2  0.9  1.3  0.8

The signal is a sum of the sines and cosines that fit a whole number of times, up to ``bandwidth`` cycles a step, into
the sequence, with independent normal coefficients: every frequency is equally strong, and the variance is 1. Holding it
takes about 2 · bandwidth · lag numbers. The first ``lag`` steps, whose answer was before the beginning, have no weight.

Signals are jointly normal, so that without memory the best prediction is r x_t, with r the correlation of x_t and
x_{t-lag}, the mean of cos(2π k lag / length) over the frequencies k: the mean squared error is 1 - r²; perfect is 0.

Source: Gu, Johnson, Timalsina, Rudra & Ré 2023, "How to Train Your HiPPO", the task Delay. In its code
(github.com/state-spaces/s4, src/dataloaders/datasets/delay.py) a sequence has 4000 steps, a lag of 1000 and 1/4 of a
cycle a step; the first numbers have the target 0, and the signal is scaled to half the size and moved to start at 0.
Here the defaults have the same proportions at a fortieth of the length.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from gatelab.tasks.losses import Measure, squared_error
from gatelab.tasks.task import Batch, LengthTask

__all__ = ["Delay"]


class Delay(LengthTask):
    """A signal and its past: inputs (time, batch, 1), targets (time, batch, 1)."""

    name: Literal["delay"] = "delay"
    length: int = Field(default=100, ge=2)
    """Time steps of a sequence."""
    lag: int = Field(default=25, ge=1)
    """By how many steps the answer is older than the input."""
    bandwidth: float = Field(default=0.25, gt=0, lt=0.5)
    """The highest frequency of the signal, in cycles a step."""

    input_size: ClassVar[int] = 1
    output_size: ClassVar[int] = 1
    readout: ClassVar[Literal["last", "every"]] = "every"
    loss: ClassVar[Measure] = squared_error
    score: ClassVar[Measure] = squared_error
    score_name: ClassVar[str] = "mean squared error"
    higher_is_better: ClassVar[bool] = False
    chance_meaning: ClassVar[str] = "scaling the present number"
    perfect: ClassVar[float] = 0.0
    source: ClassVar[str] = "Gu, Johnson, Timalsina, Rudra & Ré 2023, task Delay (shorter, of unit variance)"

    @model_validator(mode="after")
    def _something_is_asked(self) -> Self:
        if self.lag >= self.length:
            raise ValueError(f"lag={self.lag} must be less than length={self.length}")
        if self.frequencies < 1:
            raise ValueError(f"bandwidth={self.bandwidth} must be at least 1/{self.length}, one cycle a sequence")
        return self

    @property
    def frequencies(self) -> int:
        """How many frequencies a signal has: 1 … cycles a sequence."""
        # 0.29 · 100 is a little less than 29
        return math.floor(self.bandwidth * self.length + 1e-9)

    @property
    def chance(self) -> float:
        cycles = np.arange(1, self.frequencies + 1) * self.lag / self.length
        return 1 - float(np.cos(2 * np.pi * cycles).mean()) ** 2

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw the coefficients of the signals."""
        spectrum = np.zeros((self.length // 2 + 1, batch_size), np.complex128)
        coefficients = random.standard_normal((2, self.frequencies, batch_size))
        # irfft divides by the length and adds each frequency twice: so the variance is 1
        scale = self.length / (2 * math.sqrt(self.frequencies))
        spectrum[1 : self.frequencies + 1] = scale * (coefficients[0] + 1j * coefficients[1])
        inputs = np.fft.irfft(spectrum, self.length, axis=0).astype(np.float32)[..., None]
        targets = np.zeros_like(inputs)
        targets[self.lag :] = inputs[: -self.lag]
        weights = np.zeros((self.length, batch_size), np.float32)
        weights[self.lag :] = 1
        return Batch(inputs, np.full(batch_size, self.length, np.int64), targets, weights, weights.copy())
