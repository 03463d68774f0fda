"""The language: every node, the canonical text, every error with its caret, and hostile text."""

import sys
import warnings
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatelab.errors import UserError
from gatelab.language.parsing import DEEPEST, LONGEST, canonical_text, parse_equation
from gatelab.language.tree import FunctionCall, Learned, Linear, Negation, Number, Operation, Read, Span
from tests.language.examples import expressions

ANYWHERE = Span(0, 0)
SCOPE = {"x": "input", "h": "previous", "r": "now"}


def parse(text, scope=SCOPE, later=frozenset()):
    return parse_equation(text, "f", scope, frozenset(later), "mine.yaml, equation f")


def number(value):
    return Number(value, ANYWHERE)


X, H, R = Read("x", "input", ANYWHERE), Read("h", "previous", ANYWHERE), Read("r", "now", ANYWHERE)


@pytest.mark.parametrize(
    "text, tree",
    [
        ("x", X),
        ("h", H),
        ("r", R),
        ("1", number(1.0)),
        ("-2.5", number(-2.5)),
        ("+h", H),
        ("-h", Negation(H, ANYWHERE)),
        ("1_000", number(1000.0)),
        ("h + r", Operation("+", H, R, ANYWHERE)),
        ("h - r", Operation("-", H, R, ANYWHERE)),
        ("h*r", Operation("*", H, R, ANYWHERE)),
        ("h/r", Operation("/", H, R, ANYWHERE)),
        ("h**-2", Operation("**", H, number(-2.0), ANYWHERE)),
        ("-h**2", Negation(Operation("**", H, number(2.0), ANYWHERE), ANYWHERE)),
        ("1 - h - r", Operation("-", Operation("-", number(1.0), H, ANYWHERE), R, ANYWHERE)),
        ("tanh(h)", FunctionCall("tanh", (H,), ANYWHERE)),
        ("max(h, 1)", FunctionCall("max", (H, number(1.0)), ANYWHERE)),
        ("linear(x, h)", Linear((X, H), ("f_weight_x", "f_weight_h"), "f_bias", ANYWHERE)),
        ("project(h)", Linear((H,), ("f_weight_h",), None, ANYWHERE)),
        ("diag(h)", Operation("*", Learned("f_diagonal_h", "diagonal", ANYWHERE), H, ANYWHERE)),
        ("bias()", Learned("f_bias", "bias", ANYWHERE)),
        ("vector(-1)", Learned("f_vector", "vector", ANYWHERE)),
        ("scalar(0.5)", Learned("f_scalar", "scalar", ANYWHERE)),
        ("  h  ", H),
    ],
)
def test_every_node(text, tree):
    assert parse(text)[0] == tree


def test_spans_count_characters():
    tree, _ = parse("tanh(h) + r")
    assert isinstance(tree, Operation)
    assert (tree.span, tree.left.span, tree.right.span) == (Span(0, 11), Span(0, 7), Span(10, 11))


def test_learned_numbers_keep_their_start():
    _, parameters = parse("vector(-1)*scalar(0.5) + bias()")
    assert [(p.name, p.kind, p.initial, p.source) for p in parameters] == [
        ("f_vector", "vector", -1.0, None),
        ("f_scalar", "scalar", 0.5, None),
        ("f_bias", "bias", None, None),
    ]


def test_parameter_names_are_stable_and_unique():
    _, parameters = parse("linear(x, r*h, h) + linear(h) + diag(h) + diag(h) + linear(r + h)")
    names = [parameter.name for parameter in parameters]
    assert names == [
        "f_weight_x", "f_weight_r_h", "f_weight_h", "f_bias", "f_weight_h_2", "f_bias_2",
        "f_diagonal_h", "f_diagonal_h_2", "f_weight_r_h_2", "f_bias_3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text, canonical",
    [
        ("sigmoid( linear(x,h) )", "sigmoid(linear(x, h))"),
        ("f*c+i*z", "f * c + i * z"),
        ("((1-f))", "1 - f"),
        ("a**2", "a ** 2"),
        ("1.50", "1.5"),
        ("h  # the state", "h"),
    ],
)
def test_canonical_text(text, canonical):
    assert canonical_text(text) == canonical
    assert canonical_text(canonical) == canonical


@given(expressions())
def test_canonical_text_means_the_same(text):
    assert parse(canonical_text(text))[0] == parse(text)[0]


