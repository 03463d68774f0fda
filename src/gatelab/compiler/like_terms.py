"""Like terms of a sum of products collected: h ⊙ u ⊙ (1 - u) W - n ⊙ u ⊙ (1 - u) W is (h - n) ⊙ u ⊙ (1 - u) W."""

from gatelab.compiler.linearised import Factor, Matrix, RowSlope
from gatelab.language.tree import NOWHERE, Expression, Negation, Number, Operation

__all__ = ["Term", "collected"]

Term = tuple[Factor, ...]
"""A product of factors: what one route contributes."""


def collected(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """Return a sum whose terms with the same matrices, and a common factor in their first diagonals, are one term."""
    found: list[Term] = []
    for term in terms:
        for place, other in enumerate(found):
            joined = _joined(other, term)
            if joined is not None:
                found[place] = joined
                break
        else:
            found.append(term)
    return tuple(found)


def _joined(first: Term, second: Term) -> Term | None:
    """Return the sum of two terms as one, or None where they have no common factor."""
    if not first or not second or first[1:] != second[1:]:
        return None
    heads = first[0], second[0]
    if any(isinstance(head, Matrix | RowSlope) for head in heads):
        return None
    (sign, left), (other, right) = (_factors(head) for head in heads)  # type: ignore[arg-type]
    common: list[Expression] = []
    for factor in list(left):
        if factor in right:
            left.remove(factor)
            right.remove(factor)
            common.append(factor)
    if not common or not left or not right:
        return None
    a, b = _product(left), _product(right)
    negative = sign < 0 and other < 0
    if negative or sign == other:
        whole = Operation("+", a, b, NOWHERE)
    else:
        whole = Operation("-", *((a, b) if sign > 0 else (b, a)), NOWHERE)
    # numbers stand in front
    numbers = [factor for factor in common if isinstance(factor, Number)]
    head = _product([*numbers, whole, *(factor for factor in common if not isinstance(factor, Number))])
    return (Negation(head, NOWHERE) if negative else head, *first[1:])


def _factors(expression: Expression) -> tuple[int, list[Expression]]:
    """Return the sign of a product of vectors and its factors."""
    match expression:
        case Negation(operand=operand):
            sign, factors = _factors(operand)
            return -sign, factors
        case Operation(symbol="*", left=left, right=right):
            (a, first), (b, second) = _factors(left), _factors(right)
            return a * b, [*first, *second]
        case Number(value=value) if value < 0:
            return -1, [] if value == -1 else [Number(-value, NOWHERE)]
    return 1, [expression]


def _product(factors: list[Expression]) -> Expression:
    total = factors[0]
    for factor in factors[1:]:
        total = Operation("*", total, factor, NOWHERE)
    return total
