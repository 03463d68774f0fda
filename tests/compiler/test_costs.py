"""Counts against formulas worked out by hand."""

import pytest

from gatelab.compiler import dependent_products, multiply_adds, parameter_count
from gatelab.errors import UserError
from gatelab.language import load_variant
from tests.language.examples import variant

SIZES = [(32, 64), (1, 1), (3, 5), (88, 17)]

# I inputs, H units: each gate has H·I + H·H weights and H biases
PARAMETERS = {
    "cifg": lambda I, H: 3 * (H * I + H * H + H),
    "elman": lambda I, H: H * I + H * H + H,
    "gru": lambda I, H: 3 * (H * I + H * H + H) + H,  # n has a second bias, inside the reset gate
    "gru_v3": lambda I, H: 3 * (H * I + H * H + H),
    "janet": lambda I, H: 2 * (H * I + H * H + H),
    "lstm": lambda I, H: 4 * (H * I + H * H + H),
    "mgu": lambda I, H: 2 * (H * I + H * H + H),
    "peephole": lambda I, H: 4 * (H * I + H * H + H) + 3 * H,
    "ur_lstm": lambda I, H: 4 * (H * I + H * H + H) + H,
}

GATES = {"cifg": 3, "elman": 1, "gru": 3, "gru_v3": 3, "janet": 2, "lstm": 4, "mgu": 2, "peephole": 4, "ur_lstm": 4}


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("I, H", SIZES)
def test_parameters(name, I, H):
    assert parameter_count(load_variant(name), I, H) == PARAMETERS[name](I, H)


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("I, H", SIZES)
def test_multiply_adds(name, I, H):
    diagonals = 3 * H if name == "peephole" else 0
    assert multiply_adds(load_variant(name), I, H) == GATES[name] * H * (I + H) + diagonals


@pytest.mark.parametrize(
    "text, parameters, products",
    [
        ("project(x, h)", 5 * 3 + 5 * 5, 5 * 3 + 5 * 5),
        ("linear(h) + scalar(1)", 25 + 5 + 1, 25),
        ("linear(diag(x)) + bias()", 3 + 15 + 5 + 5, 3 + 15),
        ("h*vector(2)", 5, 0),
        ("linear(vector(1)) + linear(h)", 5 + 25 + 5 + 25 + 5, 25),  # the first product is computed once
        ("linear(sigmoid(linear(vector(1)))*h)", 5 + 25 + 5 + 25 + 5, 25),
    ],
)
def test_counts_of_other_terms(text, parameters, products):
    assert parameter_count(variant(text), 3, 5) == parameters
    assert multiply_adds(variant(text), 3, 5) == products


def test_a_constant_equation_makes_its_readers_constant():
    example = variant({"a": "vector(1)", "b": "linear(a)", "h": "linear(x) + b + h"})
    assert multiply_adds(example, 3, 5) == 15


def test_a_state_of_the_inputs_length():
    example = variant({"h": "tanh(linear(x, p))", "p": "x"}, ["h", "p"])
    assert parameter_count(example, 3, 5) == 2 * 5 * 3 + 5


def test_an_ablation_costs_less():
    assert parameter_count(load_variant("lstm").edit(o="1"), 3, 5) == 3 * (15 + 25 + 5)


@pytest.mark.parametrize(
    "name, depth",
    [("lstm", 1), ("gru", 1), ("gru_v3", 2), ("mgu", 2), ("elman", 1)],
)
def test_products_that_wait_for_each_other(name, depth):
    assert dependent_products(load_variant(name)) == depth


def test_products_that_wait_for_nothing():
    assert dependent_products(variant({"f": "sigmoid(linear(x))", "h": "f*h + (1 - f)*linear(x)"})) == 0
    assert dependent_products(variant("linear(tanh(linear(tanh(linear(h)))))")) == 3


@pytest.mark.parametrize("count", [parameter_count, multiply_adds])
def test_sizes_below_one(count):
    with pytest.raises(UserError, match="hidden_size=0: must be at least 1"):
        count(load_variant("lstm"), 3, 0)
    with pytest.raises(UserError, match="input_size=-1: must be at least 1"):
        count(load_variant("lstm"), -1, 3)
