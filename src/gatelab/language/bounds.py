"""How far the values of a variant can go, by interval arithmetic over its trees, and which equations act as gates."""

import heapq
import math
from collections.abc import Iterator, Mapping

import numpy as np

from gatelab.language.foreign import FOREIGN
from gatelab.language.functions import FUNCTIONS
from gatelab.language.sizes import BESIDE
from gatelab.language.surrogates import value_tree
from gatelab.language.tree import (
    Expression,
    FunctionCall,
    Learned,
    Linear,
    Negation,
    Number,
    Operation,
    Read,
    children,
    walk,
)
from gatelab.language.variant import Variant

__all__ = ["Interval", "bounds", "gates"]

Interval = tuple[float, float]
"""The least and the greatest value, both inclusive; infinite where there is no limit."""

_EVERYTHING: Interval = (-math.inf, math.inf)
_PATIENCE = 4  # rounds in which a state's bounds may still grow before they count as infinite


def bounds(variant: Variant) -> dict[str, Interval]:
    """Return equation -> bounds of its values, over all inputs and all values of the learned parameters.

    States start at 0, so that the bounds of a state hold for its first value too. They are safe, not always the
    narrowest: every occurrence of a name counts as a value of its own, so that ``u*h + (1 - u)*n`` is not seen to lie
    between h and n. Where a function is undefined (the logarithm of a negative number) nothing is said.

    Of a foreign variant, the bounds of the gates it can record.
    """
    if variant.foreign is not None:
        return dict(FOREIGN[variant.foreign].gates)
    states: dict[str, Interval] = dict.fromkeys(variant.states, (0.0, 0.0))
    names = list(variant.trees)
    readers = _readers(variant)
    values: dict[str, Interval] = {}
    patience = _PATIENCE
    changed = list(range(len(names)))
    while changed:
        # in running order, and of a round only what reads a value that has changed
        heapq.heapify(changed)
        moved: dict[str, None] = {}
        last = -1
        while changed:
            place = heapq.heappop(changed)
            if place == last:
                continue
            last, name = place, names[place]
            value = _of(variant.trees[name], values, states)
            if values.get(name) != value:
                values[name] = value
                moved[name] = None
                for reader in readers["now", name]:
                    heapq.heappush(changed, reader)
        grown = {state: _hull(states[state], values[state]) for state in moved if state in states}
        grown = {state: bounds for state, bounds in grown.items() if bounds != states[state]}
        # what keeps growing is given up, one side of one state at a time at the least: the loop ends
        states |= grown if patience > 0 else {state: _widened(states[state], grown[state]) for state in grown}
        patience -= 1
        changed = [reader for state in grown for reader in readers["previous", state]]
    return values


def _readers(variant: Variant) -> dict[tuple[str, str], list[int]]:
    """Return the places of the equations that read a value of this step, or a state's of the step before."""
    readers: dict[tuple[str, str], list[int]] = {
        (when, name): [] for when in ("now", "previous") for name in variant.trees
    }
    for place, tree in enumerate(variant.trees.values()):
        for when, name in {(node.when, node.name) for node in walk(tree) if isinstance(node, Read)}:
            if when != "input":
                readers[when, name].append(place)
    return readers


def gates(variant: Variant) -> tuple[str, ...]:
    """Return the equations that act as gates, in running order.

    They are those that the variant's roles name (an ``opening`` is none) and those that stay within [0, 1] and are
    multiplied with another vector: themselves, or as 1 − f, f² and the like. The output is no gate. Of a foreign
    variant, the gates that roles name.
    """
    named = {equation for role, equation in variant.roles.items() if role != "opening"}
    ranges = bounds(variant)
    factors = {name for tree in variant.trees.values() for name in _factors(value_tree(tree))}
    shut_to_open = {name for name in factors if name in ranges and ranges[name][0] >= 0 and ranges[name][1] <= 1}
    if variant.foreign is not None:
        return tuple(name for name in ranges if name in named)
    return tuple(name for name in variant.trees if name in named or name in shut_to_open - {variant.output})


