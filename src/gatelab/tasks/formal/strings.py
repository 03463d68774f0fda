"""The shared part of tasks on strings: strings of many lengths, read symbol by symbol, and "?" after their end.

    input    c a b  ?                        input    c a b  ? ? ?
    target          the class of "cab"       target          b a c

Every string is followed by one "?" per answer, which also marks the end of the string; the answer to a "?" is read at
its step. Lengths are drawn uniformly from ``min_length`` to ``length``, and each sequence counts the same, whatever its
length. After Deletang et al. 2023, "Neural Networks and the Chomsky Hierarchy", with two differences: there all strings
of a batch have one length, drawn for the batch (``batches=one_length``), and accuracies are averaged over the lengths
beyond 40 (in the code from 42 on) up to 500, in its example up to 100. Here the test has the lengths of training by
default; ``test_length=500`` is the paper's, out of distribution, with the lengths from ``length`` + 1 on. The paper's
table is the best of several seeds, a page of gatelab shows their mean.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from gatelab.keys import Key
from gatelab.randomness import generator
from gatelab.tasks.chosen_loss import ClassTask
from gatelab.tasks.losses import Measure, accuracy
from gatelab.tasks.task import Batch, LengthTask

__all__ = ["ClassAfterString", "StringAfterString", "StringTask", "one_hot"]

CHOMSKY = "Deletang et al. 2023, Neural Networks and the Chomsky Hierarchy"


class StringTask(LengthTask):
    """A task on strings of ``min_length`` to ``length`` symbols, tested on longer ones with a ``test_length``."""

    length: int = Field(default=40, ge=1)
    """Symbols of the longest string in training and validation."""
    min_length: int = Field(default=1, ge=1, validate_default=True)
    """Symbols of the shortest; in the test it is ``length`` + 1, if ``test_length`` is greater than ``length``."""
    batches: Annotated[
        Literal["mixed", "one_length"],
        Key("mixed: lengths differ within a batch; one_length: a batch of training has one, as in Deletang et al. 2023",
            neutral="mixed"),
    ] = "mixed"  # fmt: skip

    kind_of_length: ClassVar[Literal["any", "odd", "even"]] = "any"
    """The lengths that a string of this task can have."""

    @field_validator("min_length")
    @classmethod
    def _some_length_is_possible(cls, value: int, info: ValidationInfo) -> int:
        longest = info.data.get("length", value)
        if value > longest:
            raise ValueError(f"must be at most length={longest}")
        if not len(cls.lengths_between(value, longest)):
            raise ValueError(f"there is no {cls.kind_of_length} length up to length={longest}")
        return value

    @model_validator(mode="after")
    def _batches_are_drawn(self) -> Self:
        if self.batches == "one_length" and self.training_size is not None:
            raise ValueError(f"batches=one_length draws new strings: training_size={self.training_size} must be null")
        return self

    @classmethod
    def lengths_between(cls, shortest: int, longest: int) -> NDArray[np.int64]:
        """Return the lengths that a string can have, in rising order."""
        lengths = np.arange(shortest, longest + 1)
        return lengths if cls.kind_of_length == "any" else lengths[lengths % 2 == (cls.kind_of_length == "odd")]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The lengths that are drawn, each equally often."""
        return self.lengths_between(self.min_length, self.length)

    def refused_min_length(self, rule: str) -> ValidationError:
        """Return the error of a ``min_length`` that does not fit a field after it: told as that of ``min_length``."""
        place, error = ("min_length",), ValueError(rule)
        return ValidationError.from_exception_data(
            self.name,
            [{"type": "value_error", "loc": place, "input": self.min_length, "ctx": {"error": error}}],
        )

    def draw_lengths(self, random: np.random.Generator, batch_size: int) -> NDArray[np.int64]:
        """Draw the length of each string: (batch,)."""
        lengths = self.lengths
        return lengths[random.integers(0, len(lengths), batch_size)]

    @abstractmethod
    def of_lengths(self, random: np.random.Generator, lengths: NDArray[np.int64]) -> Batch:
        """Draw a string of each length: ``lengths`` is (batch,)."""

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw lengths, and a string of each."""
        return self.of_lengths(random, self.draw_lengths(random, batch_size))

    def training_batch(self, seed: int, step: int, batch_size: int) -> Batch:
        if self.batches == "mixed":
            return super().training_batch(seed, step, batch_size)
        random = generator(seed, "batch", step)
        return self.of_lengths(random, np.repeat(self.draw_lengths(random, 1), batch_size))

    def of_test(self) -> Self:
        """Return the same task with the lengths of the test: all longer than those of training, or all at most so."""
        if self.test_length is None:
            return self
        longer = self.test_length > self.length
        shortest = self.length + 1 if longer else min(self.min_length, self.test_length)
        return self._as_long(length=self.test_length, min_length=shortest)


class ClassAfterString(ClassTask, StringTask):
    """One class after a string: inputs (time, batch, symbols + 1) one-hot, targets (batch,).

    The last input is the "?", at whose step the class is read.
    """

    alphabet: ClassVar[str]
    """A character for each symbol."""
    output_size: ClassVar[int] = 2
    readout: ClassVar[Literal["last", "every"]] = "last"
    score: ClassVar[Measure] = accuracy
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = CHOMSKY

    @property
    def input_size(self) -> int:
        return len(self.alphabet) + 1

    @property
    def chance(self) -> float:
        return 1 / self.output_size

    @property
    def chance_meaning(self) -> str:
        return "guessing a class"

    @abstractmethod
    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw strings (length, batch), with anything after their ends, and return them with their classes (batch,)."""

    def of_lengths(self, random: np.random.Generator, lengths: NDArray[np.int64]) -> Batch:
        """Draw strings, and put a "?" after each."""
        strings, classes = self.strings(random, lengths)
        inputs = one_hot(strings, lengths, self.input_size - 1, 1, 1)
        weights = np.ones(len(lengths), np.float32)
        return Batch(inputs, lengths + 1, classes, weights, weights.copy())


