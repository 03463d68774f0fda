"""Periodic function generation: after a start signal, generate a periodic function without input.

    input    1  0  0  0  0  0  0  0  0  0 …        cos φ at the first step; a second channel has sin φ; here φ = 0
    target  .0 .1 .3 .7 .9  1 .9 .7 .3 .1 …        (1 - cos(2π t / F)) / 2 with the period F = 10

The function of x = t + F φ / 2π, taken modulo F, is (1 - cos(2π x / F)) / 2 (``cosine``), 2x/F up to F/2 and 2 - 2x/F
from there (``triangle``), or 1 where x > F/2, else 0 (``rectangle``). The phase φ is 0 (``zero``), or uniform between 0
and 2π (``random``): then the first input gives it. With phase zero there is only one sequence, as in the paper, which
has no input: validation and test have the sequence of training, and measure how exactly it is generated.

The loss counts every step, the score, the mean squared error, all but the first. Without memory the best is a constant:
chance is the variance of the function, 1/8, 1/12 or 1/4 over all phases (computed from its values for phase zero).
Perfect is 0. The paper gives root mean squared errors, and counts a stream as right if no step is off by 0.3.

Source: Gers, Schraudolph & Schmidhuber 2002, "Learning Precise Timing with LSTM Recurrent Networks", task PFG, with
F = 10 and 25.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gatelab.tasks.losses import Measure, squared_error
from gatelab.tasks.task import Batch, LengthTask

__all__ = ["TimingPfg"]


class TimingPfg(LengthTask):
    """Periodic function generation: inputs (time, batch, 2), targets (time, batch, 1)."""

    name: Literal["timing_pfg"] = "timing_pfg"
    length: int = Field(default=100, ge=2)
    """Time steps of a sequence."""
    shape: Literal["cosine", "triangle", "rectangle"] = "cosine"
    """The periodic function."""
    period: int = Field(default=10, ge=2)
    """F of the paper, in time steps."""
    phase: Literal["zero", "random"] = "zero"
    """The start of the function within its period."""

    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 1
    readout: ClassVar[Literal["last", "every"]] = "every"
    loss: ClassVar[Measure] = squared_error
    score: ClassVar[Measure] = squared_error
    score_name: ClassVar[str] = "mean squared error"
    higher_is_better: ClassVar[bool] = False
    chance_meaning: ClassVar[str] = "predicting the mean always"
    perfect: ClassVar[float] = 0.0
    source: ClassVar[str] = "Gers, Schraudolph & Schmidhuber 2002, task PFG"

    @property
    def chance(self) -> float:
        if self.phase == "random":
            return {"cosine": 1 / 8, "triangle": 1 / 12, "rectangle": 1 / 4}[self.shape]
        return float(self.function(np.arange(1.0, self.length)).var())

    def function(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the periodic function with phase zero at some times, in steps."""
        x = time % self.period / self.period
        if self.shape == "cosine":
            return (1 - np.cos(2 * np.pi * x)) / 2
        if self.shape == "triangle":
            return 1 - np.abs(1 - 2 * x)
        return (x > 0.5).astype(np.float64)

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw the phases, if they are random."""
        phases = random.random(batch_size) if self.phase == "random" else np.zeros(batch_size)
        inputs = np.zeros((self.length, batch_size, 2), np.float32)
        inputs[0] = np.stack([np.cos(2 * np.pi * phases), np.sin(2 * np.pi * phases)], -1)
        times = np.arange(self.length)[:, None] + self.period * phases
        targets = self.function(times).astype(np.float32)[..., None]
        loss_weights, score_weights = np.ones((2, self.length, batch_size), np.float32)
        score_weights[0] = 0
        return Batch(inputs, np.full(batch_size, self.length, np.int64), targets, loss_weights, score_weights)
