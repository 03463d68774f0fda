"""Precise timing: measure the time between spikes, or wait for a given time.

With period F = 3 and delays I of 0 or 1; the spikes are at T(n) = T(n-1) + F + I(n), with T(0) = 0:

    timing_msd   input   0 0 0 1 0 0 0 1 0 0 0 1        measuring spike delays
                 target  - - - 0 - - - 1 - - - 1        I(n) at T(n); no targets in between

    timing_gts   input   0 0 0 0 1 0 0 0 1 0 0 0        generating timed spikes: I(n) at T(n-1) + 1
                 target  0 0 0 1 0 0 0 1 0 0 0 1        a spike at T(n)

A stream has ``length`` steps and as many spikes as fit; all delays 0 … ``longest_delay`` are equally likely. It counts
if all of it is right, as in the paper, whose streams end at the first error: the score is the fraction of such streams.
Perfect is 1. A stream too short for a second spike is the paper's NMSD.

- ``timing_msd``: a measurement is right if it is off by less than 0.49. Without memory all spikes look the same; the
  best is one delay always, and chance the probability that all spikes of a stream have it, found step by step.
- ``timing_gts``: right are logits above 0 for spikes and below for silence (the paper has sigmoids off by less than
  0.49). Without memory no stream is right: at T(1) and at the silent step before, the input is the same.

The paper leaves open when timing_gts gets I(n). It cannot be at the spike T(n-1) itself, where an input other than 0
would reveal that this spike is due.

Source: Gers, Schraudolph & Schmidhuber 2002, "Learning Precise Timing with LSTM Recurrent Networks", where F is 10
and more, and streams have up to 100 spikes in training and 1000 in test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gatelab.tasks.chosen_loss import SetTask
from gatelab.tasks.losses import Measure, set_accuracy, so_far, squared_error, within
from gatelab.tasks.task import Batch, LengthTask

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SpikeStream", "TimingGts", "TimingMsd"]

_TOLERANCE = 0.49  # a measurement is right if it is off by less
_NOT_ASKED = -1.0  # a target that no delay has


class SpikeStream(LengthTask):
    """The shared part of both: inputs (time, batch, 1), targets (time, batch, 1)."""

    length: int = Field(default=110, ge=3)
    """Time steps of a stream."""
    period: int = Field(default=10, ge=2)
    """F of the paper: the fewest steps from one spike to the next."""
    longest_delay: int = Field(default=1, ge=1)
    """The most steps that are added to the period."""

    input_size: ClassVar[int] = 1
    output_size: ClassVar[int] = 1
    readout: ClassVar[Literal["last", "every"]] = "every"
    score_name: ClassVar[str] = "fraction of streams without an error"
    higher_is_better: ClassVar[bool] = True
    perfect: ClassVar[float] = 1.0

    @model_validator(mode="after")
    def _a_spike_fits(self) -> Self:
        fewest = self.period + self.longest_delay + 1
        if self.length < fewest:
            raise ValueError(
                f"length={self.length} must be at least {fewest} "
                f"for a spike with period={self.period} and longest_delay={self.longest_delay}"
            )
        return self

    def draw_spikes(self, random: np.random.Generator, batch_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw delays and the times of their spikes, both (spikes, batch); some spikes are after the end."""
        most = self.length // self.period + 1
        delays = random.integers(0, self.longest_delay + 1, (most, batch_size))
        return delays, (self.period + delays).cumsum(0)

    def at(self, times: NDArray[np.int64], values: NDArray[np.int64] | int, elsewhere: float) -> NDArray[np.float32]:
        """Return (time, batch, 1) with values at their (…, batch) times, as far as these are within the stream."""
        result = np.full((self.length, times.shape[1], 1), elsewhere, np.float32)
        spike, sequence = np.nonzero(times < self.length)
        result[times[spike, sequence], sequence, 0] = np.broadcast_to(values, times.shape)[spike, sequence]
        return result

    def batch(
        self, inputs: NDArray[np.float32], targets: NDArray[np.float32], loss_weights: NDArray[np.float32]
    ) -> Batch:
        """Return a batch whose streams are judged at their last step."""
        score_weights = np.zeros(inputs.shape[:2], np.float32)
        score_weights[-1] = 1
        lengths = np.full(inputs.shape[1], self.length, np.int64)
        return Batch(inputs, lengths, targets, loss_weights, score_weights)


class TimingMsd(SpikeStream):
    """Measuring spike delays."""

    name: Literal["timing_msd"] = "timing_msd"

    loss: ClassVar[Measure] = squared_error
    chance_meaning: ClassVar[str] = "predicting one delay always"
    source: ClassVar[str] = "Gers, Schraudolph & Schmidhuber 2002, task MSD"

    @property
    def chance(self) -> float:
        return max(self._all_equal(delay) for delay in range(self.longest_delay + 1))

    def _all_equal(self, delay: int) -> float:
        """Return the probability that all spikes of a stream have one delay.

        With p(t) that of no other delay after a spike at t, p(t) = (p(t + F + delay) + how many of the other delays
        lead beyond the end) / (how many delays), and 1 beyond the end.
        """
        others = [other for other in range(self.longest_delay + 1) if other != delay]
        p = dict.fromkeys(range(self.length, self.length + self.period + delay), 1.0)
        for time in reversed(range(self.length)):
            beyond = sum(time + self.period + other >= self.length for other in others)
            p[time] = (p[time + self.period + delay] + beyond) / (self.longest_delay + 1)
        return p[0]

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw the spikes."""
        delays, times = self.draw_spikes(random, batch_size)
        inputs = self.at(times, 1, 0)
        return self.batch(inputs, self.at(times, delays, _NOT_ASKED), inputs[..., 0].copy())

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        asked = (targets.squeeze(-1) != _NOT_ASKED).to(outputs.dtype)
        return so_far(1 - asked * (1 - within(outputs, targets, _TOLERANCE)))


class TimingGts(SetTask, SpikeStream):
    """Generating timed spikes."""

    name: Literal["timing_gts"] = "timing_gts"

    chance: ClassVar[float] = 0.0
    chance_meaning: ClassVar[str] = "silence"
    source: ClassVar[str] = "Gers, Schraudolph & Schmidhuber 2002, task GTS"

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw the delays."""
        delays, times = self.draw_spikes(random, batch_size)
        told = times - self.period - delays + 1
        weights = np.ones((self.length, batch_size), np.float32)
        return self.batch(self.at(told, delays, 0), self.at(times, 1, 0), weights)

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return so_far(set_accuracy(outputs, targets))
