"""Structured weights as full matrices: as defined, the same in a stack and alone, and on both paths."""

import numpy as np
import pytest
import scipy.linalg
import torch

from gatelab.compiler import parameter_shapes, program
from gatelab.language import Variant
from gatelab.layers.layer import Layer
from gatelab.layers.structured_weights import whole_weights
from tests.paths.both_paths import assert_identical, assert_same, results, run

FORMS = {
    "blocks": "tanh(linear(x, h, blocks=2))",
    "rank": "tanh(linear(x, h, rank=3))",
    "shared": "tanh(linear(x, h, shared=3))",
    "per_block": "tanh(linear(x, h, shared=2, per_block=2))",
    "antisymmetric": "tanh(linear(x) + project(h, form=antisymmetric))",
    "symmetric": "tanh(linear(x) + project(h, form=symmetric))",
    "orthogonal": "tanh(linear(x) + project(h, form=orthogonal))",
}


def variant_of(text, **more):
    return Variant.from_mapping({"name": "tried", "state": ["h"], "equations": {**more, "h": text}})


def drawn(variant, *runs):
    torch.manual_seed(1)
    shapes = parameter_shapes(variant, 4, 6)
    return {name: torch.randn(*runs, *shape, dtype=torch.float64) for name, shape in shapes.items()}


def test_blocks_lie_along_the_diagonal():
    variant = variant_of(FORMS["blocks"])
    parts = drawn(variant)
    whole = whole_weights(variant, parts)
    for name in ("h_weight_x", "h_weight_h"):
        np.testing.assert_array_equal(whole[name], scipy.linalg.block_diag(*parts[name].numpy()))


def test_cells_of_a_block_share_rows_and_are_read_once():
    variant = variant_of(FORMS["per_block"])
    parts = drawn(variant)
    whole = whole_weights(variant, parts)
    assert {name: tuple(part.shape) for name, part in parts.items()} == {
        "h_weight_x": (3, 2), "h_weight_h": (3, 3), "h_bias": (3,),
    }  # fmt: skip
    for row in range(6):
        assert whole["h_bias"][row] == parts["h_bias"][row // 2]
        for column in range(6):
            expected = parts["h_weight_h"][row // 2, column // 2] if column % 2 == 0 else 0
            assert whole["h_weight_h"][row, column] == expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("antisymmetric", lambda m: m - m.T),
        ("symmetric", lambda m: m + m.T),
        ("orthogonal", lambda m: scipy.linalg.expm(m - m.T)),
    ],
)
def test_square_forms(form, expected):
    variant = variant_of(FORMS[form])
    parts = drawn(variant)
    whole = whole_weights(variant, parts)["h_weight_h"].numpy()
    np.testing.assert_allclose(whole, expected(parts["h_weight_h"].numpy()), rtol=0, atol=1e-12)


def test_an_orthogonal_matrix_keeps_lengths():
    variant = variant_of(FORMS["orthogonal"])
    whole = whole_weights(variant, drawn(variant))["h_weight_h"].numpy()
    np.testing.assert_allclose(whole @ whole.T, np.eye(6), rtol=0, atol=1e-12)


def test_a_matrix_of_low_rank_is_a_product():
    variant = variant_of(FORMS["rank"])
    parts = drawn(variant)
    whole = whole_weights(variant, parts)["h_weight_x"].numpy()
    expected = parts["h_weight_x_left"].numpy() @ parts["h_weight_x_right"].numpy()
    np.testing.assert_allclose(whole, expected, rtol=0, atol=1e-12)
    assert np.linalg.matrix_rank(whole) == 3


def test_a_product_of_low_rank_starts_as_wide_as_a_plain_matrix():
    torch.manual_seed(0)
    plain = Layer(variant_of("tanh(linear(x, h))"), 100, 400).get_parameter("h_weight_h").std().item()
    factors = Layer(variant_of("tanh(linear(x, h, rank=20))"), 100, 400)
    left, right = (factors.get_parameter(f"h_weight_h_{side}") for side in ("left", "right"))
    product = (left @ right).std().item()
    assert product == pytest.approx(plain, rel=0.05)


def test_tied_weights_are_one_tensor():
    variant = variant_of("tanh(linear(x, r*h, tied=r))", r="sigmoid(linear(x, h))")
    whole = whole_weights(variant, drawn(variant))
    assert whole["h_weight_x"] is whole["r_weight_x"]
    assert whole["h_weight_r_h"] is whole["r_weight_h"]


def test_a_vector_starts_between_its_two_numbers():
    layer = Layer(variant_of("tanh(linear(x))*vector(2, 5)"), 3, 500)
    start = layer.get_parameter("h_vector").detach()
    assert start.min() >= 2
    assert start.max() <= 5
    assert start.std().item() == pytest.approx(3 / 12**0.5, rel=0.1)


ALL = {**FORMS, "tied": "tanh(linear(x, r*h, tied=r))"}


def of_form(form):
    more = {"r": "sigmoid(linear(x, h))"} if form == "tied" else {}
    return variant_of(ALL[form], **more)


@pytest.mark.parametrize("form", ALL)
def test_both_paths_agree(form):
    arguments = (of_form(form), 4, 3, 4, 6, torch.float64)
    for runs in (None, 2):
        assert_same(results("native", *arguments, runs), results("loop", *arguments, runs), torch.float64)


@pytest.mark.parametrize("form", ALL)
@pytest.mark.parametrize("path", ["loop", "native"])
def test_a_run_of_a_stack_is_bit_for_bit_the_run_alone(form, path):
    # a stack of one, as training makes it
    variant = of_form(form)
    parts = {name: value.float() for name, value in drawn(variant, 5).items()}
    x = torch.randn(5, 4, 3, 4)

    def outputs(runs):
        weights = whole_weights(variant, {name: value[runs].clone() for name, value in parts.items()})
        return run(path, program(variant), weights, x[runs].clone(), {"h": torch.zeros(x[runs].shape[0], 3, 6)}, 6)[0]

    whole = outputs(slice(5))
    assert_identical(
        {str(index): outputs(slice(index, index + 1))[0] for index in range(5)},
        {str(index): whole[index] for index in range(5)},
    )
