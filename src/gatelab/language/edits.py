"""Short ways to say what a gate sees, what squashes it, or that it is gone: they become ordinary equations.

    reads: {f: [x, h]}              gate f is an affine map of x_t and h_{t-1} and nothing else
    squash: {f: hard_sigmoid}       what squashes it
    constant: {f: 1}                it is this number, and its weights are gone
    mutate: 7                       a random valid edit, the seventh (see random_edits.py)

They stand beside ``equations`` in a composed configuration and are applied to them in the order constant, reads,
squash, mutate. What remains is a variant like any other: the same equations are the same variant, however they were
said.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from gatelab.errors import UserError, one_line, suggest
from gatelab.language.functions import FUNCTIONS
from gatelab.language.parsing import canonical_text

__all__ = ["FACTORS", "IDENTITY", "applied"]

FACTORS = ("constant", "reads", "squash", "mutate")
"""Keys of a composed variant beside those of its file."""

IDENTITY = "identity"
"""The squashing function that is none."""


def applied(mapping: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the mapping of a variant with its factors (all but ``mutate``) turned into equations.

    Args:
        mapping: the keys of a variant file, whose equations can be read, and those of ``FACTORS``.
        where: what errors call it.

    Raises:
        UserError: an unknown gate or function, or an equation of which the factor cannot be said.
    """
    changed = {key: value for key, value in mapping.items() if key not in FACTORS or key == "mutate"}
    texts = {name: str(text) for name, text in mapping["equations"].items()}
    states = tuple(mapping.get("state") or ())
    diagonals = _met_by_diagonals(texts, states) if mapping.get("reads") else set()
    for factor in FACTORS[:-1]:
        given = mapping.get(factor) or {}
        if not isinstance(given, Mapping):
            raise UserError(f"variant.{factor}={given}: must be a mapping from gates to values")
        for gate, value in given.items():
            key = f"variant.{factor}.{gate}"
            if gate not in texts:
                hint = suggest(str(gate), texts)
                raise UserError(f"{key}: {where} has no equation '{gate}'{hint}; equations: {', '.join(texts)}")
            if factor == "constant":
                texts[gate] = _constant(value, key)
            elif gate in (mapping.get("constant") or {}):
                raise UserError(f"{key}={one_line(value)}: gate '{gate}' is constant and reads nothing")
            elif factor == "reads":
                texts[gate] = _reading(texts[gate], value, diagonals, key)
            else:
                texts[gate] = _squashed(texts[gate], value, key)
    return {**changed, "equations": texts}


def _constant(value: Any, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{key}={one_line(value)}: must be a number")
    return str(value)


def _met_by_diagonals(texts: Mapping[str, str], states: tuple[str, ...]) -> set[str]:
    """Return the states that a gate reads through a diagonal: those no matrix meets, such as the cell of an LSTM."""
    met = {
        argument.id
        for text in texts.values()
        for call in _calls(_tree(text), "linear", "project")
        for argument in call.args
        if isinstance(argument, ast.Name)
    }
    return {state for state in states if state not in met}


def _reading(text: str, value: Any, diagonals: set[str], key: str) -> str:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise UserError(f"{key}={one_line(value)}: must be a list of vectors, such as [x,h]")
    sources = [str(name) for name in value]
    matrices = [source for source in sources if source not in diagonals]
    tree = _tree(text)
    maps = list(_calls(tree, "linear", "project"))
    if len(maps) != 1 or maps[0].keywords:
        shape = "has several linear maps" if len(maps) > 1 else "has a map of a form" if maps else "has no linear map"
        raise UserError(f"{key}: the equation '{text}' {shape}; say it in full: variant.equations.…=…")
    name = maps[0].func.id  # type: ignore[attr-defined]
    bare = "bias()" if name == "linear" else "0"
    terms = [f"{name}({', '.join(matrices)})" if matrices else bare]
    terms += [f"diag({source})" for source in sources if source in diagonals]
    return canonical_text(ast.unparse(_Terms(maps[0], terms, key, text).visit(tree)))


class _Terms(ast.NodeTransformer):
    """Replaces the sum that holds the linear map: the map and its diagonals give way to the new terms."""

    def __init__(self, target: ast.Call, terms: list[str], key: str, text: str) -> None:
        self.target, self.terms, self.key, self.text = target, terms, key, text

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.expr):
            return self.generic_visit(node)
        addends = list(_addends(node))
        if self.target not in addends:
            return self.generic_visit(node)
        kept = [addend for addend in addends if addend is not self.target and not _is_call(addend, "diag")]
        if any(True for addend in kept for _ in _calls(addend, "diag")):
            raise UserError(f"{self.key}: the equation '{self.text}' has a diagonal within a product; say it in full: "
                            "variant.equations.…=…")  # fmt: skip
        whole = " + ".join([*self.terms, *(ast.unparse(addend) for addend in kept)])
        return ast.parse(whole, mode="eval").body


def _squashed(text: str, value: Any, key: str) -> str:
    known = [name for name, function in FUNCTIONS.items() if function.arity == 1] + [IDENTITY]
    if value not in known:
        raise UserError(
            f"{key}={one_line(value)}: must be a function{suggest(str(value), known)}; allowed: {', '.join(known)}"
        )
    tree = _tree(text)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in known:
        inside = ast.unparse(tree.args[0])
    elif any(_is_call(addend, "linear", "project") for addend in _addends(tree)):
        inside = text  # an affine map that nothing squashes
    else:
        raise UserError(f"{key}: the equation '{text}' is not one function of a sum; say it in full: "
                        "variant.equations.…=…")  # fmt: skip
    return canonical_text(inside if value == IDENTITY else f"{value}({inside})")


def _tree(text: str) -> ast.expr:
    return ast.parse(text.strip(), mode="eval").body


def _addends(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _addends(node.left)
        yield from _addends(node.right)
    else:
        yield node


def _is_call(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _calls(node: ast.AST, *names: str) -> Iterator[ast.Call]:
    for child in ast.walk(node):
        if isinstance(child, ast.Call) and _is_call(child, *names):
            yield child
