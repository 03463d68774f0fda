"""Copying memory: repeat the tokens of the beginning once the delimiter has come.

With 3 tokens a, b, c of 8 symbols, length 4, "." for a blank and ":" for the delimiter:

    copying                 input   c a b  . . . :  . . .        T - 1 = 3 blanks, then the delimiter
                            target  . . .  . . . .  c a b
    copying_variable_lag    input   c a b  . :  . . .            a lag of 1 to T, here 2
                            target  . . .  . .  c a b
    copying_tcn             input   c a b  . . .  : : : :        K + 1 = 4 delimiters; numbers, not one-hot
                            target  . . .  . . . .  c a b
    copying_s4              input   c a b  . . . .  : : :        T blanks, K delimiters
                            target  - - -  - - - -  c a b        no targets before

Except for copying_s4, the loss counts every step. Without memory the best is to predict blanks and then any symbol: a
cross-entropy of tokens · ln(symbols) / steps nats a step, with length + 2 · tokens steps. The score is the accuracy on
the last tokens steps alone: 1/symbols without memory; perfect is 1.

Sources: Hochreiter & Schmidhuber 1997, "Long Short-Term Memory"; ``copying``: Arjovsky, Shah & Bengio 2016, "Unitary
Evolution Recurrent Neural Networks", section 5.1; ``copying_variable_lag``: Tallec & Ollivier 2018, "Can recurrent
neural networks warp time?"; ``copying_tcn``: Bai, Kolter & Koltun 2018, "An Empirical Evaluation of Generic
Convolutional and Recurrent Networks for Sequence Modeling", and its code, github.com/locuslab/TCN,
TCN/copy_memory/utils.py, which has 10,000 fixed training sequences (``training_size=10000``), T = 1000 by default,
prints the accuracy over all steps (``judged=all``) and clips gradients before they exist; ``copying_s4``: the code of
Gu, Goel & Ré 2022, "Efficiently Modeling Long Sequences with Structured State Spaces", github.com/state-spaces/s4,
src/dataloaders/datasets/copying.py, which has outputs for all ten of its numbers and not the eight symbols alone, so
that its loss begins at ln 10 (``outputs=all``). Tokens that lie scattered among the blanks are in selective_copying.py.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gatelab.keys import Key
from gatelab.tasks.chosen_loss import ClassTask
from gatelab.tasks.losses import Measure, accuracy
from gatelab.tasks.streams import Random
from gatelab.tasks.task import Batch, LengthTask

__all__ = ["Copying", "CopyingMemory", "CopyingS4", "CopyingTcn", "CopyingVariableLag"]


class CopyingMemory(ClassTask, LengthTask):
    """The shared part of all forms: targets (time, batch) classes.

    Classes 0 … symbols - 1 are the symbols, class ``symbols`` is the blank, class ``symbols + 1`` the delimiter.
    """

    length: int = Field(default=100, ge=1)
    """T of the paper: steps between the tokens and their repetition."""
    tokens: int = Field(default=10, ge=1)
    """K of the paper: how many tokens are to be remembered."""
    symbols: int = Field(default=8, ge=2)
    """How many different symbols a token can be."""

    readout: ClassVar[Literal["last", "every"]] = "every"
    score: ClassVar[Measure] = accuracy
    higher_is_better: ClassVar[bool] = True
    perfect: ClassVar[float] = 1.0
    draws_many: ClassVar[bool] = True

    @property
    def input_size(self) -> int:
        return self.symbols + 2

    @property
    def output_size(self) -> int:
        return self.symbols + 1

    @property
    def score_name(self) -> str:
        """Which steps are judged."""
        return "accuracy on the tokens"

    @property
    def chance_meaning(self) -> str:
        return "guessing a symbol"

    @property
    def chance(self) -> float:
        return 1 / self.symbols

    @property
    def steps(self) -> int:
        """Time steps of the longest sequence."""
        return self.length + 2 * self.tokens


class Copying(CopyingMemory):
    """The copying memory problem with one delimiter after T - 1 blanks: inputs (time, batch, symbols + 2) one-hot.

    The delimiter occurs in the input alone, so that there are ``symbols + 1`` outputs.
    """

    name: Literal["copying"] = "copying"

    source: ClassVar[str] = "Arjovsky, Shah & Bengio 2016, section 5.1 (after Hochreiter & Schmidhuber 1997)"

    def draw(self, random: Random, batch_size: int) -> Batch:
        """Draw the tokens; everything else is fixed."""
        tokens = random.integers(0, self.symbols, (self.tokens, batch_size))
        return _after_lags(self, tokens, np.full((*tokens.shape[:-2], batch_size), self.length, np.int64))


class CopyingVariableLag(CopyingMemory):
    """The copying memory problem whose delimiter comes after 0 to T - 1 blanks, each number equally likely."""

    name: Literal["copying_variable_lag"] = "copying_variable_lag"
    length: int = Field(default=100, ge=1)
    """T of the paper, the longest lag: a lag has up to T - 1 blanks, and the delimiter."""

    source: ClassVar[str] = "Tallec & Ollivier 2018 (after Arjovsky, Shah & Bengio 2016)"

    def draw(self, random: Random, batch_size: int) -> Batch:
        """Draw tokens and lags."""
        tokens = random.integers(0, self.symbols, (self.tokens, batch_size))
        return _after_lags(self, tokens, random.integers(1, self.length + 1, batch_size))


class CopyingTcn(CopyingMemory):
    """The copying memory problem with K + 1 delimiters: inputs (time, batch, 1), numbers.

    As in the paper's code, the input is the symbol itself as a number, 0 for a blank, 1 … ``symbols`` for a token and
    ``symbols + 1`` for a delimiter, and there is an output for the delimiter, which is never right. The order of the
    target classes is that of the other forms, and only a name.
    """

    name: Literal["copying_tcn"] = "copying_tcn"
    judged: Annotated[
        Literal["tokens", "all"], Key("the accuracy on the tokens, or on all steps, as the paper's code prints it",
                                      neutral="tokens")
    ] = "tokens"  # fmt: skip

    source: ClassVar[str] = "Bai, Kolter & Koltun 2018 (after Hochreiter & Schmidhuber 1997)"

    @property
    def input_size(self) -> int:
        return 1

    @property
    def output_size(self) -> int:
        return self.symbols + 2

    def draw(self, random: Random, batch_size: int) -> Batch:
        """Draw the tokens; everything else is fixed."""
        tokens = random.integers(0, self.symbols, (self.tokens, batch_size))
        lead = tokens.shape[:-2]
        inputs = np.zeros((*lead, self.steps, batch_size, 1), np.float32)
        inputs[..., : self.tokens, :, 0] = tokens + 1
        inputs[..., -(self.tokens + 1) :, :, :] = self.symbols + 1
        targets = np.full((*lead, self.steps, batch_size), self.symbols, np.int64)
        targets[..., -self.tokens :, :] = tokens
        loss_weights, score_weights = np.ones((2, *targets.shape), np.float32)
        if self.judged == "tokens":
            score_weights[..., : -self.tokens, :] = 0
        return Batch(inputs, np.full((*lead, batch_size), self.steps, np.int64), targets, loss_weights, score_weights)

    @property
    def score_name(self) -> str:
        """Which steps are judged."""
        return "accuracy on the tokens" if self.judged == "tokens" else "accuracy on all steps"

    @property
    def chance(self) -> float:
        blanks = 0 if self.judged == "tokens" else self.steps - self.tokens
        return (blanks + self.tokens / self.symbols) / (blanks + self.tokens)

    @property
    def chance_meaning(self) -> str:
        return "guessing a symbol" if self.judged == "tokens" else "blanks, then guessing a symbol"


class CopyingS4(CopyingMemory):
    """The copying memory problem that asks for the tokens alone: inputs (time, batch, symbols + 2) one-hot.

    The code embeds the symbols; a one-hot input times a recurrent layer's weights is such an embedding.
    """

    name: Literal["copying_s4"] = "copying_s4"
    outputs: Annotated[
        Literal["symbols", "all"],
        Key("symbols: an output for each symbol; all: for blank and delimiter too, as in the paper's code",
            neutral="symbols"),
    ] = "symbols"  # fmt: skip

    source: ClassVar[str] = "code of Gu, Goel & Ré 2022 (after Arjovsky, Shah & Bengio 2016)"

    @property
    def output_size(self) -> int:
        return self.symbols if self.outputs == "symbols" else self.input_size

    def draw(self, random: Random, batch_size: int) -> Batch:
        """Draw the tokens; everything else is fixed."""
        tokens = random.integers(0, self.symbols, (self.tokens, batch_size))
        lead = tokens.shape[:-2]
        classes = np.full((*lead, self.steps, batch_size), self.symbols)
        classes[..., : self.tokens, :] = tokens
        classes[..., -self.tokens :, :] = self.symbols + 1
        inputs = np.eye(self.input_size, dtype=np.float32)[classes]
        targets = np.zeros(classes.shape, np.int64)
        targets[..., -self.tokens :, :] = tokens
        weights = np.zeros(classes.shape, np.float32)
        weights[..., -self.tokens :, :] = 1
        return Batch(inputs, np.full((*lead, batch_size), self.steps, np.int64), targets, weights, weights.copy())


def _after_lags(task: CopyingMemory, tokens: NDArray[np.int64], lags: NDArray[np.int64]) -> Batch:
    """Return sequences whose (…, tokens, batch) tokens are asked for after their (…, batch) lags, one-hot."""
    step = np.arange(task.steps)[:, None]
    lengths = lags + 2 * task.tokens
    answer = step - (lengths - task.tokens)[..., None, :]
    classes = np.full(answer.shape, task.symbols)
    classes[..., : task.tokens, :] = tokens
    np.put_along_axis(classes, (task.tokens + lags - 1)[..., None, :], task.symbols + 1, -2)
    inside, answered = step < lengths[..., None, :], (answer >= 0) & (answer < task.tokens)
    inputs = np.eye(task.symbols + 2, dtype=np.float32)[classes]
    inputs[~inside] = 0
    asked = np.take_along_axis(tokens, answer.clip(0, task.tokens - 1), -2)
    targets = np.where(answered, asked, task.symbols)
    return Batch(inputs, lengths, targets, inside.astype(np.float32), answered.astype(np.float32))
