"""Equations as sums of products: what two spellings of the same state have in common.

``u*h + (1 - u)*n`` and ``n + u*(h - n)`` are both n + u h − u n.
"""

from collections.abc import Mapping

from gatelab.language.tree import Expression, Negation, Number, Operation, Read
from gatelab.language.variant import Variant

__all__ = ["NoPolynomialError", "Polynomial", "divided", "expanded", "resolved"]

Polynomial = Mapping[frozenset[Expression], float]
"""Set of factors -> coefficient. A factor is a call of a function, a linear map, a parameter or a state; none stands
twice in a product."""

_MOST = 64  # terms; more are no gate of a node


class NoPolynomialError(Exception):
    """An expression is no sum of few products of different factors."""


def resolved(tree: Expression, variant: Variant) -> Expression:
    """Return what a name stands for; states keep their names."""
    while isinstance(tree, Read) and tree.when == "now" and tree.name not in variant.states:
        tree = variant.trees[tree.name]
    return tree


def expanded(tree: Expression, variant: Variant) -> Polynomial:
    """Return an expression of a variant, multiplied out.

    Raises:
        NoPolynomialError: it cannot be.
    """
    known: dict[str, Polynomial] = {}

    def of(tree: Expression) -> Polynomial:
        match tree:
            case Number(value=value):
                return {frozenset(): value} if value else {}
            case Negation(operand=operand):
                return _scaled(of(operand), -1.0)
            case Operation(symbol="+", left=left, right=right):
                return _sum(of(left), of(right))
            case Operation(symbol="-", left=left, right=right):
                return _sum(of(left), _scaled(of(right), -1.0))
            case Operation(symbol="*", left=left, right=right):
                return _product(of(left), of(right))
            case Operation(symbol="/", left=left, right=Number(value=value)) if value:
                return _scaled(of(left), 1 / value)
            case Read(name=name, when="now") if name not in variant.states:
                if name not in known:
                    known[name] = of(variant.trees[name])
                return known[name]
            case _:
                return {frozenset([tree]): 1.0}

    return of(tree)


def divided(polynomial: Polynomial, factor: Expression) -> tuple[Polynomial, Polynomial]:
    """Return the quotient by a factor, and the terms without it."""
    quotient = {factors - {factor}: value for factors, value in polynomial.items() if factor in factors}
    return quotient, {factors: value for factors, value in polynomial.items() if factor not in factors}


def _sum(first: Polynomial, second: Polynomial) -> Polynomial:
    total = dict(first)
    for factors, value in second.items():
        total[factors] = total.get(factors, 0.0) + value
    return _few({factors: value for factors, value in total.items() if value})


def _scaled(polynomial: Polynomial, scale: float) -> Polynomial:
    return {factors: value * scale for factors, value in polynomial.items()}


def _product(first: Polynomial, second: Polynomial) -> Polynomial:
    total: Polynomial = {}
    for factors, value in first.items():
        for others, other in second.items():
            if factors & others:
                raise NoPolynomialError
            total = _sum(total, {factors | others: value * other})
    return total


def _few(polynomial: Polynomial) -> Polynomial:
    if len(polynomial) > _MOST:
        raise NoPolynomialError
    return polynomial