class StringAfterString(ClassTask, StringTask):
    """A string after a string: inputs (time, batch, symbols + 1) one-hot, targets (time, batch), zero if not asked.

    The weights of a sequence sum to one. The score is that of the paper, the share of right symbols: a network that
    gets half of every string right scores one half.
    """

    evens_lengths: ClassVar[bool] = True
    readout: ClassVar[Literal["last", "every"]] = "every"
    score: ClassVar[Measure] = accuracy
    score_name: ClassVar[str] = "accuracy on the symbols asked for"
    higher_is_better: ClassVar[bool] = True
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = CHOMSKY

    @property
    def most_answers(self) -> int:
        """The greatest number of answers to a string."""
        return self.length

    @abstractmethod
    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Draw strings, and return them with their answers and the number of answers.

        Strings are (length, batch), answers (most_answers, batch), both with anything after their ends, their number
        is (batch,).
        """

    def of_lengths(self, random: np.random.Generator, lengths: NDArray[np.int64]) -> Batch:
        """Draw strings, and put a question after each for every symbol of its answer."""
        strings, answers, numbers = self.strings(random, lengths)
        inputs = one_hot(strings, lengths, self.input_size - 1, numbers, self.most_answers)
        question = np.arange(len(inputs))[:, None] - lengths
        asked = (question >= 0) & (question < numbers)
        targets = np.take_along_axis(answers, question.clip(0, len(answers) - 1), 0) * asked
        weights = (asked / numbers).astype(np.float32)
        return Batch(inputs, lengths + numbers, targets, weights, weights.copy())


def one_hot(
    strings: NDArray[np.int64],
    lengths: NDArray[np.int64],
    symbols: int,
    questions: int | NDArray[Any] = 0,
    most_questions: int = 0,
) -> NDArray[np.float32]:
    """Return strings (time, batch) and the questions after them as inputs: (time + most_questions, batch, …).

    Symbol 0 … symbols - 1 is one input each; the question is one more, if any is asked. After the questions all are 0.
    """
    size = symbols + (most_questions > 0)
    silence = size
    step = np.arange(len(strings) + most_questions)[:, None]
    classes = np.full((len(step), len(lengths)), silence, np.int64)
    classes[: len(strings)] = strings
    classes = np.where(step < lengths, classes, np.where(step < lengths + questions, symbols, silence))
    return np.eye(size + 1, size, dtype=np.float32)[classes]
