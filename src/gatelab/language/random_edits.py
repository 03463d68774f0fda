"""Random valid edits of a variant, for a search over architectures.

After Jozefowicz, Zaremba & Sutskever 2015, "An Empirical Exploration of Recurrent Network Architectures", section 3:
activations are exchanged, put in and taken out, operations exchanged, terms replaced by other vectors or dropped.
Where their graph has nodes, here are the expressions of the equations.
"""

import ast
import random
from collections.abc import Callable, Mapping
from typing import Any

from gatelab.errors import UserError
from gatelab.language.edits import IDENTITY
from gatelab.language.functions import FUNCTIONS
from gatelab.language.variant import Variant

__all__ = ["mutated"]

_OPERATIONS: tuple[type[ast.operator], ...] = (ast.Add, ast.Sub, ast.Mult)
_TRIES = 400


def mutated(mapping: Mapping[str, Any], seed: int, where: str = "variant") -> Variant:
    """Return the variant of a mapping with one random edit of one equation.

    The same seed gives the same edit. The edited variant keeps its states and reads x_t, and its equations differ from
    those of the original.

    Raises:
        UserError: the mapping is wrong, or no edit was found.
    """
    original = Variant.from_mapping(mapping, where)
    original.check_equations("edit")
    draw = random.Random(f"{seed}")
    for _ in range(_TRIES):
        name = draw.choice(list(original.equations))
        edit = draw.choice(_EDITS)
        text = edit(original.equations[name], _vectors(original, name), draw)
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
    reads_input = any(parameter.source == "x" for parameter in candidate.parameters)
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


def _nodes(tree: ast.expr, wanted: Callable[[ast.expr], bool]) -> list[ast.expr]:
    """Return the expressions of a tree outside the arguments of linear maps, which stay what they are."""
    found = [tree] if wanted(tree) else []
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in ("vector", "scalar", "bias"):
        return found
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.expr) and not (isinstance(tree, ast.Call) and child is tree.func):
            found += _nodes(child, wanted)
    return found


def _is_activation(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _activations()


def _replaced(tree: ast.expr, target: ast.expr, new: str) -> str:
    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            return ast.parse(new, mode="eval").body if node is target else self.generic_visit(node)

    return ast.unparse(Replace().visit(tree))


def _exchange_activation(text: str, _readable: list[str], draw: random.Random) -> str | None:
    tree = ast.parse(text, mode="eval").body
    calls = _nodes(tree, _is_activation)
    if not calls:
        return None
    call = draw.choice(calls)
    assert isinstance(call, ast.Call)
    inside = ", ".join(map(ast.unparse, call.args))
    chosen = draw.choice(_activations())
    return _replaced(tree, call, inside if chosen == IDENTITY else f"{chosen}({inside})")


def _insert_activation(text: str, _readable: list[str], draw: random.Random) -> str | None:
    tree = ast.parse(text, mode="eval").body
    target = draw.choice(_nodes(tree, lambda node: isinstance(node, ast.Name | ast.BinOp | ast.Call)) or [tree])
    chosen = draw.choice([name for name in _activations() if name != IDENTITY])
    return _replaced(tree, target, f"{chosen}({ast.unparse(target)})")


def _exchange_operation(text: str, _readable: list[str], draw: random.Random) -> str | None:
    tree = ast.parse(text, mode="eval").body
    operations = _nodes(tree, lambda node: isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS)
    if not operations:
        return None
    target = draw.choice(operations)
    assert isinstance(target, ast.BinOp)
    other = draw.choice([operation for operation in _OPERATIONS if operation is not type(target.op)])()
    return _replaced(tree, target, ast.unparse(ast.BinOp(target.left, other, target.right)))


def _keep_one_side(text: str, _readable: list[str], draw: random.Random) -> str | None:
    tree = ast.parse(text, mode="eval").body
    operations = _nodes(tree, lambda node: isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS)
    if not operations:
        return None
    target = draw.choice(operations)
    assert isinstance(target, ast.BinOp)
    return _replaced(tree, target, ast.unparse(draw.choice([target.left, target.right])))


def _read_another(text: str, readable: list[str], draw: random.Random) -> str | None:
    tree = ast.parse(text, mode="eval").body
    names = _nodes(tree, lambda node: isinstance(node, ast.Name))
    if not names or not readable:
        return None
    return _replaced(tree, draw.choice(names), draw.choice(readable))


def _complement(text: str, readable: list[str], draw: random.Random) -> str | None:
    """Replace a vector by 1 − it, or multiply a term with another vector: gates are made so."""
    tree = ast.parse(text, mode="eval").body
    target = draw.choice(_nodes(tree, lambda node: isinstance(node, ast.Name | ast.Call)) or [tree])
    inside = ast.unparse(target)
    factor = draw.choice(readable) if readable and draw.random() < 0.5 else None
    return _replaced(tree, target, f"(1 - {inside})" if factor is None else f"{factor}*({inside})")


_EDITS = (
    _exchange_activation, _insert_activation, _exchange_operation, _keep_one_side, _read_another, _complement,
)  # fmt: skip
