"""Counting languages: a^n b^n needs one counter, a^n b^n c^n two.

    anbn      input    S  a  a  b  b          anbncn    input    S  a  a  b  b  c  c
              target   a  a  a  b  T                    target   a  a  a  b  c  c  T
                          b  b                                      b  b

There is one string for each n: training has n = 1 … ``largest``, validation the next ones up to
``validation_largest``, the test those up to ``test_largest``, so that no string is in two of them and the test has
longer strings than were ever seen. After the first b the rest is determined, but only by counting: the set after a b is
always the same, except after the last b. So a prediction from the current symbol gets each string wrong and scores 0;
scored by steps it gets all but one or two sets right. Perfect is 1.

Source: Gers & Schmidhuber 2001, "LSTM Recurrent Networks Learn Simple Context-Free and Context-Sensitive Languages".
T is never read, so it is no input.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from gatelab.tasks.finite_task import FiniteTask
from gatelab.tasks.formal.next_symbols import LegalSymbols
from gatelab.tasks.formal.strings import one_hot
from gatelab.tasks.task import Batch

__all__ = ["Anbn", "Anbncn"]


class CountingLanguage(LegalSymbols, FiniteTask):
    """Strings of n times each letter: inputs (time, batch, 1 + letters) of S, a, b, …, targets of a, b, …, T."""

    largest: int = Field(default=10, ge=1)
    """The largest n of training; 10 is among the paper's."""
    validation_largest: int = Field(default=20, ge=2)
    """The largest n of validation, which begins after those of training."""
    test_largest: int = Field(default=100, ge=3)
    """The largest n of the test, which begins after those of validation."""
    training_size: int = Field(default=1000, ge=1)
    """Strings of training; n = 1 … ``largest`` take turns."""

    letters: ClassVar[int]
    source: ClassVar[str] = "Gers & Schmidhuber 2001"

    @model_validator(mode="after")
    def _parts_follow_each_other(self) -> Self:
        if not self.largest < self.validation_largest < self.test_largest:
            raise ValueError(
                f"largest={self.largest}, validation_largest={self.validation_largest} and "
                f"test_largest={self.test_largest} must rise"
            )
        if self.training_size < self.largest:
            raise ValueError(
                f"training_size={self.training_size} must be at least largest={self.largest}, the number of strings"
            )
        return self

    @property
    def input_size(self) -> int:
        return self.letters + 1

    @property
    def output_size(self) -> int:
        return self.letters + 1

    @property
    def chance(self) -> float:
        """Of the validation: n = 2 or more, so that a letter that is not the first is more often followed by itself."""
        if self.scored == "string":
            return 0.0
        steps = self.letters * np.arange(self.largest + 1, self.validation_largest + 1) + 1
        return float((1 - (self.letters - 1) / steps).mean())

    def training(self) -> Batch:
        return _strings(self, 1, self.largest, self.training_size)

    def validation(self) -> Batch:
        return _strings(self, self.largest + 1, self.validation_largest)

    def test(self) -> Batch:
        return _strings(self, self.validation_largest + 1, self.test_largest)


# Every training batch needs them again.
@lru_cache(maxsize=8)
def _strings(task: CountingLanguage, smallest: int, largest: int, size: int | None = None) -> Batch:
    """Return the strings of a range of n, in turns until there are so many, or each once."""
    numbers = np.resize(np.arange(smallest, largest + 1), size or largest + 1 - smallest)
    letters = task.letters
    step, lengths = np.arange(letters * largest + 1)[:, None], letters * numbers + 1
    # S is symbol 0, read at step 0; a is 1
    read = np.minimum((step + numbers - 1) // numbers, letters)
    # a is output 0, T the last one
    following = (step // numbers).clip(max=letters)
    targets = np.eye(letters + 1, dtype=np.float32)[following]
    # while a is read, both a and b may follow
    targets[read == 1, :2] = 1
    targets[step >= lengths] = 0
    return task.judged(one_hot(read, lengths, letters + 1), lengths, targets)


class Anbn(CountingLanguage):
    """The language a^n b^n."""

    name: Literal["anbn"] = "anbn"
    letters: ClassVar[int] = 2


class Anbncn(CountingLanguage):
    """The language a^n b^n c^n."""

    name: Literal["anbncn"] = "anbncn"
    letters: ClassVar[int] = 3
