"""Short ways to say what a gate sees, what squashes it, or that it is gone: they become ordinary equations.

    reads: {f: [x, h]}              gate f is an affine map of x_t and h_{t-1} and nothing else
    squash: {f: hard_sigmoid}       what squashes it
    constant: {f: 1}                it is this number, and its weights are gone
    mutate: 7                       a random valid edit, the seventh (see random_edits.py)

They stand beside ``equations`` in a composed configuration and are applied to them in the order constant, reads,
squash, mutate. What remains is a variant like any other: the same equations are the same variant, however they were
said.
"""

from collections.abc import Collection, Mapping
from typing import Any

from gatelab.errors import UserError, one_line, suggest
from gatelab.language.equations import parsed
from gatelab.language.functions import FUNCTIONS
from gatelab.language.parsing import canonical_text
from gatelab.language.splicing import addends, is_call, is_diagonal, replaced, spelled
from gatelab.language.surrogates import value_tree
from gatelab.language.tree import Expression, FunctionCall, Linear, Operation, Read, children, walk
from gatelab.language.word_table import IDENTITY, MAPS

__all__ = ["FACTORS", "applied"]

FACTORS = ("constant", "reads", "squash", "mutate")
"""Keys of a composed variant beside those of its file."""


def applied(mapping: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the mapping of a variant with its factors (all but ``mutate``) turned into equations.

    Args:
        mapping: the keys of a variant file, whose equations can be read, and those of ``FACTORS``.
        where: what errors call it.

    Raises:
        UserError: an unknown gate or function, or an equation of which the factor cannot be said.
    """
    changed = {key: value for key, value in mapping.items() if key not in FACTORS or key == "mutate"}
    texts = {name: str(text).strip() for name, text in mapping["equations"].items()}
    states = list(mapping.get("state") or ())
    diagonals: set[str] = set()
    if mapping.get("reads"):
        diagonals = _met_by_diagonals(parsed(texts, states, where, texts)[0], states)
    for factor in FACTORS[:-1]:
        given = mapping.get(factor) or {}
        if not isinstance(given, Mapping):
            raise UserError(f"variant.{factor}={one_line(given)}: must be given for each gate: variant.{factor}.GATE=…")
        for gate, value in given.items():
            key = f"variant.{factor}.{gate}"
            if gate not in texts:
                hint = suggest(str(gate), texts)
                raise UserError(f"{key}: {where} has no equation '{gate}'{hint}; equations: {', '.join(texts)}")
            if factor == "constant":
                texts[gate] = _constant(value, key)
                continue
            if gate in (mapping.get("constant") or {}):
                raise UserError(f"{key}={one_line(value)}: gate '{gate}' is constant and reads nothing")
            trees, owned = parsed(texts, states, where, texts)
            if factor == "reads":
                formed = any(parameter.form is not None for parameter in owned[gate])
                texts[gate] = _reading(texts[gate], trees[gate], value, diagonals, key, formed=formed)
            else:
                texts[gate] = _squashed(texts[gate], trees[gate], value, key)
    return {**changed, "equations": texts}


def _constant(value: Any, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{key}={one_line(value)}: must be a number")
    return str(value)


def _met_by_diagonals(trees: Mapping[str, Expression], states: Collection[str]) -> set[str]:
    """Return the states that a gate reads through a diagonal: those no matrix meets, such as the cell of an LSTM."""
    maps = [node for tree in trees.values() for node in walk(tree) if isinstance(node, Linear)]
    met = {source.name for one in maps for source in map(value_tree, one.sources) if isinstance(source, Read)}
    return {state for state in states if state not in met}


def _reading(text: str, tree: Expression, value: Any, diagonals: set[str], key: str, *, formed: bool) -> str:
    """Return the text with other sources in its one linear map; ``formed``: whether its matrices have a form."""
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise UserError(f"{key}={one_line(value)}: must be a list of vectors, such as [x,h]")
    sources = [str(name) for name in value]
    matrices = [source for source in sources if source not in diagonals]
    maps = [node for node in walk(tree) if isinstance(node, Linear)]
    if len(maps) != 1 or formed:
        shape = "has several linear maps" if len(maps) > 1 else "has a map of a form" if maps else "has no linear map"
        raise UserError(f"{key}: the equation '{text}' {shape}; say it in full: variant.equations.…=…")
    word, bare = (MAPS[1], "0") if maps[0].bias is None else (MAPS[0], "bias()")
    # stop(h) stays what it is: what a gate reads is one thing, what a gradient does another
    spellings = {text_of: spelled(text, source) for source in maps[0].sources if (text_of := _name(source))}
    terms = [f"{word}({', '.join(spellings.get(name, name) for name in matrices)})" if matrices else bare]
    terms += [f"diag({source})" for source in sources if source in diagonals]
    whole = _sum_with(tree, maps[0])
    kept = [addend for addend in addends(whole) if addend is not maps[0] and not is_diagonal(addend)]
    if any(is_diagonal(node) for addend in kept for node in walk(addend)):
        raise UserError(f"{key}: the equation '{text}' has a diagonal within a product; say it in full: "
                        "variant.equations.…=…")  # fmt: skip
    return replaced(text, whole, " + ".join([*terms, *(canonical_text(spelled(text, addend)) for addend in kept)]))


def _name(source: Expression) -> str:
    """Return the vector that a source is, whatever its gradient; "" for what is made of several."""
    value = value_tree(source)
    return value.name if isinstance(value, Read) else ""


def _sum_with(tree: Expression, target: Linear) -> Expression:
    """Return the largest sum that has a linear map as one of its terms."""
    if any(addend is target for addend in addends(tree)):
        return tree
    inside = next(child for child in children(tree) if any(node is target for node in walk(child)))
    return _sum_with(inside, target)


def _squashed(text: str, tree: Expression, value: Any, key: str) -> str:
    known = [name for name, row in FUNCTIONS.items() if row.arity == 1 and not row.surrogate]
    known.append(IDENTITY)
    if value not in known:
        raise UserError(
            f"{key}={one_line(value)}: must be a function{suggest(str(value), known)}; allowed: {', '.join(known)}"
        )
    if isinstance(tree, FunctionCall) and tree.function in known:
        inside = spelled(text, tree.arguments[0])
    elif any(_is_map(addend) for addend in addends(tree)):
        inside = text  # an affine map that nothing squashes
    else:
        raise UserError(f"{key}: the equation '{text}' is not one function of a sum; say it in full: "
                        "variant.equations.…=…")  # fmt: skip
    return canonical_text(inside if value == IDENTITY else f"{value}({inside})")


def _is_map(part: Expression) -> bool:
    # a map of the form identity is a sum that is written as a call
    return isinstance(part, Linear) or (isinstance(part, Operation) and part.symbol == "+" and is_call(part))
