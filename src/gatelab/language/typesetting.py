"""Equations as a paper would print them: LaTeX, and plain text for a terminal."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence

from gatelab.language.functions import FUNCTIONS
from gatelab.language.parsing import LearnedTensor
from gatelab.language.tree import Expression, FunctionCall, Learned, Linear, Negation, Number, Operation, Read, walk

__all__ = [
    "Lines",
    "Notation",
    "Sources",
    "latex_lines",
    "latex_notation",
    "latex_text",
    "plain_lines",
    "plain_notation",
    "plain_text",
]

Sources = Mapping[str, Expression]
"""Weight or diagonal -> the expression it multiplies."""


Lines = Sequence[tuple[str, str]]
"""Left and right side of each equation."""


def plain_lines(trees: Mapping[str, Expression], parameters: Sequence[LearnedTensor], sources: Sources) -> Lines:
    """Return both sides of each equation as text.

    ⊙ is the element-wise product; W is a learned matrix, p the diagonal of one, b a bias, v a learned vector, s a
    learned scalar, each with the equation it belongs to and, where it has one, the vector it is multiplied with.

    Args:
        trees: equation -> its right-hand side.
        parameters: every learned tensor.
        sources: weight or diagonal -> the expression it multiplies.
    """
    return _Plain(trees, parameters, sources).lines()


def latex_lines(trees: Mapping[str, Expression], parameters: Sequence[LearnedTensor], sources: Sources) -> Lines:
    """Return both sides of each equation as LaTeX; the rest as :func:`plain_lines`."""
    return _Latex(trees, parameters, sources).lines()


def plain_notation(
    trees: Mapping[str, Expression], parameters: Sequence[LearnedTensor], sources: Sources
) -> "Notation":
    """Return what writes expressions of a variant as text; the arguments are those of :func:`plain_lines`."""
    return _Plain(trees, parameters, sources)


def latex_notation(
    trees: Mapping[str, Expression], parameters: Sequence[LearnedTensor], sources: Sources
) -> "Notation":
    """Return what writes expressions of a variant as LaTeX; the arguments are those of :func:`plain_lines`."""
    return _Latex(trees, parameters, sources)


def plain_text(lines: Lines) -> str:
    """Return aligned lines of text: ``f_t = σ(W_fx x_t + W_fh h_{t-1} + b_f)``."""
    width = max(len(left) for left, _ in lines)
    return "\n".join(f"{left.ljust(width)} = {right}" for left, right in lines)


def latex_text(lines: Lines) -> str:
    """Return an ``aligned`` environment, for LaTeX, MathJax and KaTeX (within ``$$ … $$``)."""
    body = " \\\\\n".join(f"  {left} &= {right}" for left, right in lines)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


# How strongly an expression holds together: what is weaker than its surroundings gets parentheses. W a stands between a
# sum and a product: in W a ⊙ b one could not see what is multiplied first.
_SUM, _MATRIX, _PRODUCT, _ATOM = range(4)

_Label = tuple[str, tuple[str, ...], int]

_LETTERS = {"weight": "W", "diagonal": "p", "bias": "b", "vector": "v", "scalar": "s"}


class Notation(ABC):
    """Writes expressions with as few parentheses as their meaning allows."""

    times: str  # element-wise product of vectors
    dot: str  # product with a number that stands on the right

    def __init__(self, trees: Mapping[str, Expression], parameters: Sequence[LearnedTensor], sources: Sources) -> None:
        self.trees = trees
        self.labels = _labels(parameters, sources)

    def lines(self) -> list[tuple[str, str]]:
        """Return left and right side of every equation."""
        return [(self.vector(name, "t"), self.write(tree)[0]) for name, tree in self.trees.items()]

    @abstractmethod
    def vector(self, name: str, time: str) -> str:
        """Write a vector at a time, ``t`` or ``t-1``."""

    @abstractmethod
    def parameter(self, name: str) -> str:
        """Write a learned tensor."""

    @abstractmethod
    def number(self, value: float) -> tuple[str, int]:
        """Write a number and say how strongly it holds together."""

    @abstractmethod
    def call(self, function: str, arguments: list[str]) -> str:
        """Write a function's value."""

    @abstractmethod
    def quotient(self, left: Expression, right: Expression) -> tuple[str, int]:
        """Write a division."""

    @abstractmethod
    def power(self, base: str, exponent: float) -> str:
        """Write a power."""

    @abstractmethod
    def diagonal(self, expression: Expression) -> str:
        """Write the diagonal matrix of a vector."""

    @abstractmethod
    def slope(self, function: str, argument: Expression) -> str:
        """Write the derivative of a row function, a matrix, at its argument."""

    @abstractmethod
    def parentheses(self, text: str) -> str:
        """Put a text in parentheses."""

    def write(self, expression: Expression) -> tuple[str, int]:
        """Return the text of an expression, and how strongly it holds together."""
        match expression:
            case Number(value=value):
                return self.number(value)
            case Read(name=name, when=when):
                return self.vector(name, "t-1" if when == "previous" else "t"), _ATOM
            case Learned(parameter=parameter):
                return self.parameter(parameter), _ATOM
            case Negation(operand=operand):
                # -(a b) is (-a) b; where a minus cannot stand, inner() sees that it does
                return f"-{self.inner(operand, _MATRIX)}", _MATRIX if isinstance(operand, Linear) else _PRODUCT
            case FunctionCall(function=function, arguments=arguments):
                return self.call(function, [self.write(argument)[0] for argument in arguments]), _ATOM
            case Linear(sources=sources, weights=weights, bias=bias):
                pairs = zip(weights, sources, strict=True)
                terms = [f"{self.parameter(weight)} {self.inner(source, _ATOM)}" for weight, source in pairs]
                terms += [self.parameter(bias)] if bias else []
                return " + ".join(terms), _SUM if len(terms) > 1 else _MATRIX
            case Operation(symbol="+" | "-" as symbol, left=left, right=right):
                # a + (b - c) is a + b - c, but a - (b + c) is not a - b + c
                return f"{self.write(left)[0]} {symbol} {self.inner(right, _SUM if symbol == '+' else _MATRIX)}", _SUM
            case Operation(symbol="*", left=left, right=right):
                return self.product(left, right), _PRODUCT
            case Operation(symbol="/", left=left, right=right):
                return self.quotient(left, right)
            case Operation(left=left, right=right):
                assert isinstance(right, Number)  # the parser lets nothing else be an exponent
                text, strength = self.write(left)
                whole = strength == _ATOM and not isinstance(left, FunctionCall) and not text.startswith("-")
                return self.power(text if whole else self.parentheses(text), right.value), _PRODUCT

    def product(self, left: Expression, right: Expression) -> str:
        """Write a product: 2 r, r · 2, or r ⊙ f."""
        first = self.inner(left, _PRODUCT, leading=True)
        second = self.inner(right, _PRODUCT)
        if isinstance(left, Number) and not second[0].isdigit():
            return f"{first} {second}"
        return f"{first} {self.dot if _is_number(left) or _is_number(right) else self.times} {second}"

    def inner(self, expression: Expression, least: int, *, leading: bool = False) -> str:
        """Write a part of an expression, in parentheses where it holds together less than its surroundings ask."""
        text, strength = self.write(expression)
        unclear = strength < least or (text.startswith("-") and not leading)
        return self.parentheses(text) if unclear else text


