"""Temporal order: in which order did the few relevant symbols come, among many others.

    input   E c a X b b d a … c Y d a a … b c B        T = 100: X or Y at one of the steps 10 to 20, and 50 to 60
    target                                    XY

A sequence begins with E, ends with B and has T to T + T/10 steps, each length equally likely. Everything else is drawn
from a, b, c, d, but for two (``temporal_order_2``, four classes) or three (``temporal_order_3``, eight classes) symbols
X or Y. For T = 100 these lie at the steps 10 to 20 and 50 to 60, or 10 to 20, 33 to 43 and 66 to 76, counted from 0
at the E, which the paper leaves open; for another T at the same fractions of it. Without memory one class is as good
as another: accuracy 1/4 or 1/8; perfect is 1.

Source: Hochreiter & Schmidhuber 1997, "Long Short-Term Memory", experiments 6a and 6b (section 5.6). Their outputs are
sigmoids trained on the squared error, and right if each is off by less than 0.3; here a softmax is trained on the
cross-entropy, and the greatest output counts.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from gatelab.tasks.chosen_loss import ClassTask
from gatelab.tasks.losses import Measure, accuracy
from gatelab.tasks.task import Batch, LengthTask

__all__ = ["TemporalOrder", "TemporalOrder2", "TemporalOrder3"]

# the symbols a, b, c, d are 0 to 3
_OTHERS, _X, _START, _END, _SYMBOLS = 4, 4, 6, 7, 8  # Y is X + 1


class TemporalOrder(ClassTask, LengthTask):
    """The shared part of both: inputs (time, batch, 8) one-hot in the order a b c d X Y E B, targets (batch,) classes.

    The class reads the relevant symbols as a binary number, the earliest first, X as 0 and Y as 1.
    """

    length: int = Field(default=100, ge=10)
    """T: a sequence has T to T + T/10 time steps."""

    windows: ClassVar[tuple[tuple[int, int], ...]]
    """First and last step at which each relevant symbol can be, in hundredths of the length."""

    input_size: ClassVar[int] = _SYMBOLS
    readout: ClassVar[Literal["last", "every"]] = "last"
    score: ClassVar[Measure] = accuracy
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    chance_meaning: ClassVar[str] = "predicting one class always"
    perfect: ClassVar[float] = 1.0

    @property
    def output_size(self) -> int:
        return 2 ** len(self.windows)

    @property
    def chance(self) -> float:
        return 1 / self.output_size

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw lengths, the other symbols, and the relevant ones with their steps."""
        longest, sequence = self.length + self.length // 10, np.arange(batch_size)
        lengths = random.integers(self.length, longest + 1, batch_size)
        symbols = random.integers(0, _OTHERS, (longest, batch_size))
        symbols[0] = _START
        classes = np.zeros(batch_size, np.int64)
        for window in self.windows:
            first, last = (self.length * hundredths // 100 for hundredths in window)
            is_y = random.integers(0, 2, batch_size)
            symbols[random.integers(first, last + 1, batch_size), sequence] = _X + is_y
            classes = 2 * classes + is_y
        symbols[lengths - 1, sequence] = _END
        inputs = np.eye(_SYMBOLS, dtype=np.float32)[symbols]
        inputs[np.arange(longest)[:, None] >= lengths] = 0
        weights = np.ones(batch_size, np.float32)
        return Batch(inputs, lengths, classes, weights, weights.copy())


class TemporalOrder2(TemporalOrder):
    """The order of two relevant symbols."""

    name: Literal["temporal_order_2"] = "temporal_order_2"

    windows: ClassVar[tuple[tuple[int, int], ...]] = ((10, 20), (50, 60))
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, experiment 6a"


class TemporalOrder3(TemporalOrder):
    """The order of three relevant symbols."""

    name: Literal["temporal_order_3"] = "temporal_order_3"

    windows: ClassVar[tuple[tuple[int, int], ...]] = ((10, 20), (33, 43), (66, 76))
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, experiment 6b"
