"""Strings from strings: the answer is as long as what was read, so that all of it has to be kept.

    reverse_string      0 0 1 ? ? ?              1 0 0
    duplicate_string    0 0 1 ? ? ? ? ? ?        0 0 1 0 0 1
    odds_first          0 0 1 1 0 ? ? ? ? ?      0 1 0 0 1          the symbols 1, 3, 5, then the symbols 2, 4
    bucket_sort         3 0 4 0 ? ? ? ?          0 0 3 4
    binary_addition     0 1 + 1 1 1 ? ? ? ?      1 0 0 1            2 + 7 = 9, the lowest bit first
    missing_duplicate   0 0 1 0 _ 1 ?            0                  the symbol behind "_" in a string that is written
    twice

Symbols are uniform. Chance is 1/symbols except for sorting and adding, where it is given; perfect is 1. Source:
Deletang et al. 2023, "Neural Networks and the Chomsky Hierarchy". What differs from its official code: ``odds_first``
begins with the first symbol, as the text defines it (the code begins with the second: ``form=code``); a sum has one
digit more than the longer number, where the code pads it to the length of the string and marks its end; numbers may be
0; and the strings of ``missing_duplicate`` have even lengths alone, where the code pads those of odd length.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gatelab.keys import Key
from gatelab.tasks.formal.strings import ClassAfterString, StringAfterString

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
    """

    name: Literal["binary_addition"] = "binary_addition"
    length: int = Field(default=40, ge=3)
    """Symbols of the longest string in training and validation, the "+" included."""
    min_length: int = Field(default=3, ge=3, validate_default=True)
    """Symbols of the shortest; in the test it is ``length`` + 1, if ``test_length`` is greater than ``length``."""

    input_size: ClassVar[int] = 4
    output_size: ClassVar[int] = 2
    chance_meaning: ClassVar[str] = "answering 0 always"

    @property
    def most_answers(self) -> int:
        return self.length - 1

    @property
    def chance(self) -> float:
        return float(np.mean([_zeros_of_sum(length) for length in self.lengths.tolist()]))

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Draw bits and the place of the "+", and add digit by digit."""
        size, sequence = len(lengths), np.arange(len(lengths))
        strings = random.integers(0, 2, (self.length, size))
        plus = random.integers(1, lengths - 1)
        digit = np.arange(self.most_answers)[:, None]
        first = np.where(digit < plus, strings[: self.most_answers], 0)
        place = plus + 1 + digit
        second = np.where(place < lengths, np.take_along_axis(strings, place.clip(0, self.length - 1), 0), 0)
        strings[plus, sequence] = 2
        both = first + second
        carry = np.zeros(size, np.int64)
        for row in both:
            row += carry
            carry = row // 2
        return strings, both % 2, np.maximum(plus, lengths - 1 - plus) + 1


@lru_cache(maxsize=1024)
def _zeros_of_sum(length: int) -> float:
    """Return the mean share of zeros in the sums of strings of one length."""
    first = np.arange(1, length - 1)
    shorter, longer = np.minimum(first, length - 1 - first), np.maximum(first, length - 1 - first)
    carried = (1 - 0.5**shorter) * 0.5 ** (longer - shorter + 1)
    return float(((longer / 2 + 1 - carried) / (longer + 1)).mean())


class MissingDuplicate(ClassAfterString):
    """A binary string written twice, with one of its bits hidden: which bit is it?"""

    name: Literal["missing_duplicate"] = "missing_duplicate"
    alphabet: ClassVar[str] = "01_"
    kind_of_length: ClassVar[Literal["any", "odd", "even"]] = "even"

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw the string and the place that is hidden, in the first copy or in the second."""
        bits = random.integers(0, 2, (self.length, len(lengths)))
        strings = np.take_along_axis(bits, np.arange(self.length)[:, None] % (lengths // 2), 0)
        hidden, sequence = random.integers(0, lengths), np.arange(len(lengths))
        classes = strings[hidden, sequence]
        strings[hidden, sequence] = 2
        return strings, classes