GENERIC = "only numbers, names, + - * / ** and functions are allowed"


@pytest.mark.parametrize(
    "text, problem, caret",
    [
        ("sigmod(linear(x, h))", "unknown function 'sigmod' (did you mean 'sigmoid'?)", "^^^^^^"),
        ("1 + hh", "unknown name 'hh' (did you mean 'h'?)", "    ^^"),
        ("é + x", "unknown name 'é'; known here: h, r, x", "^"),
        ("x + π + hh", "unknown name 'π'; known here: h, r, x", "    ^"),
        ("1 - f", "'f' reads itself before it exists; list it under state: to read its previous value", "    ^"),
        ("1 - o", "'o' is read before it exists: equations run top to bottom (or list it under state:)", "    ^"),
        ("1 - tanh", "'tanh' is a function and needs its arguments", "    ^^^^"),
        ("x(h)", "unknown function 'x'; known: ", "^"),
        ("x + tanh(h, r)", "tanh() takes 1 argument, not 2", "    ^^^^^^^^^^"),
        ("max(h)", "max() takes 2 arguments, not 1", "^^^^^^"),
        ("diag(h, r)", "diag() takes 1 argument, not 2", "^^^^^^^^^^"),
        ("bias(1)", "bias() takes 0 arguments, not 1", "^^^^^^^"),
        ("h + linear()", "linear() needs at least one source; for a bias alone write bias()", "    ^^^^^^^^"),
        ("vector(h)", "vector(…) takes the number it starts with", "       ^"),
        ("scalar()", "scalar() takes 1 argument, not 0", "^^^^^^^^"),
        ("h**r", "an exponent must be a number", "   ^"),
        ("h**(1 + 1)", "an exponent must be a number", "    ^^^^^"),
        ("tanh(u=x)", "no argument 'u=' is known here", "       ^"),
        ("linear(**x)", "linear() knows blocks=, rank=, form=, tied=, shared= and per_block=, no '**'", "         ^"),
        (
            "linear(x, size=3)",
            "linear() knows blocks=, rank=, form=, tied=, shared= and per_block=, no 'size='",
            "               ^",
        ),
        ("linear(x, rank=0)", "rank= takes a number from 1 on", "               ^"),
        ("project(x, blocks=True)", "blocks= takes a number from 1 on", "                  ^^^^"),
        ("linear(x, blocks=2.0)", "blocks= takes a number from 1 on", "                 ^^^"),
        (
            "linear(x, form=triangular)",
            "form= takes one of antisymmetric, symmetric, orthogonal, identity",
            "               ^^^^^^^^^^",
        ),
        ("linear(x, tied=3)", "tied= takes the name of an equation", "               ^"),
        (
            "linear(x, tied=f)",
            "tied= takes an equation that stands above; 'f' does not; above are none",
            "               ^",
        ),
        (
            "linear(x, rank=2, blocks=2)",
            "linear() takes one of blocks=, rank=, form=, tied=, shared= and per_block=, not several",
            "                         ^",
        ),
        ("vector(2, 1)", "vector(low, high) starts between the two: low must be below high", "^^^^^^^^^^^^"),
        ("vector(1, 2, 3)", "vector() takes 1 argument, not 3", "^^^^^^^^^^^^^^^"),
        ("h + 1e999", "a number must be finite", "    ^^^^^"),
        ("h +", "cannot be read: invalid syntax", "   ^"),
        ("h ? r", "cannot be read: invalid syntax", "  ^"),
        ("h = r", "cannot be read: invalid syntax", "  ^"),
        ("tanh(h", "cannot be read: '(' was never closed", "    ^"),
        ("h (", "cannot be read: '(' was never closed", "  ^"),
        ("h; r", "cannot be read: invalid syntax", " ^"),
        ("True", GENERIC, "^^^^"),
        ("h + 'r'", GENERIC, "    ^^^"),
        ("2j*h", GENERIC, "^^"),
        ("...", GENERIC, "^^^"),
        ("h @ r", GENERIC, "^^^^^"),
        ("h ^ 2", GENERIC, "^^^^^"),
        ("h // 2", GENERIC, "^^^^^^"),
        ("h < r", GENERIC, "^^^^^"),
        ("not h", GENERIC, "^^^^^"),
        ("~h", GENERIC, "^^"),
        ("h[0]", GENERIC, "^^^^"),
        ("x.T", GENERIC, "^^^"),
        ("x.sum()", GENERIC, "^^^^^^^"),
        ("tanh(*x)", GENERIC, "     ^^"),
        ("(h, r)", GENERIC, "^^^^^^"),
        ("h if r else x", GENERIC, "^^^^^^^^^^^^^"),
        ("1if h else r", GENERIC, "^^^^^^^^^^^^"),
        ("lambda: h", GENERIC, "^^^^^^^^^"),
        ("[h for h in x]", GENERIC, "^^^^^^^^^^^^^^"),
        ("f'{x}'", GENERIC, "^^^^^^"),
        ("(h := r)", GENERIC, " ^^^^^^"),
        ("__import__('os').system('true')", GENERIC, "^" * 31),
        ("().__class__.__bases__", GENERIC, "^" * 22),
        ("open('x')", "unknown function 'open'; known: ", "^^^^"),
    ],
)
def test_every_error_shows_its_place(text, problem, caret):
    with pytest.raises(UserError) as refused:
        parse(text, later={"o"})
    first, second, third = str(refused.value).split("\n")
    assert first.startswith(f"mine.yaml, equation f: {problem}")
    assert first.endswith(problem) or problem.endswith(": ")
    assert second == f"    {text}"
    assert third == f"    {caret}"


