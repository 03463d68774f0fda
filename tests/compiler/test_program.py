"""The schedule: what is joined, what leaves the step, and that it computes what the equations say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatelab.compiler import program
from gatelab.language import load_variant
from gatelab.language.functions import FUNCTIONS
from tests.language.examples import SHIPPED, draw_parameters, expressions, step, variant

SIZE = 3
TOLERANCE = 1e-9


def products(example, phase="step"):
    """Return the weights of every product of a phase."""
    schedule = program(example)
    return [schedule.instructions[i].weights for i in schedule.phase(phase) if schedule.instructions[i].weights]


def run(schedule, x, states, parameters):
    """Return the value of every instruction in one step."""
    values: list[np.ndarray] = []
    for one in schedule.instructions:
        given_values = [values[argument] for argument in one.arguments]
        values.append(_value(one, given_values, x, states, parameters))
    return values


def _value(one, given_values, x, states, parameters):
    match one.kind:
        case "number":
            return np.float64(one.value)
        case "parameter":
            return parameters[one.name]
        case "input":
            return x
        case "state":
            return states[one.name]
        case "negate":
            return -given_values[0]
        case "function":
            return FUNCTIONS[one.name].value(*given_values)
        case "operation":
            operations = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power}
            return operations[one.name](*given_values)
        case "join":
            return np.concatenate(given_values)
        case "part":
            return np.split(given_values[0], one.parts)[one.position]
        case "product":
            source = np.broadcast_to(given_values[0], (SIZE,))
            total = np.concatenate([parameters[weight] @ source for weight in one.weights])
            biases = [parameters[name] if name else np.zeros(SIZE) for name in one.biases]
            # with an addend there is no bias: it came with the first product
            assert len(given_values) == 1 or not any(one.biases)
            return total + (given_values[1] if len(given_values) > 1 else np.concatenate(biases))


def assert_same(example, seed=0):
    random = np.random.default_rng(seed)
    parameters, x = draw_parameters(example, random, SIZE), random.normal(size=SIZE)
    states = {state: random.normal(size=SIZE) for state in example.states}
    schedule = program(example)
    with np.errstate(all="ignore"):
        found, expected = run(schedule, x, states, parameters), step(example, x, states, parameters)
    for name, index in schedule.equations.items():
        np.testing.assert_allclose(found[index], expected[name], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_schedule_computes_the_equations(name):
    assert_same(load_variant(name))


@settings(max_examples=150)
@given(expressions(), expressions(("x", "h", "a")), expressions(("x", "h", "a", "b", "c")), st.integers(0, 99))
def test_the_schedule_of_random_equations_computes_them(first, second, third, seed):
    assert_same(variant({"a": first, "b": second, "c": "linear(x, a) + b", "h": third}, ["h", "c"]), seed)


@pytest.mark.parametrize("name", SHIPPED)
def test_instructions_come_after_what_they_read(name):
    schedule = program(load_variant(name))
    for index, instruction in enumerate(schedule.instructions):
        assert all(argument < index for argument in instruction.arguments)


def test_the_gates_of_an_lstm_are_one_product():
    lstm = load_variant("lstm")
    assert products(lstm) == [("i_weight_h", "f_weight_h", "z_weight_h", "o_weight_h")]
    assert products(lstm, "sequence") == [("i_weight_x", "f_weight_x", "z_weight_x", "o_weight_x")]


def test_a_gru_has_two_products_that_do_not_wait_for_each_other():
    assert products(load_variant("gru")) == [("r_weight_h", "u_weight_h"), ("n_weight_h",)]


def test_the_published_gru_has_two_products_in_a_row():
    example = load_variant("gru_v3")
    assert products(example) == [("r_weight_h", "u_weight_h"), ("n_weight_r_h",)]
    schedule = program(example)
    first, second = (i for i in schedule.phase("step") if schedule.instructions[i].weights)
    assert first in ancestors(schedule, second)


def ancestors(schedule, index):
    arguments = schedule.instructions[index].arguments
    return set(arguments).union(*(ancestors(schedule, argument) for argument in arguments))


@pytest.mark.parametrize("name", SHIPPED)
def test_what_reads_only_x_is_not_in_the_step(name):
    schedule = program(load_variant(name))
    for index in schedule.phase("step"):
        reached = {index} | ancestors(schedule, index)
        assert any(schedule.instructions[i].kind == "state" for i in reached)


def test_what_depends_on_nothing_runs_once():
    schedule = program(variant("(1 - sigmoid(vector(2)))*h + x"))
    once = [schedule.instructions[i].kind for i in schedule.phase("once")]
    assert once == ["number", "parameter", "function", "operation"]
    assert [schedule.instructions[i].kind for i in schedule.phase("step")] == ["state", "operation", "operation"]


def test_a_whole_gate_of_x_runs_before_the_first_step():
    schedule = program(variant({"f": "sigmoid(linear(x))", "h": "f*h + (1 - f)*tanh(linear(x))"}))
    step_kinds = [schedule.instructions[i].kind for i in schedule.phase("step")]
    assert step_kinds == ["state", "operation", "operation"]


def test_equal_expressions_are_computed_once():
    schedule = program(variant("tanh(x)*h + tanh(x)"))
    assert sum(instruction.name == "tanh" for instruction in schedule.instructions) == 1


def test_equal_text_with_learned_numbers_is_not_equal():
    assert products(variant("tanh(linear(h)) + sigmoid(linear(h))")) == [("h_weight_h", "h_weight_h_2")]


def test_a_variant_has_one_schedule():
    assert program(load_variant("lstm")) is program(load_variant("lstm"))


# Faults seen once


def test_products_of_one_source_that_need_each_other():
    assert_same(variant({"s": "tanh(linear(x))", "a": "linear(x, s)", "b": "linear(a, s)", "h": "b + h"}))


def test_joined_products_whose_sums_cross():
    equations = {
        "s": "tanh(linear(x))", "t1": "sigmoid(linear(x))", "a": "linear(x, s)", "b": "linear(x, t1)",
        "c": "linear(b, s)", "d": "linear(a, t1)", "h": "c + d + h",
    }  # fmt: skip
    assert_same(variant(equations))


@pytest.mark.parametrize(
    "text",
    [
        "linear(x, vector(1)) + h",
        "linear(vector(1), x) + h",
        "linear(vector(1), vector(2)) + h",
        "linear(vector(1), h, x)",
        "linear(h, vector(1))",
        "project(vector(1), h) + linear(h)",
    ],
)
def test_products_of_learned_vectors(text):
    example = variant(text)
    assert_same(example)
    schedule = program(example)
    for instruction in schedule.instructions:
        # before the first step sums are taken apart from the products
        assert not instruction.weights or instruction.phase == "step" or len(instruction.arguments) == 1
