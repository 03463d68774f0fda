"""Multi-query associative recall: for each key that comes again, name the value that came with it.

With 2 pairs, keys A, B, values 1, 2, 3, and "." for a random token:

    mqar               input    A 1  B 2         . . B . A . . .
                       target                        2   1
    mqar_forgetting    input    A 1  B 2  A 3    . . B . A . . .
                       target                        2   3

First come the pairs, then every key once more, at distances that follow a power law, most of them short. Token 0 is no
key; keys are the other tokens of the lower half of the vocabulary, values its upper half; in a sequence no two keys
and no two of the first values are the same. In ``mqar_forgetting`` some keys, drawn anew, then get another value, and
the last value counts. Guessing a value is right with 1/values, the upper half of the vocabulary; remembering only the
values, but not their keys, reaches about 1/pairs. Perfect is 1.

Source: Arora et al. 2023, "Zoology: Measuring and Improving Recall in Efficient Language Models", with the official
code, github.com/HazyResearch/zoology, zoology/data/multiquery_ar.py and forgetting_mqar.py. There 100,000 training
sequences are drawn once (``training_size=100000``) and 3,000 are tested (``test_size=3000``); its figures show the best
of several learning rates. There a new value can equal the old one by a bug (it is
compared with that of another key); here it never does.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from gatelab.tasks.chosen_loss import ClassTask
from gatelab.tasks.losses import Measure, accuracy
from gatelab.tasks.task import Batch, LengthTask

__all__ = ["Mqar", "MqarForgetting"]


class AssociativeRecall(ClassTask, LengthTask):
    """Pairs and queries: inputs (time, batch) tokens, targets (time, batch) the value asked for, 0 if none is."""

    reads_tokens: ClassVar[bool] = True

    length: int = Field(default=64, ge=4, multiple_of=2)
    """Tokens of a sequence."""
    vocabulary: int = Field(default=8192, ge=4)
    """Different tokens."""
    pairs: int = Field(default=4, ge=1, validate_default=True)
    """Keys with a value; at most a quarter of the length."""
    power: float = Field(default=0.01, gt=0)
    """The k-th place for a query is chosen with probabilities like k^(power - 1): 1 would be uniform."""
    random_tokens: bool = True
    """Whether tokens between the queries are random, any of the vocabulary, or all token 0."""

    readout: ClassVar[Literal["last", "every"]] = "every"
    score: ClassVar[Measure] = accuracy
    score_name: ClassVar[str] = "accuracy on the queries"
    higher_is_better: ClassVar[bool] = True
    chance_meaning: ClassVar[str] = "guessing a value"
    perfect: ClassVar[float] = 1.0

    @field_validator("pairs")
    @classmethod
    def _pairs_fit(cls, value: int, info: ValidationInfo) -> int:
        length, vocabulary = info.data.get("length"), info.data.get("vocabulary")
        if length is not None and 4 * value > length:
            raise ValueError(f"must be at most {length // 4}, a quarter of length={length}")
        if vocabulary is not None and value > vocabulary // 2 - 1:
            raise ValueError(f"must be at most {vocabulary // 2 - 1}, the keys of vocabulary={vocabulary}")
        return value

    @property
    def input_size(self) -> int:
        return self.vocabulary

    @property
    def output_size(self) -> int:
        return self.vocabulary

    @property
    def first_value(self) -> int:
        """The lowest token that is a value; all above are too."""
        return self.vocabulary // 2

    @property
    def values(self) -> int:
        """How many tokens are values."""
        return self.vocabulary - self.first_value

    @property
    def chance(self) -> float:
        return 1 / self.values

    def draw_pairs(
        self, random: np.random.Generator, batch_size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Draw keys and values (pairs, batch), and their tokens: keys and values in turns, (time, batch)."""
        keys = 1 + distinct(random, self.first_value - 1, self.pairs, batch_size)
        values = self.first_value + distinct(random, self.values, self.pairs, batch_size)
        return keys, values, np.stack([keys, values], 1).reshape(-1, batch_size)

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw pairs, the places of their queries and the tokens in between."""
        keys, values, told = self.draw_pairs(random, batch_size)
        rest = (self.length - len(told)) // 2
        # The smallest of exponential times with these rates are places drawn one after another without replacement.
        rates = np.arange(1, rest + 1) ** (self.power - 1)
        times = random.exponential(size=(rest, batch_size)) / rates[:, None]
        places = len(told) + 2 * times.argsort(0)[: self.pairs]
        inputs = np.zeros((self.length, batch_size), np.int64)
        if self.random_tokens:
            inputs[len(told) :] = random.integers(0, self.vocabulary, (self.length - len(told), batch_size))
        inputs[: len(told)] = told
        np.put_along_axis(inputs, places, keys, 0)
        targets = np.zeros_like(inputs)
        np.put_along_axis(targets, places, values, 0)
        weights = (targets > 0).astype(np.float32)
        return Batch(inputs, np.full(batch_size, self.length, np.int64), targets, weights, weights.copy())


class Mqar(AssociativeRecall):
    """Multi-query associative recall; the paper has (length, pairs) = (64, 4), (128, 8), (256, 16), (512, 64)."""

    name: Literal["mqar"] = "mqar"
    source: ClassVar[str] = "Arora et al. 2023, Zoology"


class MqarForgetting(AssociativeRecall):
    """Multi-query associative recall where some keys get a new value after all pairs."""

    name: Literal["mqar_forgetting"] = "mqar_forgetting"
    pairs: int = Field(default=8, ge=1, validate_default=True)
    """Keys with a value."""
    updates: int = Field(default=4, ge=1, validate_default=True)
    """Keys that get a new value; 4 · pairs + 2 · updates is at most the length."""

    source: ClassVar[str] = "code of Arora et al. 2023, Zoology"

    @field_validator("updates")
    @classmethod
    def _updates_fit(cls, value: int, info: ValidationInfo) -> int:
        pairs, length = info.data.get("pairs"), info.data.get("length")
        if pairs is not None and value > pairs:
            raise ValueError(f"must be at most pairs={pairs}")
        if pairs is not None and length is not None and 4 * pairs + 2 * value > length:
            raise ValueError(f"4 · pairs + 2 · updates = {4 * pairs + 2 * value} must be at most length={length}")
        return value

    def draw_pairs(
        self, random: np.random.Generator, batch_size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Draw pairs, and for some of the keys a value that differs from their first."""
        keys, values, told = super().draw_pairs(random, batch_size)
        updated = distinct(random, self.pairs, self.updates, batch_size)
        # 1 to values - 1 on, around the circle of the values: never the first one again
        moved = random.integers(1, self.values, updated.shape)
        old = np.take_along_axis(values, updated, 0) - self.first_value
        new = self.first_value + (old + moved) % self.values
        last = values.copy()
        np.put_along_axis(last, updated, new, 0)
        again = np.stack([np.take_along_axis(keys, updated, 0), new], 1).reshape(-1, batch_size)
        return keys, last, np.concatenate([told, again])


def distinct(random: np.random.Generator, choices: int, count: int, batch_size: int) -> NDArray[np.int64]:
    """Draw, for each sequence, ``count`` different ones of 0 … choices - 1 in a random order: (count, batch).

    Floyd's algorithm, as its cost does not grow with the choices (Bentley & Floyd 1987, "A Sample of Brilliance",
    Communications of the ACM 30.9): the i-th number is drawn from the first choices - count + i, and replaced by the
    newest of these if it is there already.
    """
    chosen = np.full((count, batch_size), -1, np.int64)
    newest = np.arange(choices - count, choices)
    drawn = random.integers(0, newest[:, None] + 1, (count, batch_size))
    for row in range(count):
        taken = (chosen[:row] == drawn[row]).any(0)
        chosen[row] = np.where(taken, newest[row], drawn[row])
    return random.permuted(chosen, axis=0)
