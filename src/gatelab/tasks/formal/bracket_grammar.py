"""Balanced words as a grammar with a greatest length makes them: the law of their lengths and shapes, exactly.

The grammar is S → ( S ) with probability p = 1/2, S S with q = 1/4, and nothing with 1/4, in the form that the code of
Suzgun et al. 2019, "Memory-Augmented Recurrent Neural Networks Can Learn Generalized Dyck Languages", gives it: a word
inside of c brackets is nothing where 2c ≥ M, the greatest length, and a word that comes out longer than M is replaced
by nothing, at every place of the recursion.

Let N_c(m) be the probability of a word of 2m brackets inside of c others. For 2c ≥ M, N_c(0) = 1; elsewhere, for
1 ≤ m ≤ M/2,

    N_c(m) = p N_{c+1}(m-1) + q Σ_{k=0}^{m} N_c(k) N_c(m-k)

    N_c(m) (1 - 2q N_c(0)) = p N_{c+1}(m-1) + q Σ_{0<k<m} N_c(k) N_c(m-k)

and all N_c(m) sum to one, since what is too long is nothing: the sum rises with N_c(0), which is therefore its only
solution. The terms on the right are also the odds of the ways in which a word of that length came about: words of the
lengths that are wanted are drawn at once. (With M = 100 one word in twelve has more than 50 brackets.)
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

__all__ = ["BracketGrammar", "bracket_grammar"]

_NESTED, _SPLIT = 0.5, 0.25
_EXACT = 1e-15  # of N_c(0), a probability
_CLOSING = (0, 0)  # a bracket that is still to be written


class BracketGrammar:
    """The words of at most ``longest`` brackets of one kind.

    Args:
        longest: the greatest length, 2 or more.
    """

    def __init__(self, longest: int) -> None:
        most, deepest = longest // 2, (longest + 1) // 2
        self.law: NDArray[np.float64] = np.zeros((deepest + 1, most + 1))
        """(c, m): the probability of a word of 2m brackets inside of c others."""
        self.law[deepest, 0] = 1
        for inside in reversed(range(deepest)):
            nested = _NESTED * self.law[inside + 1, :-1]
            self.law[inside, 0] = brentq(_excess, 0, 1, (nested,), xtol=_EXACT)
            self.law[inside, 1:] = _not_empty(self.law[inside, 0], nested)
        self._odds: dict[tuple[int, int], list[float]] = {}

    def lengths(self, random: np.random.Generator, among: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        """Draw lengths (size,) of words among some even ones, in rising order."""
        summed = self.law[0, among // 2].cumsum()
        place = np.searchsorted(summed, summed[-1] * random.random(size), side="right")
        return among[place.clip(max=len(among) - 1)]

    def openings(self, random: np.random.Generator, lengths: NDArray[np.int64], steps: int) -> NDArray[np.bool_]:
        """Draw a word of each length; return where brackets open: (steps, batch), false behind the ends."""
        opens = np.zeros((steps, len(lengths)), np.bool_)
        for sequence, length in enumerate(lengths.tolist()):
            opens[:length, sequence] = self._word(random, length // 2)
        return opens

    def _word(self, random: np.random.Generator, half: int) -> list[bool]:
        """Draw a word from the left: of parts that are still to be written, the next is last in the list."""
        opens = []
        parts = [(0, half)]
        while parts:
            inside, half = parts.pop()
            opens.append(half > 0)
            if not half:
                continue
            while first := self._first_part(random, inside, half):
                parts.append((inside, half - first))
                half = first
            parts.append(_CLOSING)
            if half > 1:
                parts.append((inside + 1, half - 1))
        return opens

    def _first_part(self, random: np.random.Generator, inside: int, half: int) -> int:
        """Draw half the length of the first of the two words that a word consists of, 0 if it is nested instead."""
        if half == 1:
            return 0
        odds = self._odds.get((inside, half))
        if odds is None:
            parts = self.law[inside, 1:half]
            ways = [_NESTED * self.law[inside + 1, half - 1 : half], _SPLIT * parts * parts[::-1]]
            odds = self._odds[inside, half] = np.concatenate(ways).cumsum().tolist()
        return min(bisect_right(odds, odds[-1] * random.random()), half - 1)


@lru_cache(maxsize=8)
def bracket_grammar(longest: int) -> BracketGrammar:
    """Return the grammar of a greatest length, which is computed once."""
    return BracketGrammar(longest)


def _not_empty(empty: float, nested: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return N_c(1), N_c(2), … from N_c(0) and the terms p N_{c+1}(m-1)."""
    found = np.zeros(len(nested) + 1)
    for half, term in enumerate(nested, 1):
        pairs = found[1:half] @ found[half - 1 : 0 : -1]
        found[half] = (term + _SPLIT * pairs) / (1 - 2 * _SPLIT * empty)
    return found[1:]


def _excess(empty: float, nested: NDArray[np.float64]) -> float:
    """Return by how much the sum of all N_c(m) is above one."""
    return float(empty + _not_empty(empty, nested).sum() - 1)
