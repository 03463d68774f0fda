"""The parts of an equation as they are spelled, and texts in which a part is exchanged.

A tree knows where each part stands in the text that it was parsed from: an edit finds a part in the tree and exchanges
its text. What is not edited keeps its spelling.
"""

from collections.abc import Callable, Iterator

from gatelab.language.parsing import canonical_text
from gatelab.language.tree import Expression, FunctionCall, Learned, Linear, Operation, children

__all__ = ["addends", "is_call", "is_diagonal", "is_operation", "operands", "parts", "replaced", "spelled"]


def spelled(text: str, part: Expression) -> str:
    """Return the text of a part."""
    return text[part.span.start : part.span.stop]


def replaced(text: str, part: Expression, new: str) -> str:
    """Return the text with another in place of a part, in canonical spelling."""
    return canonical_text(f"{text[: part.span.start]}({new}){text[part.span.stop :]}")


def operands(part: Expression) -> Iterator[Expression]:
    """Yield the direct operands that the text of a part has, left to right.

    ``diag(a)`` is p ⊙ a, and a map of the form identity a sum: what has no text of its own has the place of the call.
    """
    for child in children(part):
        if child.span == part.span:
            yield from operands(child)
        else:
            yield child


def parts(tree: Expression, wanted: Callable[[Expression], bool]) -> list[Expression]:
    """Return the wanted parts of an equation, each before its operands, left to right."""
    below = [part for operand in operands(tree) for part in parts(operand, wanted)]
    return [tree, *below] if wanted(tree) else below


def is_diagonal(part: Expression) -> bool:
    """Say whether a part is a ``diag(a)``."""
    return isinstance(part, Operation) and isinstance(part.left, Learned) and part.left.kind == "diagonal"


def is_call(part: Expression) -> bool:
    """Say whether a part is written as a call: a function, a map, or something else that is learned."""
    if isinstance(part, Operation):
        return any(child.span == part.span for child in children(part))
    return isinstance(part, FunctionCall | Linear | Learned)


def is_operation(part: Expression) -> bool:
    """Say whether a part is written with an operator between two others."""
    return isinstance(part, Operation) and not is_call(part)


def addends(tree: Expression) -> Iterator[Expression]:
    """Yield the terms of a sum, or the one expression that is none."""
    if isinstance(tree, Operation) and tree.symbol == "+" and is_operation(tree):
        yield from addends(tree.left)
        yield from addends(tree.right)
    else:
        yield tree