class _Plain(Notation):
    times, dot = "⊙", "·"

    def vector(self, name: str, time: str) -> str:
        return f"{name}_t" if time == "t" else f"{name}_{{{time}}}"

    def parameter(self, name: str) -> str:
        label = self.labels[name]
        text = _subscripts(label, list(label[1]))
        return f"{label[0]}_{{{text}}}" if "," in text else f"{label[0]}_{text}"

    def number(self, value: float) -> tuple[str, int]:
        return _digits(value), _ATOM

    def call(self, function: str, arguments: list[str]) -> str:
        return f"{FUNCTIONS[function].plain or function}({', '.join(arguments)})"

    def quotient(self, left: Expression, right: Expression) -> tuple[str, int]:
        return f"{self.inner(left, _PRODUCT, leading=True)} / {self.inner(right, _ATOM)}", _PRODUCT

    def power(self, base: str, exponent: float) -> str:
        return f"{base}^{_digits(exponent)}"

    def diagonal(self, expression: Expression) -> str:
        return f"diag({self.write(expression)[0]})"

    def slope(self, function: str, argument: Expression) -> str:
        return f"{function}'({self.write(argument)[0]})"

    def parentheses(self, text: str) -> str:
        return f"({text})"


class _Latex(Notation):
    times, dot = r"\odot", r"\cdot"

    def vector(self, name: str, time: str) -> str:
        return f"{_upright(name)}_t" if time == "t" else f"{_upright(name)}_{{{time}}}"

    def parameter(self, name: str) -> str:
        label = self.labels[name]
        text = _subscripts(label, [_upright(subscript) for subscript in label[1]])
        return f"{label[0]}_{text}" if len(text) == 1 else f"{label[0]}_{{{text}}}"

    def number(self, value: float) -> tuple[str, int]:
        mantissa, _, exponent = _digits(value).partition("e")
        if not exponent:
            return mantissa, _ATOM
        factor = "" if mantissa == "1" else rf"{mantissa} \cdot "
        return f"{factor}10^{{{int(exponent)}}}", _PRODUCT

    def call(self, function: str, arguments: list[str]) -> str:
        return FUNCTIONS[function].latex.format(*arguments)

    def quotient(self, left: Expression, right: Expression) -> tuple[str, int]:
        return rf"\frac{{{self.write(left)[0]}}}{{{self.write(right)[0]}}}", _PRODUCT

    def power(self, base: str, exponent: float) -> str:
        return f"{base}^{{{self.number(exponent)[0]}}}"

    def diagonal(self, expression: Expression) -> str:
        return rf"\operatorname{{diag}}{self.parentheses(self.write(expression)[0])}"

    def slope(self, function: str, argument: Expression) -> str:
        return rf"\partial {FUNCTIONS[function].latex.format(self.write(argument)[0])}"

    def parentheses(self, text: str) -> str:
        return rf"\left({text}\right)" if r"\frac" in text else f"({text})"


