"""The derivative of one step written out as formulas, split into named paths, so that variants can be compared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gatelab.compiler.like_terms import Term, collected
from gatelab.compiler.linearised import KEPT, Factor, Matrix, PathName, RowSlope, edges, followed, gate_names, product
from gatelab.errors import UserError
from gatelab.language.parsing import LearnedTensor
from gatelab.language.tree import Expression, Negation, Number, Operation
from gatelab.language.typesetting import Notation, latex_notation, plain_notation
from gatelab.language.variant import Variant

__all__ = ["StepJacobian", "in_order", "step_jacobian"]

MOST = 1000
"""Routes of a variant that are written out: the number doubles with every equation that reads a state twice."""

Entry = Mapping[PathName, tuple[Term, ...]]


@dataclass(frozen=True)
class StepJacobian:
    """∂s_t/∂s_{t-1} and ∂s_t/∂x_t of a variant as formulas, each a sum over named paths.

    Attributes:
        variant: whose equations they are of.
        entries: (what changes, what it depends on) -> path -> the terms of its sum. What changes is a state, or the
            output where that is no state; it depends on a state of the step before, or on ``x``. What is missing is 0.
    """

    variant: Variant
    entries: Mapping[tuple[str, str], Entry]

    @property
    def paths(self) -> tuple[PathName, ...]:
        """All paths: kept, candidates, gates, each in the order of the equations."""
        return in_order(self.variant, (path for entry in self.entries.values() for path in entry))

    def latex(self) -> str:
        r"""Return an ``aligned`` environment: a line for each entry, its paths under braces.

        >>> from gatelab.probes import step_jacobian
        >>> print(step_jacobian(gatelab.variant("qrnn_f")).latex().splitlines()[1])
          \frac{\partial h_t}{\partial h_{t-1}} &= \underbrace{\operatorname{diag}(f_t)}_{\text{kept}} \\
        """
        write = latex_notation(*_typeset(self.variant))
        lines = []
        for (state, source), entry in self.entries.items():
            below = "x_t" if source == "x" else write.vector(source, "t-1")
            left = rf"\frac{{\partial {write.vector(state, 't')}}}{{\partial {below}}}"
            parts = [
                rf"\underbrace{{{_sum(terms, write)}}}_{{\text{{{_escaped(path)}}}}}" for path, terms in entry.items()
            ]
            lines.append(f"  {left} &= {' + '.join(parts)}")
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def plain(self) -> str:
        """Return the same as lines of text, a line for each path.

        >>> from gatelab.probes import step_jacobian
        >>> print(step_jacobian(gatelab.variant("qrnn_f")).plain())
        ∂h_t/∂h_{t-1} = diag(f_t)                                    kept
        ∂h_t/∂x_t     = diag((1 - f_t) ⊙ (1 - z_t ⊙ z_t)) W_zx       through the candidate z
                      + diag((h_{t-1} - z_t) ⊙ f_t ⊙ (1 - f_t)) W_fx through the gate f
        """
        write = plain_notation(*_typeset(self.variant))
        rows: list[tuple[str, str, str]] = []
        for (state, source), entry in self.entries.items():
            below = "x_t" if source == "x" else write.vector(source, "t-1")
            left = f"∂{write.vector(state, 't')}/∂{below}"
            for number, (path, terms) in enumerate(entry.items()):
                text = _sum(terms, write)
                shown = f"= {text}" if not number else f"- {text[1:]}" if text[0] == "-" else f"+ {text}"
                rows.append(("" if number else left, shown, str(path)))
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        return "\n".join(f"{a.ljust(widths[0])} {b.ljust(widths[1])} {c}" for a, b, c in rows)


_KINDS = ("kept", "candidate", "gate")


def step_jacobian(variant: Variant) -> StepJacobian:
    """Return the derivative of a step of a variant as formulas, from its equations alone.

        >>> from gatelab.probes import step_jacobian
        >>> [str(path) for path in step_jacobian(gatelab.variant("lstm")).paths]
        ['kept', 'through the candidate z', 'through the gate i', 'through the gate f', 'through the gate o']

    Costs no data; the routes through a step are written out one by one. Where equations have ``stop``,
    ``scale_gradient`` or ``straight_through`` it is the derivative that the backward pass takes in training, not that
    of the values; that one is ``step_jacobian(variant.values_only())``.

    Raises:
        UserError: the variant is foreign, or has more than 1000 routes.
    """
    entries: dict[tuple[str, str], dict[PathName, tuple[Term, ...]]] = {}
    for target in dict.fromkeys((*variant.states, variant.output)):
        for source, path, term in _routes(variant, target):
            entry = entries.setdefault((target, source), {})
            entry[path] = (*entry.get(path, ()), term)
    sources = [*variant.states, "x"]
    places = sorted(entries, key=lambda place: sources.index(place[1]))
    return StepJacobian(
        variant,
        {
            place: {path: collected(entries[place][path]) for path in in_order(variant, entries[place])}
            for place in sorted(places, key=lambda place: list(variant.trees).index(place[0]))
        },
    )


def in_order(variant: Variant, paths: Iterable[PathName]) -> tuple[PathName, ...]:
    """Return paths in their order: kept, candidates, gates, each as the equations run."""
    names = ("", *variant.trees)
    return tuple(sorted(set(paths), key=lambda path: (_KINDS.index(path.kind), names.index(path.through))))


def _routes(variant: Variant, target: str) -> list[tuple[str, PathName, Term]]:
    known, gated = edges(variant), gate_names(variant)
    found: list[tuple[str, PathName, Term]] = []
    waiting: list[tuple[str, PathName, Term]] = [(target, KEPT, ())]
    while waiting:
        equation, path, term = waiting.pop()
        further: list[tuple[str, PathName, Term]] = []
        for edge in known[equation]:
            here = edge.source.name, followed(path, edge, gated), product(term, edge.factors)
            (further if edge.source.when == "now" else found).append(here)
        waiting += reversed(further)
        if len(waiting) + len(found) > MOST:
            raise UserError(f"variant '{variant.name}': {target} has more than {MOST} routes: too many to write out")
    return found


def _typeset(variant: Variant) -> tuple[Mapping[str, Expression], tuple[LearnedTensor, ...], dict[str, Expression]]:
    return variant.trees, variant.parameters, {parameter.name: source for parameter, source in variant.weights()}


def _sum(terms: tuple[Term, ...], write: Notation) -> str:
    """Write a sum of products."""
    text = ""
    for term in terms:
        sign, rest = _signed(term)
        body = " ".join(_factor(factor, write) for factor in rest) or "I"
        text += (f" {sign} " if text else "-" if sign == "-" else "") + body
    return text


def _signed(term: Term) -> tuple[str, Term]:
    """Return the sign of a product, and the product without it."""
    negative = False
    rest: list[Factor] = []
    for factor in term:
        match factor:
            case Negation(operand=operand):
                negative, factor = not negative, operand
            case Number(value=value, span=span) if value < 0:
                negative, factor = not negative, Number(-value, span)
            case Operation(symbol="*", left=Number(value=value, span=span), right=right) if value < 0:
                negative, factor = not negative, Operation("*", Number(-value, span), right, span)
        if not (isinstance(factor, Number) and factor.value == 1):
            rest.append(factor)
    return "-" if negative else "+", tuple(rest)


def _factor(factor: Factor, write: Notation) -> str:
    match factor:
        case Matrix(weight=weight):
            return write.parameter(weight)
        case RowSlope(function=function, argument=argument):
            return write.slope(function, argument)
        case Number(value=value):
            return write.number(value)[0]
        case _:
            return write.diagonal(factor)


def _escaped(path: PathName) -> str:
    return str(path).replace("_", r"\_")
