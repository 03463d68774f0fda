"""Copying memory: repeat the tokens of the beginning once the delimiter has come.

With 3 tokens a, b, c of 8 symbols, length 4 (3 blanks, then the delimiter ":") and "." for a blank:

    input   c a b  . . . :  . . .
    target  . . .  . . . .  c a b

A sequence has length + 2 · tokens steps. Without memory the best is to predict blanks and then any symbol: a
cross-entropy of tokens · ln(symbols) / (length + 2 · tokens) nats a step over all steps, and 1/symbols of the tokens
right; perfect is 1. Source: Hochreiter & Schmidhuber 1997, "Long Short-Term Memory"; this form: Arjovsky, Shah &
Bengio 2016, "Unitary Evolution Recurrent Neural Networks", section 5.1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from gatelab.tasks.measures import accuracy, cross_entropy
from gatelab.tasks.task import Batch, LengthTask

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Copying"]


class Copying(LengthTask):
    """The copying memory problem: inputs (time, batch, symbols + 2) one-hot, targets (time, batch) classes.

    Classes 0 … symbols - 1 are the symbols, class ``symbols`` is the blank. The delimiter, class ``symbols + 1``,
    occurs in the input alone, so that there are ``symbols + 1`` outputs. The loss counts every step, the score only
    the last ``tokens`` steps, where the tokens are to be repeated.
    """

    name: Literal["copying"] = "copying"
    length: int = Field(default=100, ge=1)
    """T of the paper: T - 1 blanks and the delimiter lie between the tokens and the steps of their repetition."""
    tokens: int = Field(default=10, ge=1)
    """K of the paper: how many tokens are to be remembered."""
    symbols: int = Field(default=8, ge=2)
    """How many different symbols a token can be."""

    readout: ClassVar[Literal["last", "every"]] = "every"
    loss_name: ClassVar[str] = "cross-entropy (nats per step)"
    score_name: ClassVar[str] = "accuracy on the tokens"
    higher_is_better: ClassVar[bool] = True
    chance_meaning: ClassVar[str] = "guessing a symbol"
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = "Arjovsky, Shah & Bengio 2016, section 5.1 (after Hochreiter & Schmidhuber 1997)"

    @property
    def input_size(self) -> int:
        return self.symbols + 2

    @property
    def output_size(self) -> int:
        return self.symbols + 1

    @property
    def chance(self) -> float:
        return 1 / self.symbols

    @property
    def chance_loss(self) -> float:
        """The best loss without memory, in nats per step: K ln(symbols) / (T + 2K)."""
        return self.tokens * math.log(self.symbols) / (self.length + 2 * self.tokens)

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw the tokens; everything else is fixed."""
        steps = self.length + 2 * self.tokens
        blank, delimiter = self.symbols, self.symbols + 1
        tokens = random.integers(0, self.symbols, (self.tokens, batch_size))
        classes = np.full((steps, batch_size), blank, np.int64)
        classes[: self.tokens] = tokens
        classes[self.tokens + self.length - 1] = delimiter
        inputs = np.eye(self.input_size, dtype=np.float32)[classes]
        targets = np.full((steps, batch_size), blank, np.int64)
        targets[-self.tokens :] = tokens
        loss_weights = np.ones((steps, batch_size), np.float32)
        score_weights = np.zeros((steps, batch_size), np.float32)
        score_weights[-self.tokens :] = 1
        return Batch(inputs, np.full(batch_size, steps, np.int64), targets, loss_weights, score_weights)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(outputs, targets)

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return accuracy(outputs, targets)
