"""The affine map in a gate: what stands in its squashing function, as a sum of matrices times what they read."""

from dataclasses import dataclass

from gatelab.errors import UserError, suggest
from gatelab.language.bounds import gates
from gatelab.language.functions import FUNCTIONS
from gatelab.language.tree import Expression, FunctionCall, Learned, Linear, Negation, Number, Operation, Read
from gatelab.language.typesetting import plain_notation
from gatelab.language.variant import Variant

__all__ = ["BIAS", "AffineTerm", "affine_terms"]

BIAS = "bias"
"""What the terms are called that read nothing."""


@dataclass(frozen=True)
class AffineTerm:
    """One term of a pre-activation.

    Attributes:
        source: what it reads, ``x`` or ``r_t ⊙ h_{t-1}``; ``bias`` for nothing.
        scale: a number it is multiplied with.
        weight: the matrix, or the diagonal of one; None for a vector that is added as it is.
        diagonal: whether the weight is one.
        read: the expression that is multiplied, or added.
    """

    source: str
    scale: float
    weight: str | None
    diagonal: bool
    read: Expression


def affine_terms(variant: Variant, gate: str | None, what: str) -> tuple[str, tuple[AffineTerm, ...]]:
    """Return a gate and the terms of its pre-activation: a of f = σ(a).

    Names of this step that are sums themselves, such as the s of ``f: sigmoid(s)``, are looked into.

    Args:
        variant: whose equations to read.
        gate: which; None for the one that retains, or writes, or the first with a matrix.
        what: the diagnostic that asks, for the error.

    Raises:
        UserError: there is no such gate; it is no function of a sum; no learned matrix is in it.
    """
    variant.check_equations(f"find {what} in")
    variant = variant.values_only()
    known = gates(variant)
    if gate is None:
        named = [variant.roles[role] for role in ("retain", "write") if role in variant.roles]
        for name in (*named, *known):
            if any(term.weight for term in _of_gate(variant, name)):
                return name, _of_gate(variant, name)
        raise UserError(f"{what}: not defined for variant '{variant.name}', none of whose gates is a function of an "
                        "affine map")  # fmt: skip
    if gate not in variant.trees:
        hint = suggest(gate, known) or f"; gates: {', '.join(known) or 'none'}"
        raise UserError(f"gate={gate}: is no equation of variant '{variant.name}'{hint}")
    terms = _of_gate(variant, gate)
    if not any(term.weight for term in terms):
        raise UserError(
            f"{what}: not defined for gate '{gate}' of variant '{variant.name}', {gate} = {variant.equations[gate]}, "
            "which is no function of an affine map"
        )
    return gate, terms


def _of_gate(variant: Variant, gate: str) -> tuple[AffineTerm, ...]:
    tree = _unscaled(variant, variant.trees[gate])
    if not isinstance(tree, FunctionCall) or len(tree.arguments) > 1 or FUNCTIONS[tree.function].rows:
        return ()
    return tuple(_terms(variant, tree.arguments[0], 1.0))


def _unscaled(variant: Variant, tree: Expression) -> Expression:
    """Return a function without a constant that it is multiplied with, such as the 0.5 of 0.5 σ(a)."""
    if isinstance(tree, Operation) and tree.symbol == "*":
        for constant, other in ((tree.left, tree.right), (tree.right, tree.left)):
            if isinstance(constant, Read) and constant.when == "now":
                constant = variant.trees[constant.name]
            if isinstance(constant, Number):
                return other
    return tree


def _terms(variant: Variant, tree: Expression, scale: float) -> list[AffineTerm]:
    match tree:
        case Negation(operand=operand):
            return _terms(variant, operand, -scale)
        case Operation(symbol="+" | "-" as symbol, left=left, right=right):
            return [*_terms(variant, left, scale), *_terms(variant, right, scale if symbol == "+" else -scale)]
        case Operation(symbol="*", left=Number(value=value), right=right):
            return _terms(variant, right, scale * value)
        case Operation(symbol="*", left=Learned(kind="diagonal", parameter=weight), right=read):
            return [AffineTerm(_text(variant, read), scale, weight, True, read)]
        case Linear(sources=sources, weights=weights, bias=bias, span=span):
            found = [
                AffineTerm(_text(variant, read), scale, weight, False, read)
                for read, weight in zip(sources, weights, strict=True)
            ]
            return [*found, *([AffineTerm(BIAS, scale, None, False, Learned(bias, "bias", span))] if bias else [])]
        case Number() | Learned():
            return [AffineTerm(BIAS, scale, None, False, tree)]
        case Read(when="now", name=name) if _is_sum(variant.trees[name]):
            return _terms(variant, variant.trees[name], scale)
    return [AffineTerm(_text(variant, tree), scale, None, False, tree)]


def _is_sum(tree: Expression) -> bool:
    match tree:
        case Linear() | Learned() | Number():
            return True
        case Operation(symbol="+" | "-"):
            return True
        case Operation(symbol="*", left=Learned(kind="diagonal") | Number()):
            return True
    return False


def _text(variant: Variant, read: Expression) -> str:
    if isinstance(read, Read):
        return read.name
    sources = {parameter.name: source for parameter, source in variant.weights()}
    return plain_notation(variant.trees, variant.parameters, sources).write(read)[0]