def _labels(parameters: Sequence[LearnedTensor], sources: Sources) -> Mapping[str, _Label]:
    """Return parameter -> letter, equation and vector met, and which of several with the same label it is."""
    labels: dict[str, _Label] = {}
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for parameter in parameters:
        if parameter.form is not None and parameter.form.kind == "tied":
            label = labels[parameter.name] = labels[parameter.form.other]
            counts[label[:2]] += 1
            continue
        letter, names = _LETTERS[parameter.kind], (parameter.equation, *_met(parameter, sources))
        counts[letter, names] += 1
        labels[parameter.name] = letter, names, counts[letter, names]
    return labels


def _met(parameter: LearnedTensor, sources: Mapping[str, Expression]) -> list[str]:
    """Return the last name of a weight's source: the h of r*h, as papers write W_h (r ⊙ h)."""
    if parameter.name not in sources:
        return []
    names = [node.name for node in walk(sources[parameter.name]) if isinstance(node, Read)]
    return names[-1:]


def _is_number(expression: Expression) -> bool:
    """Whether an expression is a number and no vector, as far as it shows."""
    leaves = (node for node in walk(expression) if isinstance(node, Number | Read | Learned | Linear))
    return all(isinstance(leaf, Number) or (isinstance(leaf, Learned) and leaf.kind == "scalar") for leaf in leaves)


def _digits(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e16 else repr(value)


def _upright(name: str) -> str:
    return name if len(name) == 1 else r"\mathrm{" + name.replace("_", r"\_") + "}"


def _subscripts(label: _Label, shown: list[str]) -> str:
    """Return subscripts side by side, with commas where a name of several letters would run into the next."""
    _, names, count = label
    text = ("" if all(len(name) == 1 for name in names) else ",").join(shown)
    return text if count == 1 else f"{text},{count}"
