"""Repetition: cards are shown one by one, and the suit of an earlier card is asked at every step.

    card             ♠ ♥ ♥ ♣ ♦ ♠
    repeat_previous  - - ♠ ♥ ♥ ♣         k = 3
    repeat_first     ♠ ♠ ♠ ♠ ♠ ♠

The cards are shuffled packs of 52, the fewest that have more cards than the sequence has steps; only the suit is shown.
With n cards, n/4 of each suit, another card has the suit of the present one with the probability (n/4 - 1) / (n - 1)
and any one other suit with (n/4) / (n - 1): without memory it is best to name a suit that is not shown. That is right
in 13/51 = 0.255 of the steps with one pack; perfect is 1.

- ``repeat_previous``: k counts the present card, as the code of POPGym does: k = 2 asks for the card before. Asked and
  judged from the first step on which k cards were shown.
- ``repeat_first``: trained at every step, judged from the second on; the first needs no memory.

Source: Morad, Kortvelesy, Bettini, Liwicki & Prorok 2023, "POPGym: Benchmarking Partially Observable Reinforcement
Learning", environments RepeatPrevious and RepeatFirst, and their code, github.com/proroklab/popgym. What is an action
there is a prediction with a known answer here; the reward of a whole game is 2 · accuracy - 1. Of repeat_previous, Easy
is length 51, k 4; Medium 103, 32; Hard 155, 64. Of repeat_first, Easy is length 51, Medium 415, Hard 831 (and the game
also rewards the first step).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gatelab.tasks.chosen_loss import ClassTask
from gatelab.tasks.losses import Measure, accuracy
from gatelab.tasks.task import Batch, LengthTask

__all__ = ["RepeatFirst", "RepeatPrevious", "Repetition"]

_SUITS, _PACK = 4, 52


class Repetition(ClassTask, LengthTask):
    """The shared part of both: inputs (time, batch, 4) one-hot suits, targets (time, batch) suits."""

    length: int = Field(default=51, ge=2)
    """Time steps of a sequence; 52 · packs - 1 in the paper."""

    input_size: ClassVar[int] = _SUITS
    output_size: ClassVar[int] = _SUITS
    readout: ClassVar[Literal["last", "every"]] = "every"
    score: ClassVar[Measure] = accuracy
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    chance_meaning: ClassVar[str] = "naming a suit that is not shown"
    perfect: ClassVar[float] = 1.0

    @property
    def cards(self) -> int:
        """How many cards there are."""
        return _PACK * (self.length // _PACK + 1)

    @property
    def chance(self) -> float:
        return self.cards / _SUITS / (self.cards - 1)

    @abstractmethod
    def ask(self, suits: NDArray[np.int64]) -> tuple[NDArray[np.int64], int, int]:
        """Return the targets of (time, batch) suits, and the first steps that are trained on and judged."""

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Shuffle the packs."""
        packs = np.repeat(np.arange(self.cards)[:, None] % _SUITS, batch_size, 1)
        suits = random.permuted(packs, axis=0)[: self.length]
        targets, first_trained, first_judged = self.ask(suits)
        loss_weights, score_weights = np.zeros((2, self.length, batch_size), np.float32)
        loss_weights[first_trained:] = 1
        score_weights[first_judged:] = 1
        inputs = np.eye(_SUITS, dtype=np.float32)[suits]
        return Batch(inputs, np.full(batch_size, self.length, np.int64), targets, loss_weights, score_weights)


class RepeatPrevious(Repetition):
    """The suit of the card k - 1 steps ago."""

    name: Literal["repeat_previous"] = "repeat_previous"
    k: int = Field(default=4, ge=2)
    """Which card is asked for, counted back from the present one, which is the first."""

    source: ClassVar[str] = "Morad, Kortvelesy, Bettini, Liwicki & Prorok 2023, RepeatPrevious"

    @model_validator(mode="after")
    def _something_is_asked(self) -> Self:
        if self.k > self.length:
            raise ValueError(f"k={self.k} must be at most length={self.length}")
        return self

    def ask(self, suits: NDArray[np.int64]) -> tuple[NDArray[np.int64], int, int]:
        lag = self.k - 1
        targets = np.zeros_like(suits)
        targets[lag:] = suits[:-lag]
        return targets, lag, lag


class RepeatFirst(Repetition):
    """The suit of the first card."""

    name: Literal["repeat_first"] = "repeat_first"

    source: ClassVar[str] = "Morad, Kortvelesy, Bettini, Liwicki & Prorok 2023, RepeatFirst"

    def ask(self, suits: NDArray[np.int64]) -> tuple[NDArray[np.int64], int, int]:
        return np.repeat(suits[:1], self.length, 0), 0, 1
