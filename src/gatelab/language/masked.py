"""What training draws, written into the equations of a variant: zoneout and two forms of dropout within a step.

Each is a rewriting that adds a vector of factors to the equations, so that whatever runs equations runs it. With a
number in place of a vector it is the same network after training, for files, diagrams and other programs.

    zoneout              every state keeps the value of before where a mask z is 1 (Krueger et al. 2017, "Zoneout:
                         Regularizing RNNs by Randomly Preserving Hidden Activations"):

        h_new = …          equations of the step read what the step has computed, whether it is kept or not,
        h = z h + (1 - z) h_new        as in that paper, whose h is computed from the new cell state

    recurrent dropout    what a step adds to a state that it keeps in part, a ⊙ s + u, is multiplied with a mask d; what
                         is kept is not (Semeniuta et al. 2016, "Recurrent Dropout without Memory Loss": their
                         i ⊙ d(g) is d ⊙ (i ⊙ g)):

        c = f c + d (i z)

    variational dropout  where a matrix reads the hidden state of before, it reads it through a mask that stays the same
                         for a whole sequence (Gal & Ghahramani 2016, "A Theoretically Grounded Application of Dropout
                         in Recurrent Neural Networks"; one mask for all matrices of a layer)
"""

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeVar

from gatelab.language.sizes import BESIDE, DRAWN
from gatelab.language.splicing import is_call, is_diagonal, spelled
from gatelab.language.tree import Expression, Linear, Negation, Operation, Read, children, walk
from gatelab.language.variant import Variant

__all__ = ["after_training", "cells", "drawn_words", "gains", "hidden_state", "in_training"]

Value = TypeVar("Value")


def hidden_state(variant: Variant) -> str | None:
    """Return the state that is the output, or h where the output is none; None if there is no such state."""
    name = variant.output if variant.output in variant.states else "h"
    return name if name in variant.states and variant.sizes[name] == "hidden" else None


def cells(variant: Variant) -> tuple[str, ...]:
    """Return the other states, without those that are as long as x_t and those that count time: no unit's memory."""
    hidden = hidden_state(variant)
    return tuple(
        one
        for one in variant.states
        if one != hidden and variant.sizes[one] == "hidden" and not _is_clock(variant, one)
    )


def gains(variant: Variant) -> dict[str, tuple[str, str]]:
    """Return for each state that a step keeps in part the texts of what it keeps and of what it adds.

    States that a step also hands to each other, such as the two parts of a complex number, add no more than they keep;
    what others are divided by would become 0.
    """
    known = variant.respelled()
    states = [one for one in known.states if not _is_clock(known, one)]
    every = _carriers(known, states)
    found = {}
    below = _denominators(known)
    for state in (one for one in states if known.sizes[one] == "hidden" and one not in below):
        parts = _parts(known.trees[state], state, known.equations[state], _carriers(known, (state,)))
        if parts is None or parts.kept is None or parts.added is None:
            continue
        if not any(_hands_on(node, states, every) for part in parts.of_added for node in _bare(part)):
            found[state] = (parts.kept, parts.added)
    return found


def drawn_words(variant: Variant, rates: Mapping[str, float]) -> tuple[str, ...]:
    """Return which of the rates above 0 draw something for a variant, in the order of their columns.

    Args:
        variant: whose equations are trained.
        rates: key of :data:`DRAWN` -> probability.
    """
    if variant.foreign is not None:
        return ()
    there: dict[str, Callable[[], bool]] = {
        "zoneout_hidden": lambda: hidden_state(variant) is not None,
        "zoneout_cell": lambda: bool(cells(variant)),
        "recurrent_dropout": lambda: bool(gains(variant)),
        "variational_dropout": lambda: bool(_read_by_matrices(variant.respelled())),
    }
    return tuple(name for name in DRAWN if rates.get(name) and there[name]())


