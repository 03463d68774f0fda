"""Balanced brackets: which brackets may come next, of one kind (dyck_1) or of two (dyck_2).

    dyck_1   input    ( ( ) )          dyck_2   input    ( [ ] )
             target   ( ( ( (                   target   ( ( ( (
                      ) ) )                              [ [ [ [
                                                         ) ] )

A word of n brackets is drawn uniformly from all balanced words of that length, n itself uniformly from the even lengths
up to ``length``. An opening bracket may always follow, or, with a greatest ``depth``, whenever fewer brackets are open;
a closing one if it closes the last that is open.

A prediction from the current bracket is right after an opening bracket, but not after a closing one: so the chance by
steps is high, because half of the brackets open and words seldom return to depth 0. Scored by
words it is low, the share of words that never nest. (A clock that knew the length of the word would find more words of
one kind: of n = 2m brackets, a share of (m + 1) / (4m - 2) comes back to depth 0 only at the end.) Perfect is 1.

Source: Suzgun et al. 2019, "LSTM Networks Can Perform Dynamic Counting", where brackets are predicted so, up to length
50 in training, with squared errors (``loss=squared``), and whole words count (``scored=string``). There words are not
uniform but come from a grammar: ``form=grammar`` has that of the code of a later paper by the same authors, whose sets
are made of words that all differ (``bracket_grammar.py``). Bounded depth: Hewitt et al. 2020, "RNNs Can Generate
Bounded Hierarchical Languages with Optimal Memory".
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gatelab.keys import Key
from gatelab.tasks.formal.bracket_grammar import bracket_grammar
from gatelab.tasks.formal.next_symbols import LegalSymbols
from gatelab.tasks.formal.strings import StringTask, one_hot
from gatelab.tasks.task import Batch

__all__ = ["Dyck1", "Dyck2"]


class BalancedBrackets(LegalSymbols, StringTask):
    """Words of brackets: inputs (time, batch, 2 · kinds) one-hot, opening brackets first; targets alike, 0 and 1."""

    length: int = Field(default=50, ge=2)
    """Brackets of the longest word in training and validation."""
    min_length: int = Field(default=2, ge=1, validate_default=True)
    """Brackets of the shortest; in the test it is ``length`` + 1, if ``test_length`` is greater than ``length``."""
    depth: int | None = Field(default=None, ge=2)
    """How many brackets may be open at once; null for any number."""
    scored: Literal["string", "step"] = Field(default="step")
    """What counts: words of which every set is right, or sets."""
    form: Annotated[
        Literal["uniform", "grammar"],
        Key("uniform: words are uniform among those of a length; grammar: a grammar draws them and their lengths, and "
            "those of a set differ, as in Suzgun et al.'s code", neutral="uniform"),
    ] = "uniform"  # fmt: skip

    kinds: ClassVar[int]
    kind_of_length: ClassVar[Literal["any", "odd", "even"]] = "even"
    source: ClassVar[str] = "Suzgun et al. 2019, LSTM Networks Can Perform Dynamic Counting (uniform words by default)"

    @model_validator(mode="after")
    def _the_grammar_has_every_depth(self) -> Self:
        if self.form == "grammar" and self.depth is not None:
            raise ValueError(f"form=grammar draws words of any depth: depth={self.depth} must be null")
        return self

    @property
    def input_size(self) -> int:
        return 2 * self.kinds

    @property
    def output_size(self) -> int:
        return 2 * self.kinds

    @property
    def differing(self) -> bool:
        return self.form == "grammar"

    @property
    def chance(self) -> float:
        if self.form == "grammar":
            at_bottom, flat = _counted(self.test(), self.kinds)
            at_top = 0.0  # there is no greatest depth
        else:
            flat = np.exp(-_words(self.length, self.depth).log_number[self.lengths]).mean()
            at_bottom, at_top = np.mean(
                [_turning_points(self.length, self.depth, length) for length in self.lengths.tolist()], axis=0
            )
        if self.scored == "string":
            return float(flat)
        # Half of the brackets open. A set is determined by the depth and, after a closing bracket that
        # leaves others open, by the kind of the last of these.
        return float(max(at_top, 0.5 - at_top) + max(at_bottom, (0.5 - at_bottom) / self.kinds))

    def draw_lengths(self, random: np.random.Generator, batch_size: int) -> NDArray[np.int64]:
        """Draw the length of each word, in the form of the grammar as often as this makes it."""
        if self.form == "grammar":
            return bracket_grammar(self.length).lengths(random, self.lengths, batch_size)
        return super().draw_lengths(random, batch_size)

    def of_lengths(self, random: np.random.Generator, lengths: NDArray[np.int64]) -> Batch:
        """Draw where brackets open, and their kinds; each closing one has the kind of the last that is open."""
        batch_size = len(lengths)
        opens = self._openings(random, lengths)
        kinds = random.integers(0, self.kinds, (self.length, batch_size))
        sequence = np.arange(batch_size)
        depths = np.where(opens, 1, -1).cumsum(0).clip(0)
        # the kind of the bracket that is open at each depth; below the first is nothing
        open_kind = np.zeros((self.length + 2, batch_size), np.int64)
        read, last_open = np.empty_like(depths), np.empty_like(depths)
        before = np.zeros(batch_size, np.int64)
        for step, depth in enumerate(depths):
            closed = self.kinds + open_kind[before, sequence]
            open_kind[depth, sequence] = np.where(opens[step], kinds[step], open_kind[depth, sequence])
            read[step] = np.where(opens[step], kinds[step], closed)
            last_open[step] = open_kind[depth, sequence]
            before = depth
        targets = np.zeros((self.length, batch_size, 2 * self.kinds), np.float32)
        targets[..., : self.kinds] = 1 if self.depth is None else (depths < self.depth)[..., None]
        closing = np.arange(self.kinds) == last_open[..., None]
        targets[..., self.kinds :] = closing & (depths > 0)[..., None]
        targets[np.arange(self.length)[:, None] >= lengths] = 0
        return self.judged(one_hot(read, lengths, 2 * self.kinds), lengths, targets)

    def _openings(self, random: np.random.Generator, lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Draw where brackets open: (length, batch), false behind the ends.

        Uniform words from left to right: a bracket opens with the share of the possible words in which it does.
        """
        if self.form == "grammar":
            return bracket_grammar(self.length).openings(random, lengths, self.length)
        opens_with = _words(self.length, self.depth).opens_with
        chances = random.random((self.length, len(lengths)))
        opens, depth = np.empty(chances.shape, np.bool_), np.zeros(len(lengths), np.int64)
        for step in range(self.length):
            opens[step] = chances[step] < opens_with[(lengths - step).clip(0), depth]
            depth = np.where(opens[step], depth + 1, np.maximum(depth - 1, 0))
        return opens


