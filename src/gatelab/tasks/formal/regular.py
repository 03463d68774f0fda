"""Regular languages: a class that a finite automaton computes by reading a string once.

    parity               0 1 1 0 1  ?    1         the ones are odd in number
    even_pairs           0 1 1 0 1  ?    1         01, 10, 01: an odd number of unequal neighbours
    cycle_navigation     + + = - +  ?    2         one step on, one on, stay, one back, one on, on a cycle of 5
    modular_arithmetic   1 - 2 x 4  ?    3         -7 modulo 5
    majority             0 1 1 0 1  ?    1         more ones than zeros

The strings of modular arithmetic and of majority have odd lengths: an expression ends with a digit, and zeros and ones
are never equal in number. Symbols are uniform. Perfect is 1; chance is 1/classes, or given with the task. (Majority
needs a counter, so it is not regular; it has the same form.)

Source: Deletang et al. 2023, "Neural Networks and the Chomsky Hierarchy", with the official code for the details, where
a "?" follows the string too; majority: Arora et al. 2023, "Zoology", whose official code has it among its circuits.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, pi
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from gatelab.tasks.formal.strings import ClassAfterString

__all__ = ["CycleNavigation", "EvenPairs", "Majority", "ModularArithmetic", "Parity"]

_PLACES = 5
_MODULUS = 5


def _random_strings(
    random: np.random.Generator, symbols: int, lengths: NDArray[np.int64], longest: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Draw symbols, uniformly, and the mask of those before the end of their string: both (longest, batch)."""
    strings = random.integers(0, symbols, (longest, len(lengths)))
    return strings, np.arange(longest)[:, None] < lengths


class Parity(ClassAfterString):
    """Whether a string of bits has an odd number of ones."""

    name: Literal["parity"] = "parity"
    alphabet: ClassVar[str] = "01"

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw bits."""
        bits, inside = _random_strings(random, 2, lengths, self.length)
        return bits, (bits * inside).sum(0) % 2


class EvenPairs(ClassAfterString):
    """Whether a string of bits has an odd number of unequal neighbours.

    That is whether its first and its last bit differ. A string of one bit always has class 0: answering 0 is right
    for these and for half of the others.
    """

    name: Literal["even_pairs"] = "even_pairs"
    alphabet: ClassVar[str] = "01"

    @property
    def chance(self) -> float:
        return float(np.where(self.lengths == 1, 1.0, 0.5).mean())

    @property
    def chance_meaning(self) -> str:
        return "answering 0 always"

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw bits."""
        bits, inside = _random_strings(random, 2, lengths, self.length)
        return bits, ((bits[1:] != bits[:-1]) & inside[1:]).sum(0) % 2


class CycleNavigation(ClassAfterString):
    """The place on a cycle of five, 0 … 4, after a string of steps: one back, none, or one on.

    After n steps place p has the probability Σ_k cos(2πkp/5) λ_k^n / 5, k = 0 … 4, where λ_k = (1 + 2 cos(2πk/5)) / 3
    are the eigenvalues of one step. Place 0 is the likeliest at every n.
    """

    name: Literal["cycle_navigation"] = "cycle_navigation"
    alphabet: ClassVar[str] = "-=+"
    output_size: ClassVar[int] = _PLACES

    @property
    def chance(self) -> float:
        eigenvalues = np.array([(1 + 2 * cos(2 * pi * k / _PLACES)) / 3 for k in range(_PLACES)])
        return float((eigenvalues ** self.lengths[:, None]).mean())

    @property
    def chance_meaning(self) -> str:
        return "answering with the place of the start"

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw steps."""
        steps, inside = _random_strings(random, 3, lengths, self.length)
        return steps, ((steps - 1) * inside).sum(0) % _PLACES


class ModularArithmetic(ClassAfterString):
    """The value of an expression modulo 5: digits 0 … 4 with +, - or x between them; x binds before + and -.

    Products are often 0, so that 0 is the likeliest value.
    """

    name: Literal["modular_arithmetic"] = "modular_arithmetic"
    alphabet: ClassVar[str] = "01234+-x"
    output_size: ClassVar[int] = _MODULUS
    kind_of_length: ClassVar[Literal["any", "odd", "even"]] = "odd"

    @property
    def chance(self) -> float:
        return float(_shares_of_zero((self.length + 1) // 2)[self.lengths // 2].mean())

    @property
    def chance_meaning(self) -> str:
        return "answering 0 always"

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw digits at even positions and operators at odd ones, and evaluate from left to right."""
        size = len(lengths)
        symbols = np.empty((self.length, size), np.int64)
        symbols[::2] = random.integers(0, _MODULUS, symbols[::2].shape)
        symbols[1::2] = random.integers(_MODULUS, len(self.alphabet), symbols[1::2].shape)
        plus, minus, times = (self.alphabet.index(operator) for operator in "+-x")
        # the sum so far, and the product that is still open
        total, term = np.zeros(size, np.int64), symbols[0]
        for place in range(2, self.length, 2):
            operator, digit = symbols[place - 1], symbols[place]
            here = place < lengths
            ends = here & (operator != times)
            total = np.where(ends, total + term, total) % _MODULUS
            term = np.where(here & (operator == times), term * digit, term) % _MODULUS
            term = np.where(here & (operator == plus), digit, term)
            term = np.where(here & (operator == minus), -digit, term)
        return symbols, (total + term) % _MODULUS


@lru_cache(maxsize=16)
def _shares_of_zero(most_digits: int) -> NDArray[np.float64]:
    """Return the probability that an expression of 1, 2, … digits is 0 modulo 5."""
    digits = np.arange(_MODULUS)
    # of the pairs (the sum so far, the product that is still open)
    share = np.zeros((_MODULUS, _MODULUS))
    share[0] = 1 / _MODULUS
    zero = []
    for _ in range(most_digits):
        value = np.zeros(_MODULUS)
        np.add.at(value, (digits[:, None] + digits) % _MODULUS, share)
        zero.append(value[0])
        # + and - end the product and open one that is uniform; x multiplies it by a uniform digit
        ended = 2 / 3 * np.repeat(value[:, None], _MODULUS, 1) / _MODULUS
        goes_on = np.zeros_like(share)
        for digit in digits:
            np.add.at(goes_on, (digits[:, None], digits * digit % _MODULUS), share / (3 * _MODULUS))
        share = ended + goes_on
    return np.array(zero)


class Majority(ClassAfterString):
    """Whether a string of bits has more ones than zeros; its length is odd, so that they are never equal."""

    name: Literal["majority"] = "majority"
    alphabet: ClassVar[str] = "01"
    kind_of_length: ClassVar[Literal["any", "odd", "even"]] = "odd"
    source: ClassVar[str] = "Arora et al. 2023, Zoology (official code, with strings of odd length alone)"

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw bits."""
        bits, inside = _random_strings(random, 2, lengths, self.length)
        return bits, (2 * (bits * inside).sum(0) > lengths).astype(np.int64)
