"""How long the vectors of a variant are: as long as the input, or as the hidden state.

Lengths form a ladder: a number or scalar fits any vector (0), x_t and what is made of it element by element has the
input size (1), the rest the hidden size (2). Mixing 1 with 2 is allowed where both sizes are equal.
"""

from collections.abc import Mapping
from typing import Literal

from gatelab.language.tree import Expression, Learned, Linear, Number, Operation, Read, children, walk

__all__ = ["Size", "has_size", "vector_size", "vector_sizes"]

Size = Literal["input", "hidden"]
"""The length of a vector: that of x_t, or that of the hidden state."""

_ANY, _INPUT, _HIDDEN = 0, 1, 2


def vector_size(expression: Expression, sizes: Mapping[str, Size]) -> Size:
    """Return the length of an expression's vector, numbers and scalars counting as hidden; sizes are the equations'."""
    return "input" if _size(expression, sizes)[0] == _INPUT else "hidden"


def has_size(expression: Expression, sizes: Mapping[str, Size]) -> bool:
    """Say whether an expression is a vector, and not a number or scalar that any vector would lend its length."""
    return _size(expression, sizes)[0] != _ANY


def vector_sizes(trees: Mapping[str, Expression]) -> tuple[dict[str, Size], bool]:
    """Find the length of every equation's vector, the least that fits all of them, and whether both lengths mix."""
    readers: dict[str, list[str]] = {name: [] for name in trees}
    for name, tree in trees.items():
        for read in {node.name for node in walk(tree) if isinstance(node, Read) and node.when != "input"}:
            readers[read].append(name)
    # lengths only grow, so an equation is looked at again only where one that it reads has grown
    sizes: dict[str, Size] = {}
    found = dict.fromkeys(trees, _ANY)
    waiting = dict.fromkeys(reversed(list(trees)))
    while waiting:
        name = waiting.popitem()[0]
        size = _size(trees[name], sizes)[0]
        if size != found[name]:
            found[name], sizes[name] = size, "input" if size == _INPUT else "hidden"
            waiting.update(dict.fromkeys(readers[name]))
    complete: dict[str, Size] = {name: sizes.get(name, "hidden") for name in trees}
    return complete, any(_size(tree, complete)[1] for tree in trees.values())


def _size(expression: Expression, sizes: Mapping[str, Size]) -> tuple[int, bool]:
    match expression:
        case Number():
            return _ANY, False
        case Read(name="x", when="input"):
            return _INPUT, False
        case Read(name=name):
            return {"input": _INPUT, "hidden": _HIDDEN}.get(sizes.get(name, ""), _ANY), False
        case Learned(kind=kind):
            # a scalar and a diagonal take the size of what they meet
            return (_ANY if kind in ("scalar", "diagonal") else _HIDDEN), False
        case Operation(left=Learned(kind="diagonal"), right=right) if _numbers_only(right):
            # what has no length gets a diagonal of hidden length
            return _HIDDEN, False
        case Linear(sources=sources):
            return _HIDDEN, any(_size(source, sizes)[1] for source in sources)
        case _:
            parts = [_size(child, sizes) for child in children(expression)]
            found = {size for size, _ in parts}
            return max(found), any(mixed for _, mixed in parts) or {_INPUT, _HIDDEN} <= found


def _numbers_only(expression: Expression) -> bool:
    return not any(isinstance(node, Read | Linear) for node in walk(expression))
