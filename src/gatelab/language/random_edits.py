"""Random valid edits of a variant, for a search over architectures.

After Jozefowicz, Zaremba & Sutskever 2015, "An Empirical Exploration of Recurrent Network Architectures", section 3:
activations are exchanged, put in and taken out, operations exchanged, terms replaced by other vectors or dropped.
Where their graph has nodes, here are the expressions of the equations.
"""

import random
from collections.abc import Mapping
from typing import Any

from gatelab.errors import UserError
from gatelab.language.functions import FUNCTIONS
from gatelab.language.splicing import is_call, is_operation, parts, replaced, spelled
from gatelab.language.tree import Expression, FunctionCall, Operation, Read, Symbol
from gatelab.language.variant import Variant
from gatelab.language.word_table import IDENTITY, INPUT

__all__ = ["mutated"]

_SYMBOLS: tuple[Symbol, ...] = ("+", "-", "*")
_TRIES = 400


def mutated(mapping: Mapping[str, Any], seed: int, where: str = "variant") -> Variant:
    """Return the variant of a mapping with one random edit of one equation.

    The same seed gives the same edit. The edited variant keeps its states and reads x_t, and its equations differ from
    those of the original.

    Raises:
        UserError: the mapping is wrong, or no edit was found.
    """
    given = Variant.from_mapping(mapping, where)
    given.check_equations("edit")
    original = given.respelled()
    draw = random.Random(f"{seed}")
    for _ in range(_TRIES):
        name = draw.choice(list(original.equations))
        edit = draw.choice(_EDITS)
        text = edit(original.equations[name], original.trees[name], _vectors(original, name), draw)
        if text is None or text == original.equations[name]:
            continue
        changed = {**original.mapping(), "equations": {**original.equations, name: text}}
        candidate = _valid(changed, where)
        if candidate is not None and _worth_trying(candidate, original):
            return candidate
    raise UserError(f"{where}: no valid edit was found in {_TRIES} tries with seed {seed}")


def _valid(mapping: Mapping[str, Any], where: str) -> Variant | None:
    roles = {role: equation for role, equation in mapping["roles"].items() if equation in mapping["equations"]}
    try:
        return Variant.from_mapping({**mapping, "roles": roles}, where)
    except UserError:
        return None  # an edit that the language refuses


def _worth_trying(candidate: Variant, original: Variant) -> bool:
    reads_input = any(parameter.source == INPUT for parameter in candidate.parameters)
    same_sizes = candidate.needs_equal_sizes == original.needs_equal_sizes
    return candidate.states == original.states and reads_input and same_sizes and (
        candidate.equations != original.equations
    )  # fmt: skip


def _activations() -> list[str]:
    """Return the activations that may be drawn; the place of the identity is part of what a seed means."""
    names = [name for name, function in FUNCTIONS.items() if function.activation]
    return [*names[:3], IDENTITY, *names[3:]]


def _vectors(variant: Variant, name: str) -> list[str]:
    """Return the hidden vectors that an equation may read: states, and what was computed above it."""
    names = list(variant.equations)
    above = names[: names.index(name)]
    return list(dict.fromkeys([*variant.states, *(other for other in above if variant.sizes[other] == "hidden")]))


def _is_activation(part: Expression) -> bool:
    return isinstance(part, FunctionCall) and part.function in _activations()


def _exchange_activation(text: str, tree: Expression, _readable: list[str], draw: random.Random) -> str | None:
    calls = parts(tree, _is_activation)
    if not calls:
        return None
    call = draw.choice(calls)
    assert isinstance(call, FunctionCall)
    inside = ", ".join(spelled(text, argument) for argument in call.arguments)
    chosen = draw.choice(_activations())
    return replaced(text, call, inside if chosen == IDENTITY else f"{chosen}({inside})")


def _insert_activation(text: str, tree: Expression, _readable: list[str], draw: random.Random) -> str | None:
    found = parts(tree, lambda part: isinstance(part, Read) or is_operation(part) or is_call(part))
    target = draw.choice(found or [tree])
    chosen = draw.choice([name for name in _activations() if name != IDENTITY])
    return replaced(text, target, f"{chosen}({spelled(text, target)})")


def _drawn_operation(tree: Expression, draw: random.Random) -> Operation | None:
    found = [one for one in parts(tree, is_operation) if isinstance(one, Operation) and one.symbol in _SYMBOLS]
    return draw.choice(found) if found else None


def _exchange_operation(text: str, tree: Expression, _readable: list[str], draw: random.Random) -> str | None:
    target = _drawn_operation(tree, draw)
    if target is None:
        return None
    other = draw.choice([symbol for symbol in _SYMBOLS if symbol != target.symbol])
    return replaced(text, target, f"({spelled(text, target.left)}) {other} ({spelled(text, target.right)})")


def _keep_one_side(text: str, tree: Expression, _readable: list[str], draw: random.Random) -> str | None:
    target = _drawn_operation(tree, draw)
    if target is None:
        return None
    return replaced(text, target, spelled(text, draw.choice([target.left, target.right])))


def _read_another(text: str, tree: Expression, readable: list[str], draw: random.Random) -> str | None:
    names = parts(tree, lambda part: isinstance(part, Read))
    if not names or not readable:
        return None
    return replaced(text, draw.choice(names), draw.choice(readable))


def _complement(text: str, tree: Expression, readable: list[str], draw: random.Random) -> str | None:
    """Replace a vector by 1 − it, or multiply a term with another vector: gates are made so."""
    target = draw.choice(parts(tree, lambda part: isinstance(part, Read) or is_call(part)) or [tree])
    inside = spelled(text, target)
    factor = draw.choice(readable) if readable and draw.random() < 0.5 else None
    return replaced(text, target, f"1 - ({inside})" if factor is None else f"{factor}*({inside})")


_EDITS = (
    _exchange_activation, _insert_activation, _exchange_operation, _keep_one_side, _read_another, _complement,
)  # fmt: skip
