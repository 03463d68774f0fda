"""What a gate sees, what squashes it, that it is gone: short words for ordinary equations."""

import pytest

from gatelab.errors import UserError
from gatelab.language import edited_variant, load_variant
from gatelab.language.edits import applied


def mapping(name, **factors):
    return {**load_variant(name).mapping(), **factors}


@pytest.mark.parametrize(
    ("name", "factors", "gate", "text"),
    [
        ("lstm", {"reads": {"f": ["x"]}}, "f", "sigmoid(linear(x))"),
        ("lstm", {"reads": {"f": ["h", "x"]}}, "f", "sigmoid(linear(h, x))"),
        ("lstm", {"reads": {"f": ["x", "h", "c"]}}, "f", "sigmoid(linear(x, h) + diag(c))"),
        ("lstm", {"reads": {"f": ["c"]}}, "f", "sigmoid(bias() + diag(c))"),
        ("lstm", {"reads": {"f": []}}, "f", "sigmoid(bias())"),
        ("peephole", {"reads": {"i": ["x", "h"]}}, "i", "sigmoid(linear(x, h))"),
        ("peephole", {"reads": {"i": ["x", "h", "c"]}}, "i", "sigmoid(linear(x, h) + diag(c))"),
        ("ur_lstm", {"reads": {"f": ["x"]}}, "f", "sigmoid(linear(x) + b)"),
        ("gru_v3", {"reads": {"n": ["x", "r*h"]}}, "n", "tanh(linear(x, r * h))"),
        ("gru_v3", {"reads": {"n": ["x", "h"]}}, "n", "tanh(linear(x, h))"),
        ("lstm", {"squash": {"f": "hard_sigmoid"}}, "f", "hard_sigmoid(linear(x, h))"),
        ("lstm", {"squash": {"z": "identity"}}, "z", "linear(x, h)"),
        ("lstm", {"constant": {"f": 1}}, "f", "1"),
        ("lstm", {"constant": {"f": 0.5}}, "f", "0.5"),
        ("lstm", {"reads": {"f": ["x"]}, "squash": {"f": "tanh"}}, "f", "tanh(linear(x))"),
    ],
)
def test_a_factor_is_an_equation(name, factors, gate, text):
    variant = edited_variant(mapping(name, **factors))
    said_in_full = edited_variant({**mapping(name), "equations": {**load_variant(name).equations, gate: text}})
    assert variant.equations[gate] == text
    assert variant == said_in_full


def test_what_nothing_squashes_gets_a_squashing_function():
    linear = edited_variant(mapping("lstm", squash={"z": "identity"}))
    assert edited_variant({**linear.mapping(), "squash": {"z": "relu"}}).equations["z"] == "relu(linear(x, h))"


def test_a_constant_gate_has_no_weights():
    names = [parameter.name for parameter in edited_variant(mapping("lstm", constant={"f": 1})).parameters]
    assert names == [parameter.name for parameter in load_variant("lstm").parameters if parameter.equation != "f"]


@pytest.mark.parametrize(
    ("name", "factors", "line"),
    [
        ("lstm", {"reads": {"q": ["x"]}}, "variant.reads.q: lstm has no equation 'q'; equations: i, f, z, o, c, h"),
        ("lstm", {"reads": {"f": "x"}}, r"variant.reads.f=x: must be a list of vectors, such as \[x,h\]"),
        (
            "lstm",
            {"reads": {"c": ["x"]}},
            r"variant.reads.c: the equation 'f \* c \+ i \* z' has no linear map; say it in",
        ),
        ("gru", {"reads": {"n": ["x"]}}, "variant.reads.n: the equation .* has several linear maps; say it in full"),
        (
            "lstm",
            {"squash": {"f": "sigmod"}},
            r"variant.squash.f=sigmod: must be a function \(did you mean 'sigmoid'\?\)",
        ),
        ("lstm", {"squash": {"f": "max"}}, "variant.squash.f=max: must be a function"),
        ("lstm", {"squash": {"c": "tanh"}}, "variant.squash.c: the equation 'f .*' is not one function of a sum"),
        ("lstm", {"constant": {"f": "a"}}, "variant.constant.f=a: must be a number"),
        ("lstm", {"constant": {"f": True}}, "variant.constant.f=true: must be a number"),
        ("lstm", {"constant": 3}, "variant.constant=3: must be given for each gate: variant.constant.GATE="),
        ("lstm", {"constant": {"f": 1}, "reads": {"f": ["x"]}}, "gate 'f' is constant and reads nothing"),
    ],
)
def test_what_cannot_be_said_so_is_refused_in_one_line(name, factors, line):
    with pytest.raises(UserError, match=line) as refused:
        applied(mapping(name, **factors), name)
    assert "\n" not in str(refused.value)


def test_a_vector_that_is_not_there_is_the_languages_own_error():
    with pytest.raises(UserError, match="unknown name 'q'"):
        edited_variant(mapping("lstm", reads={"f": ["x", "q"]}))
