"""The little language: the right-hand side of one equation, from text to a checked tree. Nothing is ever evaluated."""

import ast
import math
import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NoReturn

from gatelab.errors import UserError, suggest
from gatelab.language.functions import FUNCTIONS, SURROGATES, Function
from gatelab.language.tree import (
    Expression,
    FunctionCall,
    Learned,
    Linear,
    Negation,
    Number,
    Operation,
    ParameterKind,
    Read,
    Span,
    Symbol,
    When,
)
from gatelab.language.weight_forms import SQUARE, Form
from gatelab.language.word_table import (
    IDENTITY,
    INPUT,
    LEARNED,
    MAP_OPTIONS,
    MAPS,
    OF_CELLS,
    RESERVED,
    STARTING,
    Starting,
)

__all__ = ["LearnedTensor", "canonical_text", "fail", "parse_equation", "value_text"]

LONGEST = 2000  # characters of one equation: far beyond any paper's, far below what exhausts the parser
DEEPEST = 60  # nested operations
_SHOWN = 100  # characters of one equation, in an error

_STARTING: dict[str, Starting] = {word: word for word in STARTING}
_SQUARE = {kind: kind for kind in SQUARE}
_OPTIONS = "=, ".join(MAP_OPTIONS[:-1]) + f"= and {MAP_OPTIONS[-1]}="


