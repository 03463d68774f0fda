"""Two-sequence problem: which of two classes, given by the first numbers and followed by noise.

    input    1.0  1.0  1.0  0.3 -0.6  0.2 … -0.4       N = 3 numbers of class 1, then noise
    target                                   1         0 for class 2, whose first numbers are -1

A sequence has T to T + T/10 steps, each length equally likely. The noise has mean 0 and variance 0.2. Three forms:

- ``two_sequence_a``: as drawn above; right is an output off by less than 0.2.
- ``two_sequence_b``: the noise is added to the first N numbers too. Even the best prediction, the sign of their sum, is
  then wrong in a fraction Φ(-sqrt(N / 0.2)) of the sequences: 5e-5 for N = 3, 0.013 for N = 1.
- ``two_sequence_c``: the targets are 0.2 for class 1 and 0.8 for class 2, and noise of variance 0.1 is added to the
  targets in training: the network should learn their expectation. Right is an output off by less than 0.1 from
  the target without its noise. The loss keeps the noise in every split, and so cannot fall below 0.1.

The score is the fraction of right sequences; without memory one class is as good as the other: 1/2. Source: Hochreiter
& Schmidhuber 1997, "Long Short-Term Memory", experiments 3a, 3b and 3c (section 5.3), after Bengio, Simard & Frasconi
1994. That paper states that random weights guess 3a and 3b quickly: only 3c distinguishes networks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from gatelab.tasks.chosen_loss import NumberTask
from gatelab.tasks.losses import within
from gatelab.tasks.task import Batch, LengthTask

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TwoSequence", "TwoSequenceA", "TwoSequenceB", "TwoSequenceC"]

_NOISE = 0.2  # variance of the inputs without information
_TARGET_NOISE = 0.1  # variance


class TwoSequence(NumberTask, LengthTask):
    """The shared part of all forms: inputs (time, batch, 1); targets (batch, 2) = for training, for scoring."""

    length: int = Field(default=100, ge=2)
    """T: a sequence has T to T + T/10 time steps."""
    informative: int = Field(default=3, ge=1)
    """N: how many numbers at the beginning show the class; the paper has 1 and 3."""

    class_targets: ClassVar[tuple[float, float]] = (1.0, 0.0)
    """Targets of class 1 and class 2."""
    tolerance: ClassVar[float] = 0.2
    """An output is right if it is off by less."""
    signal_noise: ClassVar[float] = 0.0
    """Variance of the noise on the numbers that show the class."""
    target_noise: ClassVar[float] = 0.0
    """Variance of the noise on the training targets."""

    input_size: ClassVar[int] = 1
    output_size: ClassVar[int] = 1
    readout: ClassVar[Literal["last", "every"]] = "last"
    higher_is_better: ClassVar[bool] = True
    chance: ClassVar[float] = 0.5
    chance_meaning: ClassVar[str] = "predicting one class always"

    @model_validator(mode="after")
    def _the_class_is_told(self) -> Self:
        if self.informative > self.length:
            raise ValueError(f"informative={self.informative} must be at most length={self.length}")
        return self

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw classes, lengths and noise."""
        longest = self.length + self.length // 10
        first_class = random.integers(0, 2, batch_size) == 0
        lengths = random.integers(self.length, longest + 1, batch_size)
        noise = random.standard_normal((longest, batch_size), np.float32)
        inputs = np.float32(math.sqrt(_NOISE)) * noise
        inputs[: self.informative] = np.where(first_class, 1, -1)
        inputs[: self.informative] += np.float32(math.sqrt(self.signal_noise)) * noise[: self.informative]
        inputs[np.arange(longest)[:, None] >= lengths] = 0
        judged = np.where(first_class, *map(np.float32, self.class_targets))
        trained_on = judged + np.float32(math.sqrt(self.target_noise)) * random.standard_normal(batch_size, np.float32)
        weights = np.ones(batch_size, np.float32)
        return Batch(inputs[..., None], lengths, np.stack([trained_on, judged], -1), weights, weights.copy())

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.measured_loss(outputs, targets[..., :1])

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return within(self.squashed(outputs), targets[..., 1:], self.tolerance)


class TwoSequenceA(TwoSequence):
    """The two-sequence problem: the first numbers are exactly 1 or -1."""

    name: Literal["two_sequence_a"] = "two_sequence_a"

    score_name: ClassVar[str] = "fraction off by less than 0.2"
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, experiment 3a (after Bengio, Simard & Frasconi 1994)"


class TwoSequenceB(TwoSequence):
    """The two-sequence problem with noise on the first numbers too."""

    name: Literal["two_sequence_b"] = "two_sequence_b"

    signal_noise: ClassVar[float] = _NOISE
    score_name: ClassVar[str] = "fraction off by less than 0.2"
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, experiment 3b"

    @property
    def perfect(self) -> float:
        """Φ(sqrt(N / 0.2)): the sum of N informative numbers has the mean ±N and the variance 0.2 N."""
        return (1 + math.erf(math.sqrt(self.informative / (2 * self.signal_noise)))) / 2


class TwoSequenceC(TwoSequence):
    """The two-sequence problem with noisy targets, whose expectations are to be learnt."""

    name: Literal["two_sequence_c"] = "two_sequence_c"

    class_targets: ClassVar[tuple[float, float]] = (0.2, 0.8)
    tolerance: ClassVar[float] = 0.1
    target_noise: ClassVar[float] = _TARGET_NOISE
    score_name: ClassVar[str] = "fraction off by less than 0.1"
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, experiment 3c"
