"""Weights of a form: what is learned of them, what they cost, and what is refused."""

import pytest

from gatelab.compiler import multiply_adds, parameter_count, parameter_shapes
from gatelab.errors import UserError
from gatelab.language import Variant


def of(h, **more):
    return Variant.from_mapping({"name": "tried", "state": ["h"], "equations": {**more, "h": h}})


@pytest.mark.parametrize(
    ("text", "shapes", "products"),
    [
        ("tanh(linear(x, h, blocks=2))", {"h_weight_x": (2, 3, 2), "h_weight_h": (2, 3, 3), "h_bias": (6,)}, 12 + 18),
        (
            "tanh(project(x) + project(h, rank=2))",
            {"h_weight_x": (6, 4), "h_weight_h_left": (6, 2), "h_weight_h_right": (2, 6)},
            24 + 24,
        ),
        (
            "tanh(linear(x) + project(h, form=antisymmetric))",
            {"h_weight_x": (6, 4), "h_bias": (6,), "h_weight_h": (6, 6)},
            24 + 36,
        ),
        ("tanh(linear(x) + linear(h, form=identity))", {"h_weight_x": (6, 4), "h_bias": (6,), "h_bias_2": (6,)}, 24),
        ("tanh(linear(x) + project(h, form=identity))", {"h_weight_x": (6, 4), "h_bias": (6,)}, 24),
    ],
)  # fmt: skip
def test_what_is_learned_and_what_a_step_costs(text, shapes, products):
    variant = of(text)
    assert parameter_shapes(variant, 4, 6) == shapes
    assert multiply_adds(variant, 4, 6) == products
    assert parameter_count(variant, 4, 6) == sum(
        {0: 1, 1: shape[0] if shape else 1}.get(len(shape), 0)
        or (shape[0] * shape[1] if len(shape) == 2 else shape[0] * shape[1] * shape[2])
        for shape in shapes.values()
    )


def test_a_tied_weight_is_learned_once_and_used_twice():
    variant = of("tanh(linear(x, r*h, tied=r))", r="sigmoid(linear(x, h))")
    assert parameter_shapes(variant, 4, 6) == {
        "r_weight_x": (6, 4),
        "r_weight_h": (6, 6),
        "r_bias": (6,),
        "h_bias": (6,),
    }
    assert multiply_adds(variant, 4, 6) == 2 * (24 + 36)


def test_what_is_tied_to_a_tied_weight_is_tied_to_the_first():
    variant = of("tanh(linear(x, r*h, tied=s))*s", r="sigmoid(linear(x, h))", s="sigmoid(linear(x, h, tied=r))")
    forms = {parameter.name: parameter.form for parameter in variant.parameters if parameter.form is not None}
    assert {name: form.other for name, form in forms.items()} == {
        "s_weight_x": "r_weight_x",
        "s_weight_h": "r_weight_h",
        "h_weight_x": "r_weight_x",
        "h_weight_r_h": "r_weight_h",
    }


def test_an_equation_whose_weights_are_used_is_kept():
    variant = of("tanh(linear(x, h, tied=r))", r="sigmoid(linear(x, h))", s="sigmoid(linear(x))")
    assert list(variant.equations) == ["r", "h"]


@pytest.mark.parametrize(
    ("equations", "line"),
    [
        ({"h": "tanh(linear(h, x, tied=r))", "r": "sigmoid(linear(x, h))"}, "'h' has the hidden size and cannot share"),
        (
            {"h": "tanh(linear(x, tied=r))", "r": "sigmoid(linear(x, h))"},
            "'r' has 2 weight matrices, not one for each of",
        ),
        ({"h": "x + softmax(scalar(1))"}, r"softmax\(\) acts on a vector; x \+ softmax\(scalar\(1\)\) has none"),
    ],
)
def test_what_cannot_be_is_refused(equations, line):
    with pytest.raises(UserError, match=line):
        of(**dict(sorted(equations.items(), reverse=True)))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "tanh(linear(x, h, blocks=4))",
            "blocks=4: h_weight_x is 6 × 4; both must be divisible by the number of blocks",
        ),
        ("tanh(linear(x, h, rank=5))", "rank=5: h_weight_x is 6 × 4; the rank must be at most the smaller of both"),
        ("tanh(linear(x, form=symmetric) + h)", "form=symmetric: h_weight_x is 6 × 4; it must be square"),
    ],
)
def test_sizes_that_a_form_cannot_have_are_refused(text, line):
    with pytest.raises(UserError) as refused:
        parameter_shapes(of(text), 4, 6)
    assert str(refused.value) == line