class Dyck1(BalancedBrackets):
    """Brackets of one kind: a counter is enough."""

    name: Literal["dyck_1"] = "dyck_1"
    kinds: ClassVar[int] = 1


class Dyck2(BalancedBrackets):
    """Brackets of two kinds: a stack is needed."""

    name: Literal["dyck_2"] = "dyck_2"
    kinds: ClassVar[int] = 2


def _counted(batch: Batch, kinds: int) -> tuple[float, float]:
    """Return of drawn words which share of brackets lead to depth 0, and which share of words never nest."""
    at_bottom = (batch.loss_weights * ~batch.targets[..., kinds:].any(-1)).sum(0, dtype=float)
    # half of the brackets of a word close; if all of them lead to depth 0, none is nested
    return float(at_bottom.mean()), float(np.isclose(at_bottom, 0.5).mean())


class _Words(NamedTuple):
    """Balanced words of one kind of bracket, counted."""

    log_number: NDArray[np.float64]
    """Log of the number of words of length 0, 1, …: minus infinity for odd ones."""
    opens_with: NDArray[np.float64]
    """(left, depth): the share of the ends of that length, from that depth down to 0, that begin with an opening."""
    relative: NDArray[np.float64]
    """(left, depth): the number of these ends, each row over its scale."""
    log_scale: NDArray[np.float64]
    """Log of the scale of each row: the numbers themselves would overflow."""


@lru_cache(maxsize=16)
def _words(length: int, depth: int | None) -> _Words:
    """Count the ways down to depth 0, by the length that is left, from every depth."""
    # with that many brackets a word cannot go deeper than half of them, but ends of words begin anywhere
    deepest = length if depth is None else min(depth, length)
    relative = np.zeros((length + 1, deepest + 2))
    log_scale = np.zeros(length + 1)
    opens_with = np.zeros_like(relative)
    relative[0, 0] = 1
    for left in range(1, length + 1):
        closing = np.concatenate([[0], relative[left - 1, :-1]])
        opening = np.concatenate([relative[left - 1, 1:], [0]])
        opening[deepest:] = 0
        closing[deepest + 1 :] = 0
        ways = opening + closing
        opens_with[left] = np.divide(opening, ways, out=np.zeros_like(ways), where=ways > 0)
        relative[left] = ways / ways.max()
        log_scale[left] = log_scale[left - 1] + np.log(ways.max())
    with np.errstate(divide="ignore"):
        log_number = np.log(relative[:, 0]) + log_scale
    return _Words(log_number, opens_with, relative, log_scale)


def _turning_points(longest: int, depth: int | None, length: int) -> tuple[float, float]:
    """Return which share of the brackets of words of one length lead to depth 0, and which to the greatest depth."""
    words = _words(longest, depth)
    before = np.arange(length)
    # Read backwards, the ways up from 0 are the ways down to it.
    log_scale = words.log_scale[before] + words.log_scale[length - 1 - before] - words.log_number[length]
    ways_down = words.relative[length - 1 - before, 0] * words.relative[before, 1]
    ways_up = 0.0
    if depth is not None and depth <= length:
        ways_up = words.relative[before, depth - 1] * words.relative[length - 1 - before, depth]
    return float((ways_down * np.exp(log_scale)).mean()), float((ways_up * np.exp(log_scale)).mean())