@lru_cache(maxsize=256)
def in_training(variant: Variant, words: tuple[str, ...]) -> Variant:
    """Return the variant whose equations read the masks of these words, beside x.

    Its parameters are those of the variant, in the same order; their names follow the new equations.
    """
    found = variant
    if "variational_dropout" in words:
        found = _varied(found)
    if "recurrent_dropout" in words:
        found = _gained(found)
    zoned = _of_states(variant, "zoneout_hidden", "zoneout_cell")
    return _zoned(found, {state: (word, f"(1 - {word})") for state, word in zoned.items() if word in words})


@lru_cache(maxsize=256)
def after_training(variant: Variant, hidden: float, cell: float) -> Variant:
    """Return the variant that a trained network computes: zoneout by its expectation, no dropout.

    Its parameters are those of :func:`in_training`, in the same order.

    Args:
        variant: without masks.
        hidden, cell: probability with which the hidden state, and every other state, is kept.
    """
    rates = _of_states(variant, hidden, cell)
    return _zoned(variant, {state: (repr(rate), repr(1 - rate)) for state, rate in rates.items() if rate})


def _of_states(variant: Variant, hidden: Value, cell: Value) -> dict[str, Value]:
    """Return a value for each state that is held: one for the hidden state, one for all others."""
    state = hidden_state(variant)
    return {**({} if state is None else {state: hidden}), **dict.fromkeys(cells(variant), cell)}


def _varied(variant: Variant) -> Variant:
    known = variant.respelled()
    texts = dict(known.equations)
    for name, reads in _read_by_matrices(known).items():
        for read in reversed(reads):
            text = texts[name]
            masked = f"(variational_dropout*{read.name})"
            texts[name] = text[: read.span.start] + masked + text[read.span.stop :]
    return _rewritten(known, texts)


def _read_by_matrices(known: Variant) -> dict[str, list[Read]]:
    """Return equation -> where its matrices read the hidden state of before, left to right."""
    state = hidden_state(known)
    found: dict[str, list[Read]] = {}
    for name, tree in known.trees.items():
        sources = [source for node in walk(tree) if isinstance(node, Linear) for source in node.sources]
        reads = {
            node.span.start: node
            for source in sources
            for node in walk(source)
            if isinstance(node, Read) and node.name == state and node.when == "previous"
        }
        if reads:
            found[name] = [reads[start] for start in sorted(reads)]
    return found


def _gained(variant: Variant) -> Variant:
    texts = dict(variant.equations)
    for state, (kept, added) in gains(variant).items():
        texts[state] = f"{kept} + recurrent_dropout*({added})"
    return _rewritten(variant, texts)


class _Parts(NamedTuple):
    """What a step keeps of a state, a ⊙ s, and what it adds, as texts; None for nothing."""

    kept: str | None
    added: str | None
    of_added: tuple[Expression, ...] = ()
    """What stands in the text of what is added."""


def _carriers(known: Variant, states: Collection[str]) -> frozenset[str]:
    """Return the equations that hand on old values of states element by element, not through a function or a map."""
    found: set[str] = set()
    for name, tree in known.trees.items():
        if any(_hands_on(node, states, found) for node in _bare(tree)):
            found.add(name)
    return frozenset(found)


def _hands_on(node: Expression, states: Collection[str], carriers: Collection[str]) -> bool:
    return isinstance(node, Read) and node.name in (carriers if node.when == "now" else states)


def _bare(tree: Expression) -> list[Expression]:
    """Return the nodes of a tree between which and its root stand only operations."""
    if isinstance(tree, Operation | Negation):
        return [node for child in children(tree) for node in _bare(child)]
    return [tree]


