"""The lengths of vectors: one number, as long as the input, or as long as the hidden state.

They form a ladder (:data:`LADDER`): a number or scalar fits any vector, x_t and what is made of it element by element
has the input size, the rest the hidden size. Mixing these two is allowed where both are equal.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple, get_args

from gatelab.language.tree import Expression, Learned, Linear, Number, Operation, Read, children, walk

__all__ = [
    "BESIDE", "DRAWN", "GIVEN", "LADDER", "Length", "Lengths", "columns_beside", "filled", "has_size", "is_dt", "joint",
    "vector_size", "vector_sizes", "width_of_x",
]  # fmt: skip

Length = Literal["one", "input", "hidden"]
"""The length of a value: a single number for all elements, that of x_t, or that of the hidden state."""

LADDER: tuple[Length, ...] = get_args(Length)
"""The lengths, each of which fits into those after it."""

GIVEN: Mapping[str, Length] = {"mask": "input", "dt": "one"}
"""What an equation may read beside x_t, by name: which values of x_t were observed (1, else 0), and the interval to the
step before."""

DRAWN: Mapping[str, Length] = {
    "zoneout_hidden": "hidden", "zoneout_cell": "hidden", "recurrent_dropout": "hidden",
    "variational_dropout": "hidden",
}  # fmt: skip
"""What training draws and writes into the equations of a variant (:mod:`gatelab.language.masks`), under the names of
its keys; no file may read them."""

BESIDE: Mapping[str, Length] = {**GIVEN, **DRAWN}
"""All that may stand beside x_t. The columns of what a variant reads stand behind those of x, in this order. They are
data: no gradient goes to them."""


class Lengths(NamedTuple):
    """The lengths of one layer, as numbers."""

    input: int
    hidden: int

    def of(self, length: Length) -> int:
        """Return a length as a number."""
        return 1 if length == "one" else self.hidden if length == "hidden" else self.input

    def named(self, number: int) -> Length:
        """Return what a vector of so many elements is; if both lengths are equal, a hidden one."""
        return "hidden" if number == self.hidden else "input"


def columns_beside(beside: Collection[str], input_size: int, hidden_size: int = 0) -> int:
    """Return how many columns stand behind those of x; ``hidden_size`` only matters for what training draws."""
    return sum(Lengths(input_size, hidden_size).of(BESIDE[name]) for name in beside)


def width_of_x(beside: Collection[str], columns: int, hidden_size: int = 0) -> int:
    """Return how many of all columns are those of x; ``hidden_size`` as in :func:`columns_beside`."""
    like_x = sum(BESIDE[name] == "input" for name in beside)
    return (columns - columns_beside(beside, 0, hidden_size)) // (1 + like_x)


def joint(lengths: Iterable[Length]) -> Length:
    """Return the length of what is made of several values element by element."""
    return max(lengths, default="one", key=LADDER.index)


def filled(length: Length) -> Length:
    """Return the length of the vector that a value fills: a number fills hidden vectors."""
    return "hidden" if length == "one" else length


def vector_size(expression: Expression, sizes: Mapping[str, Length]) -> Length:
    """Return the length of an expression's vector, numbers and scalars counting as hidden; sizes are the equations'."""
    return filled(_size(expression, sizes)[0])


def has_size(expression: Expression, sizes: Mapping[str, Length]) -> bool:
    """Say whether an expression is a vector, and not a number or scalar that any vector would lend its length."""
    return _size(expression, sizes)[0] != "one"


def vector_sizes(trees: Mapping[str, Expression]) -> tuple[dict[str, Length], bool]:
    """Find the length of every equation's vector, the least that fits all of them, and whether both lengths mix."""
    readers: dict[str, list[str]] = {name: [] for name in trees}
    for name, tree in trees.items():
        for read in {node.name for node in walk(tree) if isinstance(node, Read) and node.when != "input"}:
            readers[read].append(name)
    # lengths only grow, so an equation is looked at again only where one that it reads has grown
    sizes: dict[str, Length] = {}
    waiting = dict.fromkeys(reversed(list(trees)))
    while waiting:
        name = waiting.popitem()[0]
        size = _size(trees[name], sizes)[0]
        if size != sizes.get(name, "one"):
            sizes[name] = size
            waiting.update(dict.fromkeys(readers[name]))
    complete: dict[str, Length] = {name: sizes.get(name, "hidden") for name in trees}
    return complete, any(_size(tree, complete)[1] for tree in trees.values())


def _size(expression: Expression, sizes: Mapping[str, Length]) -> tuple[Length, bool]:
    """Return the length of an expression, and whether it mixes vectors of both lengths."""
    match expression:
        case Number():
            return "one", False
        case Read(name=name, when="input"):
            return BESIDE.get(name, "input"), False
        case Read(name=name):
            return sizes.get(name, "one"), False
        case Learned(kind=kind):
            # a scalar and a diagonal take the size of what they meet
            return ("one" if kind in ("scalar", "diagonal") else "hidden"), False
        case Operation(left=Learned(kind="diagonal"), right=right) if _numbers_only(right):
            # what has no length gets a diagonal of hidden length
            return "hidden", False
        case Linear(sources=sources):
            return "hidden", any(_size(source, sizes)[1] for source in sources)
        case _:
            parts = [_size(child, sizes) for child in children(expression)]
            found = {size for size, _ in parts}
            return joint(found), any(mixed for _, mixed in parts) or {"input", "hidden"} <= found


def _numbers_only(expression: Expression) -> bool:
    return not any(isinstance(node, Read | Linear) and not is_dt(node) for node in walk(expression))


def is_dt(expression: Expression) -> bool:
    """Say whether an expression is the interval to the step before."""
    return isinstance(expression, Read) and expression.when == "input" and BESIDE.get(expression.name) == "one"
