"""What of a state is kept from step to step, and what is written into it, read off the equations and the roles."""

from dataclasses import dataclass

from gatelab.compiler.linearised import KEPT, Edge, edges, followed, gate_names
from gatelab.errors import UserError
from gatelab.language.tree import NOWHERE, Expression, Linear, Negation, Number, Operation, Read, children, walk
from gatelab.language.variant import Variant

__all__ = ["Retention", "retention"]


@dataclass(frozen=True)
class Retention:
    """The state that the gates of a variant keep.

    Attributes:
        state: which; the first one whose kept part has the retaining gate in it, or the writing one where none retains.
        gate: the retaining gate; None where the variant declares only what writes.
        linear: whether the state is multiplied and added to, and never goes through a function, so that it is a
            weighted sum of what has been written.
        write, content: what is written at each step as a product of gates and the rest; None where the equation of the
            state is no sum of one kept and one written term.
    """

    state: str
    gate: str | None
    linear: bool
    write: Expression | None
    content: Expression | None


def retention(variant: Variant, what: str) -> Retention:
    """Return what a variant keeps.

    Args:
        variant: whose equations to read.
        what: the diagnostic that asks, for the error.

    Raises:
        UserError: the variant is foreign, declares no gate that retains or writes, or hands no state on element by
            element.
    """
    role = _role(variant, what)
    variant = variant.values_only()
    known = {state: _kept_routes(variant, state) for state in variant.states}
    kept = {state: routes for state, routes in known.items() if routes}
    if not kept:
        raise UserError(f"{what}: not defined for variant '{variant.name}', which hands no state on element by element")
    with_gate = [state for state, routes in kept.items() if role in _names(routes)]
    reading = [state for state in kept if role in _read(variant.trees[state])]
    state = (with_gate or reading or list(kept))[0]
    linear = all(edge.straight for route in kept[state] for edge in route)
    write, content = _written(variant, state) if linear else (None, None)
    return Retention(state, variant.roles.get("retain"), linear, write, content)


def _role(variant: Variant, what: str) -> str:
    variant.check_equations(f"find {what} in")
    role = variant.roles.get("retain") or variant.roles.get("write")
    if role is None:
        declared = ", ".join(variant.roles) or "none"
        raise UserError(
            f"{what}: not defined for variant '{variant.name}', which declares no gate that retains or writes "
            f"(roles: {declared})"
        )
    return role


def _read(tree: Expression) -> set[str]:
    return {node.name for node in walk(tree) if isinstance(node, Read)}


def _kept_routes(variant: Variant, state: str) -> list[tuple[Edge, ...]]:
    """Return the kept routes from a state to its own value before the step."""
    known, gated = edges(variant), gate_names(variant)
    found: list[tuple[Edge, ...]] = []
    waiting: list[tuple[str, tuple[Edge, ...]]] = [(state, ())]
    while waiting:
        equation, route = waiting.pop()
        for edge in known[equation]:
            if followed(KEPT, edge, gated) != KEPT:
                continue
            if edge.source.when == "now":
                waiting.append((edge.source.name, (*route, edge)))
            elif edge.source.name == state:
                found.append((*route, edge))
    return found


def _names(routes: list[tuple[Edge, ...]]) -> set[str]:
    """Return the names in the factors of routes."""
    return {
        node.name
        for route in routes
        for edge in route
        for factor in edge.factors
        for node in walk(factor)  # type: ignore[arg-type]  # what is kept has no matrices
        if isinstance(node, Read)
    }


def _written(variant: Variant, state: str) -> tuple[Expression | None, Expression | None]:
    """Split ``f*c + i*z`` into i and z; i is 1 where no gate is a factor."""
    gated = gate_names(variant)
    other: list[Expression] = []
    for term in _terms(variant.trees[state]):
        reads_itself = any(
            isinstance(factor, Read) and factor.name == state and factor.when == "previous" for factor in _factors(term)
        )
        if not reads_itself:
            other.append(term)
    # what is kept must stand in the equation itself, not in one that it reads
    if len(other) != 1 or any(len(route) > 1 for route in _kept_routes(variant, state)):
        return None, None
    if _hands_on(other[0], state):
        return None, None  # such as g*(n - h): some of h is kept by what is written
    gates = [factor for factor in _factors(other[0]) if _of_gates(factor, gated)]
    rest = [factor for factor in _factors(other[0]) if not _of_gates(factor, gated)]
    return (_multiplied(gates), _multiplied(rest)) if rest else (None, None)


def _hands_on(tree: Expression, state: str) -> bool:
    """Return whether the old state stands in a term element by element, not only within a matrix."""
    if isinstance(tree, Read):
        return tree.name == state and tree.when == "previous"
    return not isinstance(tree, Linear) and any(_hands_on(child, state) for child in children(tree))


def _terms(tree: Expression) -> list[Expression]:
    match tree:
        case Operation(symbol="+", left=left, right=right):
            return [*_terms(left), *_terms(right)]
        case Operation(symbol="-", left=left, right=right):
            return [*_terms(left), *(Negation(term, NOWHERE) for term in _terms(right))]
    return [tree]


def _factors(tree: Expression) -> list[Expression]:
    match tree:
        case Operation(symbol="*", left=left, right=right):
            return [*_factors(left), *_factors(right)]
        case Negation(operand=operand):
            return [Number(-1.0, NOWHERE), *_factors(operand)]
    return [tree]


def _of_gates(factor: Expression, gated: frozenset[str]) -> bool:
    """Return whether a factor is made of gates and numbers alone, such as 1 - f."""
    nodes = list(walk(factor))
    made = all(isinstance(node, Number | Read | Operation | Negation) for node in nodes)
    names = [node.name for node in nodes if isinstance(node, Read)]
    return made and bool(names) and gated.issuperset(names)


def _multiplied(factors: list[Expression]) -> Expression:
    total: Expression = Number(1.0, NOWHERE)
    for factor in factors:
        total = Operation("*", total, factor, NOWHERE)
    return total