def _parts(tree: Expression, state: str, text: str, carriers: Collection[str]) -> _Parts | None:
    """Return what an expression keeps of a state and what it adds; None if it bends the state.

    Args:
        tree: an expression of the state's equation.
        state: whose old value is looked for.
        text: of the equation.
        carriers: equations that hand on its old value: these are not looked into.
    """
    if not any(_hands_on(node, (state,), carriers) for node in _bare(tree)):
        return _Parts(None, f"({spelled(text, tree)})", (tree,))
    match tree:
        case Read(when="previous"):
            return _Parts(state, None)
        case Operation(right=Read(when="previous")) if is_diagonal(tree):
            return _Parts(spelled(text, tree), None)
        case Operation() if is_call(tree):
            return None
        case Negation(operand=operand):
            inner = _parts(operand, state, text, carriers)
            return None if inner is None else _each(inner, lambda part: f"(-{part})")
        case Operation(symbol="+" | "-" | "*" | "/" as symbol, left=left, right=right):
            one, other = _parts(left, state, text, carriers), _parts(right, state, text, carriers)
            if one is None or other is None:
                return None
            if symbol in ("+", "-"):
                kept, added = _summed(symbol, one.kept, other.kept), _summed(symbol, one.added, other.added)
                return _Parts(kept, added, (*one.of_added, *other.of_added))
            if other.kept is None:
                return _each(one, lambda part: f"{part}{symbol}({spelled(text, right)})", right)
            if one.kept is None and symbol == "*":
                return _each(other, lambda part: f"({spelled(text, left)})*{part}", left)
    return None


def _each(parts: _Parts, change: Callable[[str], str], *more: Expression) -> _Parts:
    """Return parts whose texts are changed, with what else stands in that of what is added."""
    kept, added = (None if part is None else change(part) for part in (parts.kept, parts.added))
    return _Parts(kept, added, (*parts.of_added, *more))


def _summed(symbol: str, one: str | None, other: str | None) -> str | None:
    if one is None or other is None:
        return one if other is None else other if symbol == "+" else f"(-{other})"
    return f"({one} {symbol} {other})"


def _denominators(known: Variant) -> set[str]:
    """Return the names that stand below a fraction line."""
    nodes = (node for tree in known.trees.values() for node in walk(tree))
    below = [node.right for node in nodes if isinstance(node, Operation) and node.symbol == "/"]
    return {node.name for one in below for node in walk(one) if isinstance(node, Read)}


def _is_clock(known: Variant, state: str) -> bool:
    """Say whether a state counts steps or time: nothing of what it is made of sees x_t."""
    seen: set[str] = set()
    waiting = [state]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            reads = [node for node in walk(known.trees[name]) if isinstance(node, Read)]
            if any(node.when == "input" and node.name not in BESIDE for node in reads):
                return False
            waiting += [node.name for node in reads if node.when != "input"]
    return True


def _zoned(variant: Variant, masks: Mapping[str, tuple[str, str]]) -> Variant:
    """Return a variant some of whose states keep their value: state -> the texts of its mask z and of 1 - z."""
    if not masks:
        return variant
    known = variant.respelled()
    fresh = {state: _fresh_name(state, known) for state in masks}
    texts: dict[str, str] = {}
    for name, text in known.equations.items():
        reads = [
            node
            for node in walk(known.trees[name])
            if isinstance(node, Read) and node.when == "now" and node.name in fresh
        ]
        for read in sorted(reads, key=lambda node: -node.span.start):
            text = text[: read.span.start] + fresh[read.name] + text[read.span.stop :]
        for state, new in fresh.items():
            text = re.sub(rf"\btied\s*=\s*{state}\b", f"tied={new}", text)
        texts[fresh.get(name, name)] = text
    for state, (mask, rest) in masks.items():
        texts[state] = f"{mask}*{state} + {rest}*{fresh[state]}"
    roles = {role: fresh.get(name, name) for role, name in known.roles.items()}
    return _rewritten(known, texts, roles)


def _fresh_name(state: str, known: Variant) -> str:
    name = f"{state}_new"
    while name in known.equations or name in DRAWN:
        name += "_"
    return name


def _rewritten(known: Variant, texts: Mapping[str, str], roles: Mapping[str, str] | None = None) -> Variant:
    changed = {**known.mapping(), "equations": dict(texts), "roles": dict(known.roles if roles is None else roles)}
    return Variant.from_mapping(changed, f"variant '{known.name}', with what training draws", drawn=True)
