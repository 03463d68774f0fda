"""Tomita's grammars: does a string of bits belong to one of seven small regular languages?

    grammar 4, no three zeros in a row:    0 0 1 0 1 ?    1        belongs
                                           0 1 0 0 0 ?    0        does not

    1   ones alone                                          5   even numbers of zeros and of ones
    2   10 again and again                                  6   zeros minus ones a multiple of 3
    3   no odd number of zeros right after                  7   zeros, ones, zeros, ones, any number of each
        an odd number of ones
    4   no three zeros in a row

Half of the strings belong. Of those that belong, and of those that do not, one is drawn uniformly from all of its
length; lengths are uniform over those at which there are both. Guessing gives an accuracy of 0.5; perfect is 1. In most
grammars few strings belong: of grammar 1 and 2 there is one of each length, so that training and test share it.

Source: Tomita 1982, "Dynamic Construction of Finite-State Automata from Examples Using Hill-Climbing", which trained on
small lists of strings; the "?" at which the class is read is that of the other tasks on strings.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from gatelab.tasks.formal.strings import ClassAfterString

__all__ = ["Tomita"]


class _Automaton(NamedTuple):
    """A finite automaton over 0 and 1 that begins in state 0."""

    after: tuple[tuple[int, int], ...]
    """For each state, the states after a 0 and after a 1."""
    accepting: frozenset[int]
    """The states in which a string belongs."""


_AUTOMATA = {
    1: _Automaton(((1, 0), (1, 1)), frozenset({0})),
    # a 1 is due, a 0 is due, spoilt
    2: _Automaton(((2, 1), (0, 2), (2, 2)), frozenset({0})),
    # harmless, after an odd number of ones, then of zeros odd, then even, spoilt
    3: _Automaton(((0, 1), (2, 0), (3, 4), (2, 1), (4, 4)), frozenset({0, 1, 3})),
    # how many zeros came last
    4: _Automaton(((1, 0), (2, 0), (3, 0), (3, 3)), frozenset({0, 1, 2})),
    # parity of zeros + 2 · parity of ones
    5: _Automaton(((1, 2), (0, 3), (3, 0), (2, 1)), frozenset({0})),
    # zeros minus ones modulo 3
    6: _Automaton(((1, 2), (2, 0), (0, 1)), frozenset({0})),
    # which of the four runs it is, spoilt
    7: _Automaton(((0, 1), (2, 1), (2, 3), (4, 3), (4, 4)), frozenset({0, 1, 2, 3})),
}


class Tomita(ClassAfterString):
    """Membership in one of Tomita's languages: inputs (time, batch, 3) = 0, 1 and "?", targets (batch,) 1 if so."""

    name: Literal["tomita"] = "tomita"
    grammar: int = Field(default=4, ge=1, le=7, validate_default=True)
    """Which of the seven."""

    alphabet: ClassVar[str] = "01"
    source: ClassVar[str] = "Tomita 1982"

    @field_validator("grammar")
    @classmethod
    def _some_length_has_both(cls, value: int, info: ValidationInfo) -> int:
        shortest, longest = info.data.get("min_length"), info.data.get("length")
        if shortest is not None and longest is not None and not len(_lengths_with_both(value, shortest, longest)):
            raise ValueError(
                f"no length from min_length={shortest} to length={longest} has both strings that belong and others"
            )
        return value

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The lengths at which there are strings that belong and strings that do not."""
        return _lengths_with_both(self.grammar, self.min_length, self.length)

    def strings(
        self, random: np.random.Generator, lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw classes, and strings from left to right: a bit is 1 with the share of the strings in which it is."""
        after, one_with = np.array(_AUTOMATA[self.grammar].after), _strings(self.grammar, self.length).one_with
        size = len(lengths)
        classes = random.integers(0, 2, size)
        chances = random.random((self.length, size))
        bits, state = np.empty((self.length, size), np.int64), np.zeros(size, np.int64)
        for step in range(self.length):
            bits[step] = chances[step] < one_with[(lengths - step).clip(0), state, classes]
            state = after[state, bits[step]]
        return bits, classes


class _Strings(NamedTuple):
    """Strings by what is left of them, the state of the automaton before and the class in the end."""

    exist: NDArray[np.bool_]
    """(left, state, class): whether there is any."""
    one_with: NDArray[np.float64]
    """(left, state, class): the share of these that begin with a 1; anything where there is none."""


@lru_cache(maxsize=16)
def _strings(grammar: int, length: int) -> _Strings:
    automaton = _AUTOMATA[grammar]
    after = np.array(automaton.after)
    number = np.zeros((length + 1, len(after), 2))
    one_with = np.zeros_like(number)
    for state in range(len(after)):
        number[0, state, int(state in automaton.accepting)] = 1
    for left in range(1, length + 1):
        zero, one = number[left - 1, after[:, 0]], number[left - 1, after[:, 1]]
        one_with[left] = np.divide(one, zero + one, out=np.zeros_like(one), where=zero + one > 0)
        # relative to the greatest of each class, as the numbers themselves would overflow
        number[left] = (zero + one) / (zero + one).max(0)
    return _Strings(number > 0, one_with)


def _lengths_with_both(grammar: int, shortest: int, longest: int) -> NDArray[np.int64]:
    lengths = np.arange(shortest, longest + 1)
    return lengths[_strings(grammar, longest).exist[lengths, 0].all(-1)]
