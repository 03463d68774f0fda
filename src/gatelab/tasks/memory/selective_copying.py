"""Selective copying: repeat, in order, the tokens that were scattered among blanks.

With 3 tokens a, b, c of 8 symbols, length 12, "." for a blank and ":" for the delimiter:

    input   . c . . a . b .  :  . . .
    target  - - - - - - - -  -  c a b        no targets before

A sequence has ``length`` steps: the field of tokens and blanks, one delimiter, and a blank for each token. Every choice
of places in the field is equally likely. Loss and score count the last steps alone: without memory 1/symbols of the
tokens are right; perfect is 1.

Source: Poli et al. 2024, "Mechanistic Design and Scaling of Hybrid Architectures", the MAD task selective copying,
after Gu & Dao 2023, "Mamba". In its code (github.com/athms/mad-lab, mad/data/instances.py) each blank is put before one
of the tokens, drawn at random: the last token always lies right before the delimiter, and the gaps are narrow (with the
defaults 15 ± 4 steps from token to token, against 14 ± 13 here, which is the harder timing). ``form=mad`` has these
places and the 16 outputs of the code, one for each symbol of its vocabulary. The code further has 12,800 fixed training
sequences (``training_size=12800``), an unseeded generator, and reports the mean of the accuracies of the single symbols
(``judged=symbols``, here over a whole part, there over each of its batches). It embeds the symbols; a one-hot input
times a recurrent layer's weights is such an embedding.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gatelab.keys import Key
from gatelab.tasks.chosen_loss import ClassTask
from gatelab.tasks.losses import Measure, accuracy
from gatelab.tasks.task import Batch, LengthTask

__all__ = ["SelectiveCopying"]


class SelectiveCopying(ClassTask, LengthTask):
    """Tokens among blanks: inputs (time, batch, symbols + 2) one-hot, targets (time, batch) symbols.

    The inputs are the symbols 0 … symbols - 1, the blank and the delimiter.
    """

    name: Literal["selective_copying"] = "selective_copying"
    length: int = Field(default=256, ge=3)
    """Time steps of a sequence, answers and all."""
    tokens: int = Field(default=16, ge=1)
    """How many tokens are to be remembered."""
    symbols: int = Field(default=14, ge=2)
    """How many different symbols a token can be; with blank and delimiter the paper's vocabulary of 16."""
    form: Annotated[
        Literal["even", "mad"],
        Key("even: every choice of places is equally likely; mad: places and outputs of the paper's code",
            neutral="even"),
    ] = "even"  # fmt: skip
    judged: Annotated[
        Literal["tokens", "symbols"],
        Key("tokens: each token counts the same; symbols: each symbol, however often it is asked for, as in the code",
            neutral="tokens"),
    ] = "tokens"  # fmt: skip

    readout: ClassVar[Literal["last", "every"]] = "every"
    score: ClassVar[Measure] = accuracy
    higher_is_better: ClassVar[bool] = True
    chance_meaning: ClassVar[str] = "guessing a symbol"
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = "Poli et al. 2024, MAD (after Gu & Dao 2023)"

    @model_validator(mode="after")
    def _tokens_fit(self) -> Self:
        if self.field < self.tokens:
            raise ValueError(f"length={self.length} must be at least {2 * self.tokens + 1} for tokens={self.tokens}")
        return self

    @property
    def input_size(self) -> int:
        return self.symbols + 2

    @property
    def output_size(self) -> int:
        return self.symbols if self.form == "even" else self.input_size

    @property
    def score_name(self) -> str:
        """What is averaged over."""
        return "accuracy on the tokens" if self.judged == "tokens" else "mean accuracy of the symbols"

    @property
    def chance(self) -> float:
        return 1 / self.symbols

    @property
    def field(self) -> int:
        """Time steps before the delimiter."""
        return self.length - self.tokens - 1

    def places(self, random: np.random.Generator, batch_size: int) -> NDArray[np.int64]:
        """Draw the steps of the tokens, (tokens, batch), in rising order."""
        if self.form == "mad":
            equal = np.full(self.tokens, 1 / self.tokens)
            blanks = random.multinomial(self.field - self.tokens, equal, batch_size).T
            return blanks.cumsum(0) + np.arange(self.tokens)[:, None]
        # the places of the smallest of as many random numbers are a random choice of places
        places = random.random((self.field, batch_size)).argpartition(self.tokens - 1, 0)[: self.tokens]
        places.sort(0)
        return places

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw the tokens and their places."""
        tokens = random.integers(0, self.symbols, (self.tokens, batch_size))
        places = self.places(random, batch_size)
        classes = np.full((self.length, batch_size), self.symbols)
        classes[places, np.arange(batch_size)] = tokens
        classes[self.field] = self.symbols + 1
        inputs = np.eye(self.input_size, dtype=np.float32)[classes]
        targets = np.zeros((self.length, batch_size), np.int64)
        targets[-self.tokens :] = tokens
        weights = np.zeros((self.length, batch_size), np.float32)
        weights[-self.tokens :] = 1
        judged = weights.copy()
        if self.judged == "symbols":
            judged[-self.tokens :] = 1 / np.bincount(tokens.ravel())[tokens]
        return Batch(inputs, np.full(batch_size, self.length, np.int64), targets, weights, judged)