def _factors(expression: Expression) -> Iterator[str]:
    """Yield the names that are a factor of a product of vectors, no function or matrix between name and product."""
    if isinstance(expression, Operation) and expression.symbol == "*":
        vectors = [factor for factor in _flat(expression) if not isinstance(factor, Number | Learned)]
        if len(vectors) > 1:
            for factor in vectors:
                yield from _bare(factor)
    for child in children(expression):
        yield from _factors(child)


def _flat(expression: Expression) -> Iterator[Expression]:
    if isinstance(expression, Operation) and expression.symbol == "*":
        yield from _flat(expression.left)
        yield from _flat(expression.right)
    else:
        yield expression


def _bare(expression: Expression) -> Iterator[str]:
    if isinstance(expression, Read):
        yield expression.name
    elif isinstance(expression, Negation | Operation):
        for child in children(expression):
            yield from _bare(child)


def _of(expression: Expression, values: Mapping[str, Interval], states: Mapping[str, Interval]) -> Interval:
    match expression:
        case Number(value=value):
            return value, value
        case Read(name=name, when="previous"):
            return states[name]
        case Read(name=name, when="now"):
            return values[name]
        case Read(name=name, when="input") if name in BESIDE:
            share = BESIDE[name] == "input" or name.startswith("zoneout")
            return (0.0, 1.0) if share else (0.0, math.inf)
        case Read() | Learned() | Linear():
            return _EVERYTHING
        case Negation(operand=operand):
            low, high = _of(operand, values, states)
            return -high, -low
        case FunctionCall(function=function, arguments=arguments):
            return _call(function, [_of(argument, values, states) for argument in arguments])
        case Operation(symbol="**", left=left, right=Number(value=exponent)):
            return _power(_of(left, values, states), exponent)
        case Operation(symbol=symbol, left=left, right=right):
            a, b = _of(left, values, states), _of(right, values, states)
            match symbol:
                case "+":
                    return _safe(a[0] + b[0], a[1] + b[1])
                case "-":
                    return _safe(a[0] - b[1], a[1] - b[0])
                case "*":
                    return _product(a, b)
                case _:
                    return _product(a, _reciprocal(b))


def _safe(low: float, high: float) -> Interval:
    """Return an interval whose ends may be undefined, such as inf − inf."""
    return (-math.inf if math.isnan(low) else low), (math.inf if math.isnan(high) else high)


def _hull(a: Interval, b: Interval) -> Interval:
    return min(a[0], b[0]), max(a[1], b[1])


def _widened(before: Interval, grown: Interval) -> Interval:
    return (-math.inf if grown[0] < before[0] else before[0]), (math.inf if grown[1] > before[1] else before[1])


def _product(a: Interval, b: Interval) -> Interval:
    # an infinite end is a limit that no value reaches, so 0 times it is 0
    ends = [0.0 if 0 in (u, v) else u * v for u in a for v in b]
    return min(ends), max(ends)


def _reciprocal(a: Interval) -> Interval:
    return _EVERYTHING if a[0] <= 0 <= a[1] else (1 / a[1], 1 / a[0])


def _power(a: Interval, exponent: float) -> Interval:
    if exponent < 0:
        return _reciprocal(_power(a, -exponent))
    if exponent == 0:
        return 1.0, 1.0
    low, high = a
    if exponent != int(exponent):
        # undefined below 0
        if high < 0:
            return _EVERYTHING
        low = max(low, 0.0)
    with np.errstate(over="ignore"):
        ends = float(np.float64(low) ** exponent), float(np.float64(high) ** exponent)
    lowest = 0.0 if low < 0 < high else min(ends)
    return (lowest, max(ends)) if exponent % 2 == 0 else ends


def _call(name: str, arguments: list[Interval]) -> Interval:
    function = FUNCTIONS[name]
    if function.even:
        low, high = arguments[0]
        arguments = [(max(0.0, low, -high), max(-low, high))]
    elif not function.increasing:
        return function.low, function.high
    with np.errstate(all="ignore"):
        low, high = (float(function.value(*ends)) for ends in zip(*arguments, strict=True))
    # undefined at an end means that the function's own range is all that is known
    return (
        function.low if math.isnan(low) else max(low, function.low),
        function.high if math.isnan(high) else min(high, function.high),
    )
