"""Embedded Reber grammar: predict which symbols can come next; the last but one repeats the second.

    input    B   T   B   T   S   X   S   E   T         of the string B T (B T S X S E) T E
    target  TP   B  TP  SX  SX  SX   E   T   E         legal next symbols
    judged                               ^             the long lag

An inner string, in parentheses, is B, a walk from 0 to the end through this automaton, E. Of two branches each has the
probability 1/2:

    0: T to 1, P to 2    1: S to 1, X to 3    2: T to 2, V to 4    3: X to 2, S to the end    4: P to 3, V to the end

An outer string is B, T or P, an inner string, the same T or P, E.

- ``embedded_reber`` shows one outer string; those of ``shortest`` to ``length`` symbols keep their relative
  probabilities, and no others are shown. Test strings of a ``test_length`` beyond ``length`` are longer than these.
- ``continual_reber`` shows ``length`` symbols of outer strings in a row, where only the E marks the end of one.

The target of a step is the set of the legal next symbols; a prediction is right if exactly their logits are above 0,
or, with ``right=most_active``, if these are greater than those of all other symbols. The loss counts every step.
Judged are

- ``outer``: the predictions of the outer symbol. Without memory T is as good as P: 1/2.
- ``all``: whole sequences, which count if every step is right. Without memory none is, because the outer symbol must be
  answered with B at first and with E when it returns. (In a stream so only if it returns; but the probability that it
  does not, or that nothing is judged, halves about every second symbol.)
- ``stretch``, of a stream: the share of its steps before the first error. Without memory that are three steps: B, T or
  P, B are answered by themselves, and the T or P that follows is not.

Perfect is 1. Sources: Smith & Zipser 1989, "Learning Sequential Structure with the Real-Time Recurrent Learning
Algorithm"; Hochreiter & Schmidhuber 1997, "Long Short-Term Memory", experiment 1, which has 256 fixed training strings
(``training_size=256``), minimises the squared error of logistic outputs (``loss=squared``) summed over the steps
(``training.reduce=sum``) and counts a string as right if its legal symbols are the most active; Gers, Schmidhuber &
Cummins 2000, "Learning to Forget: Continual Prediction with LSTM", which judges whole streams, of up to 100,000
symbols, where every output must be off by less than 0.49 from the set of legal symbols, and tells how many symbols
networks read without an error (``judged=stretch``).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gatelab.keys import Key
from gatelab.tasks.chosen_loss import SetTask
from gatelab.tasks.losses import most_active, set_accuracy, so_far
from gatelab.tasks.task import Batch, LengthTask, RangeTask

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ContinualReber", "EmbeddedReber", "Reber"]

_SYMBOLS = "BTPSXVE"
_INNER = {0: "T1 P2", 1: "S1 X3", 2: "T2 V4", 3: "X2 S5", 4: "P3 V5"}  # 5 is the end
_SHORTEST = 9  # symbols of the shortest outer string, such as B T B T X S E T E
_START, _OPEN, _END, _BRANCH = 0, 1, 20, 9  # the start and what follows it; the end; states of each outer branch
_CLOSING = (9, 18)  # the states in which the outer symbol returns
_BY_HEART = 3  # steps of a stream that a fixed answer for each symbol gets right
_SCORE_NAMES = {
    "outer": "accuracy on the outer symbol",
    "all": "fraction of sequences without an error",
    "stretch": "share of a stream before its first error",
}


def _automaton() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the next state and the symbol of each branch, both (21, 2); a state that has one branch has it twice."""
    following, symbols = np.full((2, _END + 1, 2), _END)

    def lead(state: int, *branches: tuple[str, int]) -> None:
        for branch in range(2):
            symbol, following[state, branch] = branches[branch % len(branches)]
            symbols[state, branch] = _SYMBOLS.index(symbol)

    lead(_START, ("B", _OPEN))
    lead(_OPEN, ("T", 2), ("P", 2 + _BRANCH))
    for outer, begin in (("T", 2), ("P", 2 + _BRANCH)):
        lead(begin, ("B", begin + 1))
        for state, branches in _INNER.items():
            lead(begin + 1 + state, *((branch[0], begin + 1 + int(branch[1])) for branch in branches.split()))
        lead(begin + 6, ("E", begin + 7))
        lead(begin + 7, (outer, begin + 8))
        lead(begin + 8, ("E", _END))
    symbols[_END] = len(_SYMBOLS)  # none
    return following, symbols


_FOLLOWING, _EMITTED = _automaton()
_ONE_HOT = np.eye(len(_SYMBOLS) + 1, len(_SYMBOLS), dtype=np.float32)  # with a row of zeros for no symbol
_LEGAL = _ONE_HOT[_EMITTED].max(1)  # (21, symbols)


