"""Strings from strings: the answer is as long as what was read, so that all of it has to be kept.

    reverse_string      0 0 1 ? ? ?              1 0 0
    duplicate_string    0 0 1 ? ? ? ? ? ?        0 0 1 0 0 1
    odds_first          0 0 1 1 0 ? ? ? ? ?      0 1 0 0 1          the symbols 1, 3, 5, then the symbols 2, 4
    bucket_sort         3 0 4 0 ? ? ? ?          0 0 3 4
    binary_addition     0 1 + 1 1 1 ? ? ? ?      1 0 0 1            2 + 7 = 9, the lowest bit first
    missing_duplicate   0 0 1 0 _ 1 ?            0                  the symbol behind "_" in a string that is written
    twice

Symbols are uniform. Chance is 1/symbols except for sorting and adding, where it is given; perfect is 1. Source:
Deletang et al. 2023, "Neural Networks and the Chomsky Hierarchy". Three tasks differ from its official code, which
``form=code`` follows: ``odds_first`` begins with the first symbol, as the text defines it, in the code with the
second; sums of ``binary_addition`` have one digit more than the longer number, in the code a mark behind their
highest 1 and zeros after it; strings of ``missing_duplicate`` have even lengths alone, in the code a blank behind
those of odd lengths.

    binary_addition     0 1 + 1 1 1 ? ? ? ? ? ? ?     1 0 0 1 $ 0 0     form=code
    missing_duplicate   0 0 1 0 _ 1 . ?               0                 form=code, of an odd length
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gatelab.keys import Key
from gatelab.tasks.formal.strings import ClassAfterString, StringAfterString
from gatelab.tasks.task import Batch

__all__ = ["BinaryAddition", "BucketSort", "DuplicateString", "MissingDuplicate", "OddsFirst", "ReverseString"]


class Rearrangement(StringAfterString):
    """A string whose symbols are to be written again in another order."""

    symbols: int = Field(default=2, ge=2)
    """How many different symbols there are; the paper has 2."""

    @property
    def input_size(self) -> int:
        return self.symbols + 1

    @property
    def output_size(self) -> int:
        return self.symbols

    @property
    def chance(self) -> float:
        return 1 / self.symbols

    @property
    def chance_meaning(self) -> str:
        return "guessing a symbol"

    def draw_symbols(self, random: np.random.Generator, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Draw strings (length, batch), with anything after their ends."""
        return random.integers(0, self.symbols, (self.length, len(lengths)))


class ReverseString(Rearrangement):
    """A string, to be repeated from its end to its beginning."""

    name: Literal["reverse_string"] = "reverse_string"

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Draw strings."""
        strings = self.draw_symbols(random, lengths)
        place = lengths - 1 - np.arange(self.length)[:, None]
        return strings, np.take_along_axis(strings, place.clip(0), 0), lengths


class DuplicateString(Rearrangement):
    """A string, to be repeated twice."""

    name: Literal["duplicate_string"] = "duplicate_string"

    @property
    def most_answers(self) -> int:
        return 2 * self.length

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Draw strings."""
        strings = self.draw_symbols(random, lengths)
        place = np.arange(self.most_answers)[:, None] % lengths
        return strings, np.take_along_axis(strings, place, 0), 2 * lengths


class OddsFirst(Rearrangement):
    """A string, of which first the symbols 1, 3, 5, … are to be repeated, then the symbols 2, 4, 6, …"""

    name: Literal["odds_first"] = "odds_first"
    form: Annotated[
        Literal["text", "code"],
        Key("text: symbols 1, 3, 5 first, as the paper's text defines it; code: 2, 4, 6 first, as its code has it",
            neutral="text"),
    ] = "text"  # fmt: skip

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Draw strings."""
        strings = self.draw_symbols(random, lengths)
        answer, skipped = np.arange(self.length)[:, None], int(self.form == "code")
        first = (lengths + 1 - skipped) // 2
        place = np.where(answer < first, 2 * answer + skipped, 2 * (answer - first) + 1 - skipped)
        return strings, np.take_along_axis(strings, place.clip(0, self.length - 1), 0), lengths


class BucketSort(Rearrangement):
    """A string of few different symbols, to be sorted.

    Low symbols come first in any sorted string: with only the length of the string and the place in the answer, the
    score is above 1/symbols.
    """

    name: Literal["bucket_sort"] = "bucket_sort"
    symbols: int = Field(default=5, ge=2)
    """How many different symbols there are; the paper has 5."""

    @property
    def chance(self) -> float:
        return float(_sorted_by_heart(self.symbols, self.length)[self.lengths - 1].mean())

    @property
    def chance_meaning(self) -> str:
        return "the likeliest symbol at each place of a sorted string"

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Draw strings."""
        strings = self.draw_symbols(random, lengths)
        inside = np.arange(self.length)[:, None] < lengths
        # symbols after the end sort last, and are no answer
        return strings, np.sort(np.where(inside, strings, self.symbols - 1), 0), lengths