@dataclass(frozen=True)
class LearnedTensor:
    """One learned tensor of a variant.

    Attributes:
        name: ``<equation>_<kind>_<source>``, such as ``f_weight_h``; the key in a state_dict.
        equation: the equation that owns it.
        kind: weight matrix, diagonal of one, bias, vector or scalar.
        initial: the value it starts with; two of them for a start drawn uniformly between; None for what is drawn as
            weights are (weight, diagonal and bias).
        source: what a weight or a diagonal is multiplied with, as text.
        form: of a weight matrix that is not a plain one.
    """

    name: str
    equation: str
    kind: ParameterKind
    initial: float | tuple[float, float] | None
    source: str | None
    form: Form | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of what is learned of it: its own, or those of the parts that its form has."""
        if self.form is None or self.form.kind not in ("rank", "tied"):
            return (self.name,)
        return () if self.form.kind == "tied" else (f"{self.name}_left", f"{self.name}_right")


def canonical_text(text: str) -> str:
    """Return the one spelling of a right-hand side that has already been parsed."""
    return ast.unparse(ast.parse(text.strip(), mode="eval"))


def value_text(text: str) -> str:
    """Return a right-hand side that can be parsed without its surrogates: ``c*f`` of ``stop(c)*f``.

    A text without any is returned as it is.
    """
    if not any(name in text for name in SURROGATES):
        return text
    return ast.unparse(_WithoutSurrogates().visit(ast.parse(text, mode="eval")))


class _WithoutSurrogates(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return node.args[0] if isinstance(node.func, ast.Name) and node.func.id in SURROGATES and node.args else node


def fail(where: str, text: str, span: Span, problem: str) -> NoReturn:
    """Raise the error of one equation, with a caret line below the place."""
    # of a long equation what stands around the place
    first = max(0, span.start - _SHOWN // 2) if len(text) > _SHOWN else 0
    shown = text[first : first + _SHOWN]
    caret = " " * (span.start - first) + "^" * max(1, min(span.stop - first, len(shown)) - (span.start - first))
    raise UserError(f"{where}: {problem}\n    {shown}\n    {caret}")


def parse_equation(
    text: str,
    equation: str,
    scope: Mapping[str, When],
    later: Collection[str],
    where: str,
    owned: Mapping[str, tuple[LearnedTensor, ...]] = MappingProxyType({}),
    functions: Mapping[str, Function] = MappingProxyType(FUNCTIONS),
) -> tuple[Expression, tuple[LearnedTensor, ...]]:
    """Parse the right-hand side of one equation.

    Args:
        text: the right-hand side.
        equation: the name on its left.
        scope: the names it may read, and when each was written.
        later: equations that run after it, for the error that says so.
        where: "file, equation f", for errors.
        owned: the parameters of the equations above, whose weights it may share.
        functions: those it may call; adjoints know more than the language does.

    Returns:
        The tree and the parameters it owns, in reading order.

    Raises:
        UserError: the text is outside the language; the message shows the place.
    """
    text = text.strip()
    if not text or len(text) > LONGEST or "\n" in text or not text.isprintable():
        shown = text if len(text) < 60 else text[:57] + "..."
        raise UserError(f"{where}: {shown!r} must be one line of 1 to {LONGEST} printable characters")
    try:
        with warnings.catch_warnings():
            # Python warns about such as "1if"; the error below says enough
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        # Python gives no place to what ends too early
        start = min(error.offset - 1, len(text)) if error.offset else len(text)
        fail(where, text, Span(start, start + 1), f"cannot be read: {error.msg}")
    except (RecursionError, MemoryError, ValueError):
        raise UserError(f"{where}: nested too deeply (at most {DEEPEST} levels)") from None
    parser = _Parser(text, equation, scope, later, where, owned, functions)
    return parser.expression(tree, 0), tuple(parser.parameters)


_OPERATORS: dict[type[ast.operator], Symbol] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**",
}  # fmt: skip


class _Parser:
    """Turns the syntax tree of one right-hand side into ours, and names its parameters."""

    def __init__(
        self,
        text: str,
        equation: str,
        scope: Mapping[str, When],
        later: Collection[str],
        where: str,
        owned: Mapping[str, tuple[LearnedTensor, ...]],
        functions: Mapping[str, Function],
    ) -> None:
        self.text, self.equation, self.scope, self.later, self.where = text, equation, scope, later, where
        self.owned, self.functions = owned, functions
        self.parameters: list[LearnedTensor] = []
        # ast counts bytes, people count characters
        self._columns = {len(text[:i].encode()): i for i in range(len(text) + 1)}

    def expression(self, node: ast.expr, depth: int) -> Expression:
        span = self._span(node)
        if depth > DEEPEST:
            fail(self.where, self.text, span, f"nested too deeply (at most {DEEPEST} levels)")
        match node:
            case ast.Constant(value=bool() | str() | bytes() | complex() | None):
                fail(self.where, self.text, span, "only numbers, names, + - * / ** and functions are allowed")
            case ast.Constant(value=int() | float() as value):
                return Number(self._finite(value, span), span)
            case ast.Name(id=name):
                return self._read(name, span)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.expression(operand, depth + 1)
                return Number(-inner.value, span) if isinstance(inner, Number) else Negation(inner, span)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.expression(operand, depth + 1)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                symbol = _OPERATORS[type(op)]
                first, second = self.expression(left, depth + 1), self.expression(right, depth + 1)
                if symbol == "**" and not isinstance(second, Number):
                    fail(self.where, self.text, second.span, "an exponent must be a number")
                return Operation(symbol, first, second, span)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords) if name in MAPS:
                return self._linear(name, arguments, keywords, span, depth)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments, span, self._span(node.func), depth)
            case ast.Call(keywords=[keyword, *_]):
                given = "**" if keyword.arg is None else f"{keyword.arg}="
                fail(self.where, self.text, self._span(keyword.value), f"no argument '{given}' is known here")
            case _:
                fail(self.where, self.text, span, "only numbers, names, + - * / ** and functions are allowed")

    def _call(self, name: str, arguments: list[ast.expr], span: Span, name_span: Span, depth: int) -> Expression:
        if name not in self.functions and name not in LEARNED:
            known = sorted(RESERVED - {INPUT})
            hint = suggest(name, known) or f"; known: {', '.join(known)}"
            fail(self.where, self.text, name_span, f"unknown function '{name}'{hint}")
        if name == "diag":
            self._expect(name, len(arguments), 1, span)
            source = self.expression(arguments[0], depth + 1)
            diagonal = Learned(self._parameter("diagonal", source=_met(arguments[0])), "diagonal", span)
            return Operation("*", diagonal, source, span)
        if name == "bias":
            self._expect(name, len(arguments), 0, span)
            return Learned(self._parameter("bias"), "bias", span)
        if name in _STARTING:
            kind = _STARTING[name]
            if name != "vector" or len(arguments) != 2:
                self._expect(name, len(arguments), 1, span)
            starts = [self.expression(argument, depth + 1) for argument in arguments]
            values = []
            for start in starts:
                if not isinstance(start, Number):
                    fail(self.where, self.text, start.span, f"{name}(…) takes the number it starts with")
                values.append(start.value)
            if len(values) == 2 and values[0] >= values[1]:
                fail(self.where, self.text, span, "vector(low, high) starts between the two: low must be below high")
            initial = (values[0], values[1]) if len(values) == 2 else values[0]
            return Learned(self._parameter(kind, initial=initial), kind, span)
        self._expect(name, len(arguments), self.functions[name].arity, span)
        return FunctionCall(name, tuple(self.expression(argument, depth + 1) for argument in arguments), span)

    def _linear(
        self, name: str, arguments: list[ast.expr], keywords: list[ast.keyword], span: Span, depth: int
    ) -> Expression:
        of_cells = {keyword.arg for keyword in keywords} == set(OF_CELLS) and len(keywords) == len(OF_CELLS)
        if len(keywords) > 1 and not of_cells:
            place = self._span(keywords[1].value)
            fail(self.where, self.text, place, f"{name}() takes one of {_OPTIONS}, not several")
        for keyword in keywords:
            if keyword.arg not in MAP_OPTIONS:
                given = "**" if keyword.arg is None else f"{keyword.arg}="
                problem = f"{name}() knows {_OPTIONS}, no '{given}'"
                fail(self.where, self.text, self._span(keyword.value), problem)
        if not arguments:
            fail(self.where, self.text, span, f"{name}() needs at least one source; for a bias alone write bias()")
        sources = tuple(self.expression(argument, depth + 1) for argument in arguments)
        forms: tuple[Form | None, ...] = (None,) * len(sources)
        for keyword in keywords:
            if keyword.arg == "form" and isinstance(keyword.value, ast.Name) and keyword.value.id == IDENTITY:
                return self._sum(name, sources, span)
            forms = self._forms(keyword, len(sources), forms[0])
        weights = tuple(
            self._parameter("weight", source=_met(argument), form=form)
            for argument, form in zip(arguments, forms, strict=True)
        )
        if name != MAPS[0]:
            return Linear(sources, weights, None, span)
        of_bias = None if forms[0] is None else forms[0].of_bias
        return Linear(sources, weights, self._parameter("bias", form=of_bias), span)

    def _sum(self, name: str, sources: tuple[Expression, ...], span: Span) -> Expression:
        """Return the sum of sources that meet the identity instead of learned weights."""
        total = sources[0]
        for source in sources[1:]:
            total = Operation("+", total, source, span)
        if name != MAPS[0]:
            return total
        return Operation("+", total, Learned(self._parameter("bias"), "bias", span), span)

    def _forms(self, keyword: ast.keyword, sources: int, before: Form | None) -> tuple[Form, ...]:
        """Return the form of the weight of each source; ``before`` is what another keyword has made of it."""
        place, value = self._span(keyword.value), keyword.value
        match keyword.arg, value:
            case ("blocks" | "rank" as kind, ast.Constant(value=int() as count)) if type(count) is int and count > 0:
                return (Form(kind, count),) * sources
            case ("shared" | "per_block" as kind, ast.Constant(value=int() as cells)) if (
                type(cells) is int and cells > 1
            ):
                rows, columns = (1, 1) if before is None else (before.count, before.columns)
                made = Form("cells", cells, columns=columns) if kind == "shared" else Form("cells", rows, columns=cells)
                return (made,) * sources
            case ("shared" | "per_block" as kind, _):
                fail(self.where, self.text, place, f"{kind}= takes the cells of a block, 2 or more")
            case ("blocks" | "rank" as kind, _):
                fail(self.where, self.text, place, f"{kind}= takes a number from 1 on")
            case ("form", ast.Name(id=square)) if square in _SQUARE:
                return (Form(_SQUARE[square]),) * sources
            case ("form", _):
                fail(self.where, self.text, place, f"form= takes one of {', '.join(SQUARE)}, {IDENTITY}")
            case ("tied", ast.Name(id=other)):
                return self._tied(other, sources, place)
            case _:
                fail(self.where, self.text, place, "tied= takes the name of an equation")

    def _tied(self, other: str, sources: int, place: Span) -> tuple[Form, ...]:
        if other not in self.owned:
            hint = suggest(other, self.owned) or f"; above are {', '.join(self.owned) or 'none'}"
            fail(self.where, self.text, place, f"tied= takes an equation that stands above; '{other}' does not{hint}")
        weights = [parameter for parameter in self.owned[other] if parameter.kind == "weight"]
        if len(weights) != sources:
            problem = f"'{other}' has {len(weights)} weight matrices, not one for each of the {sources} sources"
            fail(self.where, self.text, place, problem)
        tied = (w.form.other if w.form is not None and w.form.kind == "tied" else w.name for w in weights)
        return tuple(Form("tied", other=name) for name in tied)

    def _read(self, name: str, span: Span) -> Read:
        if name in self.scope:
            return Read(name, self.scope[name], span)
        if name == self.equation:
            problem = f"'{name}' reads itself before it exists; list it under state: to read its previous value"
        elif name in self.later:
            problem = f"'{name}' is read before it exists: equations run top to bottom (or list it under state:)"
        elif name in RESERVED:
            problem = f"'{name}' is a function and needs its arguments"
        else:
            hint = suggest(name, self.scope) or f"; known here: {', '.join(sorted(self.scope))}"
            problem = f"unknown name '{name}'{hint}"
        fail(self.where, self.text, span, problem)

    def _parameter(
        self,
        kind: ParameterKind,
        initial: float | tuple[float, float] | None = None,
        source: str | None = None,
        form: Form | None = None,
    ) -> str:
        tail = "" if source is None else "_" + (re.sub(r"\W+", "_", source).strip("_") or "source")
        stem = name = f"{self.equation}_{kind}{tail}"
        taken = {parameter.name for parameter in self.parameters}
        count = 1
        while name in taken:
            count += 1
            name = f"{stem}_{count}"
        self.parameters.append(LearnedTensor(name, self.equation, kind, initial, source, form))
        return name

    def _expect(self, name: str, given: int, wanted: int, span: Span) -> None:
        if given != wanted:
            fail(self.where, self.text, span, f"{name}() takes {wanted} argument{'s' * (wanted != 1)}, not {given}")

    def _finite(self, value: float, span: Span) -> float:
        # an int beyond the floats raises here, and 1e999 is already infinite
        if abs(value) > 1e308 or not math.isfinite(value):
            fail(self.where, self.text, span, "a number must be finite")
        return float(value)

    def _span(self, node: ast.expr) -> Span:
        stop = node.end_col_offset if node.end_col_offset is not None else node.col_offset + 1
        return Span(self._columns.get(node.col_offset, 0), self._columns.get(stop, len(self.text)))


def _met(argument: ast.expr) -> str:
    """Return the text of what a weight meets: h of stop(h), so that both have the same names of weights."""
    return value_text(ast.unparse(argument))