class Reber(SetTask, LengthTask):
    """What both share: inputs and targets (time, batch, 7), one-hot and sets, in the order B T P S X V E."""

    judged: Literal["outer", "all", "stretch"] = "outer"
    """Whether the predictions of the outer symbol are judged, or whole sequences, or what is before an error."""
    right: Annotated[
        Literal["exact", "most_active"],
        Key("exact: the legal symbols alone have logits above 0; most_active: greater ones than all others",
            neutral="exact"),
    ] = "exact"  # fmt: skip

    input_size: ClassVar[int] = len(_SYMBOLS)
    output_size: ClassVar[int] = len(_SYMBOLS)
    readout: ClassVar[Literal["last", "every"]] = "every"
    higher_is_better: ClassVar[bool] = True
    perfect: ClassVar[float] = 1.0

    @property
    def score_name(self) -> str:
        return _SCORE_NAMES[self.judged]

    @property
    def chance(self) -> float:
        return {"outer": 0.5, "all": 0.0, "stretch": _BY_HEART / self.length}[self.judged]

    @property
    def chance_meaning(self) -> str:
        return "predicting T always" if self.judged == "outer" else "a fixed answer for each symbol"

    def batch(self, symbols: NDArray[np.int64], states: NDArray[np.int64], lengths: NDArray[np.int64]) -> Batch:
        """Return a batch of symbols and of the states that follow them, both (time, batch)."""
        step = np.arange(len(symbols))[:, None]
        inputs, targets = _ONE_HOT[symbols], _LEGAL[states]
        inputs[step >= lengths] = 0
        inside = step < lengths
        judged = {"outer": np.isin(states, _CLOSING), "all": step == lengths - 1, "stretch": inside}[self.judged]
        return Batch(inputs, lengths, targets, inside.astype(np.float32), judged.astype(np.float32))

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        right = set_accuracy(outputs, targets) if self.right == "exact" else most_active(outputs, targets)
        return right if self.judged == "outer" else so_far(right)


class EmbeddedReber(RangeTask, Reber):
    """One string of the embedded Reber grammar."""

    name: Literal["embedded_reber"] = "embedded_reber"
    judged: Literal["outer", "all"] = "outer"
    """Whether the predictions of the outer symbol are judged, or whole sequences."""
    length: int = Field(default=40, ge=_SHORTEST)
    """The most symbols of a string; a fraction of 6e-5 of the strings of the grammar has more than the default."""
    shortest: int = Field(default=_SHORTEST, ge=_SHORTEST)
    """The fewest symbols of a string."""

    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, experiment 1 (after Smith & Zipser 1989)"

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw strings of the lengths that are allowed."""
        symbols, states = _walk(random, batch_size, _FOLLOWING, _first_branch(self.shortest, self.length))
        # nothing is predicted after the last symbol
        return self.batch(symbols[:-1], states[:-1], (states != _END).sum(0))


class ContinualReber(Reber):
    """A stream of strings of the embedded Reber grammar."""

    name: Literal["continual_reber"] = "continual_reber"
    length: int = Field(default=200, ge=50)
    """Symbols of a stream."""

    source: ClassVar[str] = "Gers, Schmidhuber & Cummins 2000 (after Smith & Zipser 1989)"

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw strings one after the other."""
        halves = np.full((self.length, _END + 1), 0.5)
        endless = np.where(_FOLLOWING == _END, _START, _FOLLOWING)
        symbols, states = _walk(random, batch_size, endless, halves)
        return self.batch(symbols, states, np.full(batch_size, self.length, np.int64))


def _walk(
    random: np.random.Generator, batch_size: int, following: NDArray[np.int64], first_branch: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Walk through the automaton; return the symbols and the states that follow them, both (steps, batch).

    ``first_branch`` (steps, states) is the probability of the first branch of each state at each step.
    """
    steps = len(first_branch)
    numbers = random.random((steps, batch_size))
    if batch_size == 1:
        return _walk_alone(numbers[:, 0].tolist(), following, first_branch)
    states, branches = np.full((steps + 1, batch_size), _START), np.empty((steps, batch_size), np.int64)
    for step in range(steps):
        branches[step] = numbers[step] >= first_branch[step].take(states[step])
        states[step + 1] = following.take(2 * states[step] + branches[step])
    return _EMITTED[states[:-1], branches], states[1:]


def _walk_alone(
    numbers: list[float], following: NDArray[np.int64], first_branch: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Walk as :func:`_walk` does, one sequence without arrays: online training draws millions of them."""
    states, symbols = np.full((len(numbers), 1), _END), np.full((len(numbers), 1), len(_SYMBOLS))
    state = _START
    for step, number in enumerate(numbers):
        branch = int(number >= first_branch[step, state])
        symbols[step] = _EMITTED[state, branch]
        states[step] = state = int(following[state, branch])
        if state == _END:
            break
    return symbols, states


@lru_cache(maxsize=8)
def _first_branch(shortest: int, longest: int) -> NDArray[np.float64]:
    """Return the probability of the first branch at each step in each state, given the length: (longest, 21).

    With h_t(s) the probability that a walk which is in state s after t symbols ends within the allowed lengths, that of
    the branch to state a rather than b is h_{t+1}(a) / (h_{t+1}(a) + h_{t+1}(b)).
    """
    chances = np.empty((longest, _END + 1))
    reaches = np.zeros(_END + 1)
    reaches[_END] = 1
    for step in reversed(range(longest)):
        both = reaches[_FOLLOWING]
        total = both.sum(1)
        chances[step] = np.divide(both[:, 0], total, out=np.full(_END + 1, 0.5), where=total > 0)
        reaches = total / 2
        reaches[_END] = step >= shortest
    return chances