@lru_cache(maxsize=16)
def _sorted_by_heart(symbols: int, longest: int) -> NDArray[np.float64]:
    """Return the accuracy of the likeliest symbols at the places of a sorted string of length 1, 2, …

    The symbol at place i = 1 … n is at most s if at least i of n symbols are: a binomial probability.
    """
    at_most = np.arange(1, symbols + 1)[:, None] / symbols
    # of (symbol s, number of symbols that are at most s), built up symbol by symbol
    number = np.zeros((symbols, longest + 1))
    number[:, 0] = 1
    accuracy = np.empty(longest)
    for length in range(1, longest + 1):
        number[:, 1:] = at_most * number[:, :-1] + (1 - at_most) * number[:, 1:]
        number[:, 0] *= 1 - at_most[:, 0]
        reaches = number[:, ::-1].cumsum(1)[:, ::-1][:, 1 : length + 1]
        accuracy[length - 1] = np.diff(reaches, axis=0, prepend=0).max(0).mean()
    return accuracy


class BinaryAddition(StringAfterString):
    """Two binary numbers with "+" between them, lowest bits first, to be added.

    The "+" stands at any place that leaves both a digit. For numbers of a and b ≥ a digits the sum has b + 1 digits;
    of these b are uniform and the highest is 1 with the probability (2^a - 1) / 2^(b+1), the mean of the smaller
    number over 2^b. Answering 0 always is right for the rest.

    In the form of the code no number is 0. A string of n symbols is followed by n + 1 questions; the answers are the
    digits of the sum up to its highest 1, a mark (class 2), and zeros. All of them count in the loss, those up to the
    mark in the score. Strings of one and two symbols are one number without "+", below 2^n - 1, and so is the answer.
    """

    name: Literal["binary_addition"] = "binary_addition"
    length: int = Field(default=40, ge=3)
    """Symbols of the longest string in training and validation, the "+" included."""
    min_length: int = Field(default=3, ge=1, validate_default=True)
    """Symbols of the shortest, 3 or more in the form ``text``; in the test it is ``length`` + 1, if ``test_length`` is
    greater than ``length``."""
    form: Annotated[
        Literal["text", "code"],
        Key("text: a sum has one digit more than the longer number; code: it ends with a mark, zeros follow, and no "
            "number is 0, as in the code of Deletang et al. 2023", neutral="text"),
    ] = "text"  # fmt: skip

    input_size: ClassVar[int] = 4

    @model_validator(mode="after")
    def _text_adds_two_numbers(self) -> Self:
        if self.form == "text" and self.min_length < _SHORTEST_SUM:
            raise self.refused_min_length(f"must be at least {_SHORTEST_SUM}")
        return self

    @property
    def output_size(self) -> int:
        return 3 if self.form == "code" else 2

    @property
    def most_answers(self) -> int:
        return self.length + 1 if self.form == "code" else self.length - 1

    @property
    def chance(self) -> float:
        if self.form == "code":
            batch = self.test()
            answers = np.bincount(batch.targets.ravel(), batch.score_weights.ravel(), self.output_size)
            return float(answers.max() / answers.sum())
        return float(np.mean([_zeros_of_sum(length) for length in self.lengths.tolist()]))

    @property
    def chance_meaning(self) -> str:
        return "the best of the answers 0, 1 and mark, given always" if self.form == "code" else "answering 0 always"

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Draw bits and the place of the "+", and add digit by digit."""
        strings = random.integers(0, 2, (self.length, len(lengths)))
        if self.form == "text":
            plus = random.integers(1, lengths - 1)
            sums = _added(strings, lengths, plus, self.most_answers)
            numbers = np.maximum(plus, lengths - 1 - plus) + 1
        else:
            # a single number ends where the string does
            plus = np.where(lengths < _SHORTEST_SUM, lengths, random.integers(1, np.maximum(lengths - 1, 2)))
            _draw_again(random, strings, lengths, plus)
            sums = _added(strings, lengths, plus, self.most_answers)
            digits = np.where(sums > 0, np.arange(1, self.most_answers + 1)[:, None], 1).max(0)
            sums[digits, np.arange(len(lengths))] = _MARK
            numbers = lengths + 1
        there = (plus < lengths).nonzero()[0]
        strings[plus[there], there] = 2
        return strings, sums, numbers

    def of_lengths(self, random: np.random.Generator, lengths: NDArray[np.int64]) -> Batch:
        """Draw strings with their questions; in the form of the code what is behind the mark has no score."""
        batch = super().of_lengths(random, lengths)
        if self.form == "text":
            return batch
        marks = batch.targets == _MARK
        judged = (batch.loss_weights > 0) & (marks.cumsum(0) - marks == 0)
        return batch._replace(score_weights=(judged / judged.sum(0)).astype(np.float32))


_SHORTEST_SUM = 3  # symbols: two digits and the "+"
_MARK = 2  # the class of the end of a sum


def _added(
    strings: NDArray[np.int64], lengths: NDArray[np.int64], plus: NDArray[np.int64], digits: int
) -> NDArray[np.int64]:
    """Return the sums of the numbers before and behind the "+", lowest digits first: (digits, batch)."""
    digit, last = np.arange(digits)[:, None], len(strings) - 1
    first = np.where(digit < plus, strings[np.arange(digits).clip(max=last)], 0)
    place = plus + 1 + digit
    second = np.where(place < lengths, np.take_along_axis(strings, place.clip(0, last), 0), 0)
    both = first + second
    carry = np.zeros(len(lengths), np.int64)
    for row in both:
        row += carry
        carry = row // 2
    return both % 2


def _draw_again(
    random: np.random.Generator, strings: NDArray[np.int64], lengths: NDArray[np.int64], plus: NDArray[np.int64]
) -> None:
    """Draw the bits of strings anew until neither number is 0, and a single number has a bit that is not 1."""
    place = np.arange(len(strings))[:, None]
    of_first, of_second = place < plus, (place > plus) & (place < lengths)
    left = np.arange(len(lengths))
    while len(left):
        ones_of_first = (strings[:, left] * of_first[:, left]).sum(0)
        ones_of_second = (strings[:, left] * of_second[:, left]).sum(0)
        single = plus[left] == lengths[left]
        wrong = np.where(single, ones_of_first == lengths[left], (ones_of_first == 0) | (ones_of_second == 0))
        left = left[wrong]
        strings[:, left] = random.integers(0, 2, (len(strings), len(left)))


@lru_cache(maxsize=1024)
def _zeros_of_sum(length: int) -> float:
    """Return the mean share of zeros in the sums of strings of one length."""
    first = np.arange(1, length - 1)
    shorter, longer = np.minimum(first, length - 1 - first), np.maximum(first, length - 1 - first)
    carried = (1 - 0.5**shorter) * 0.5 ** (longer - shorter + 1)
    return float(((longer / 2 + 1 - carried) / (longer + 1)).mean())


class MissingDuplicate(ClassAfterString):
    """A binary string written twice, with one of its bits hidden: which bit is it?

    In the form of the code a string of odd length ends with a blank, a symbol of its own, and the only string of one
    symbol is "1", of class 1: answering 1 always is right for it, and for half of all others.
    """

    name: Literal["missing_duplicate"] = "missing_duplicate"
    form: Annotated[
        Literal["text", "code"],
        Key("text: even lengths alone; code: any length, with a blank behind strings of odd ones, as in the code of "
            "Deletang et al. 2023", neutral="text"),
    ] = "text"  # fmt: skip

    alphabet: ClassVar[str] = "01_"

    @model_validator(mode="after")
    def _a_length_is_possible(self) -> Self:
        if not len(self.lengths):
            raise self.refused_min_length(f"there is no even length up to length={self.length}")
        return self

    @property
    def input_size(self) -> int:
        return len(self.alphabet) + 2 if self.form == "code" else len(self.alphabet) + 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        lengths = super().lengths
        return lengths if self.form == "code" else lengths[lengths % 2 == 0]

    @property
    def chance(self) -> float:
        return float(np.where(self.lengths == 1, 1, 1 / self.output_size).mean())

    @property
    def chance_meaning(self) -> str:
        return "answering 1 always" if self.form == "code" else super().chance_meaning

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw the string and the place that is hidden, in the first copy or in the second."""
        bits = random.integers(0, 2, (self.length, len(lengths)))
        half, sequence = lengths // 2, np.arange(len(lengths))
        strings = np.take_along_axis(bits, np.arange(self.length)[:, None] % half.clip(1), 0)
        hidden = random.integers(0, (2 * half).clip(1))
        classes = strings[hidden, sequence]
        strings[hidden, sequence] = self.alphabet.index("_")
        odd, single = (lengths % 2 == 1).nonzero()[0], lengths == 1
        strings[lengths[odd] - 1, odd] = len(self.alphabet)
        strings[0, single] = classes[single] = 1
        return strings, classes