@pytest.mark.parametrize(
    "text",
    ["", "   ", "h\nr", "h\x00", "h\tr", "\ud800", "\x1b[31mh", "h\u2028r", "x" * (LONGEST + 1), "h\u00a0+ r"],
)
def test_text_that_cannot_be_shown_is_one_line(text):
    with pytest.raises(
        UserError, match=r"^mine.yaml, equation f: [^\n]* must be one line of 1 to 2000 printable chara"
    ):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "-" * (DEEPEST + 1) + "h",
        "-" * (LONGEST - 1) + "h",
        "+".join(["h"] * (DEEPEST + 2)),
        "+".join(["h"] * (LONGEST // 2)),
        "tanh(" * (DEEPEST + 1) + "h" + ")" * (DEEPEST + 1),
    ],
)
def test_deep_nesting(text):
    with pytest.raises(UserError, match="nested too deeply"):
        parse(text)


def test_brackets_beyond_what_python_reads():
    with pytest.raises(UserError, match="cannot be read: too many nested parentheses"):
        parse("(" * 900 + "h" + ")" * 900)


def test_the_deepest_that_is_allowed():
    text = "tanh(" * DEEPEST + "h" + ")" * DEEPEST
    assert canonical_text(text) == text
    assert isinstance(parse(text)[0], FunctionCall)


@pytest.mark.parametrize("text", ["1" + "0" * 400, "0x" + "f" * (LONGEST - 2), "1e309", "9" * (LONGEST - 1)])
def test_numbers_beyond_the_floats(text):
    with pytest.raises(UserError, match="a number must be finite"):
        parse(text)


def test_a_power_of_numbers_is_not_computed_here():
    assert parse("10**400")[0] == Operation("**", number(10.0), number(400.0), ANYWHERE)


def test_python_says_nothing_of_its_own():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(UserError):
            parse("1if h else r")
    assert said == []


# an import, a call or a file opened while a text is parsed would show here
_WATCHED = {"import", "exec", "compile", "open", "os.system", "subprocess.Popen"}
_events: list[str] = []
_listening = False


def _listen(event, arguments):
    if _listening and event in _WATCHED and arguments[1:2] != ("<unknown>",):
        _events.append(event)


sys.addaudithook(_listen)

_WORDS = [
    "x", "h", "r", "linear", "tanh", "diag", "vector", "(", ")", ",", "+", "-", "*", "**", "/", "1", "0.5", "1e999",
    " ", ".", "__import__", "('os')", "lambda", ":", "[", "]", "{", "}", "for", "in", "if", "else", "f'", "'", "\\",
    "=", ":=", "@", "await", "yield", "\x00", "ℌ", "é", "#", "not", "is", "1if", "0x", "10**400", "...", "*x", "**x",
    "True", "None",
]  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(_WORDS), max_size=14).map("".join)))
def test_arbitrary_text_is_parsed_or_refused(text):
    global _listening
    _listening = True
    with suppress(UserError):
        parse(text)
    _listening = False
    assert _events == []
