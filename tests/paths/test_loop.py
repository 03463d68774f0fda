"""The loop computes the equations, also with hoisted and joined products."""

import math
import random

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from gatelab.errors import UserError
from gatelab.language import Variant, variant_files
from gatelab.language.functions import ELEMENTARY
from gatelab.language.library import load_variant
from gatelab.layers.layer import Layer
from gatelab.layers.structured_weights import whole_weights
from tests.conformance.closeness import assert_close
from tests.conformance.sizes import fitting
from tests.paths.naive import run_naively

INPUT, HIDDEN, TIME, BATCH = 3, 4, 4, 2

EQUATIONS: dict[str, dict[str, str]] = {
    "numbers as output": {"h": "0.25"},
    "numbers alone divide as floats do": {"a": "1/0", "h": "tanh(linear(x, h)) + 1/a"},
    "the difference of infinities is no number, as of floats": {"a": "1/0 - 1/0", "h": "max(0, 1) + 0*linear(h)"},
    "functions of numbers": {"a": "sigmoid(0.5) + softplus(-1)*silu(2) + min(1, 2)**2", "h": "a*tanh(linear(x, h))"},
    "a constant state": {"s": "0.5", "h": "tanh(linear(x, h, s))"},
    "a learned vector as output": {"h": "vector(0.5)"},
    "a learned scalar as output": {"h": "scalar(0.5)"},
    "a learned vector as state": {"s": "vector(0.5)*scalar(2)", "h": "tanh(linear(x, h) + s)"},
    "an old constant state": {"h": "tanh(linear(x, h) + s)", "s": "scalar(0.5)"},
    "a product of a learned vector": {"h": "tanh(linear(vector(1)) + linear(x, h))"},
    "a product of two learned vectors": {"h": "tanh(linear(vector(1), bias()) + linear(x, h))"},
    "a diagonal times nothing": {"h": "tanh(linear(x, h)) + 0*diag(h)"},
    "a diagonal to the power of nothing": {"h": "tanh(linear(x, h))*diag(h)**0"},
    "a learned vector that comes to nothing": {"a": "vector(0.5)*0", "h": "tanh(linear(x, h)) + a**0*a"},
    "a constant read by what comes to nothing": {"a": "scalar(2)*bias()", "h": "tanh(linear(x, h)) + (a*h)**0"},
    "nothing at all": {"h": "0*linear(x, h)"},
    "a state that nothing reads": {"s": "s + linear(x)", "h": "tanh(linear(x)) - 0*s"},
    "a kept value as long as x": {
        "a": "sigmoid(linear(x))", "b": "tanh(linear(a))", "d": "exp(x)*x", "h": "tanh(linear(d, a, h)) + b",
    },
    "a product of a number": {"h": "tanh(linear(1) + linear(x, h))"},
    "a product of a learned scalar": {"h": "tanh(project(scalar(1), 0.5) + linear(x, h))"},
    "a product of x and a learned vector": {"h": "tanh(linear(x, vector(1), 0.5, h))"},
    "a diagonal of a scalar": {"h": "tanh(diag(scalar(2)) + linear(x, h))"},
    "equations of x alone": {"a": "sigmoid(linear(x))", "b": "tanh(linear(a*a, x))", "h": "a*h + b"},
    "chains of x alone that meet": {"a": "linear(tanh(x), x)", "b": "linear(tanh(a), x)", "h": "tanh(b + linear(h))"},
    "no recurrence at all": {"h": "tanh(linear(x))"},
    "x as output of the recurrence": {"p": "x", "h": "tanh(linear(x, p, h))"},
    "the previous x": {"h": "tanh(linear(x, p, h))", "p": "x"},
    "a diagonal of x as source": {"h": "tanh(linear(diag(x), x*x, h))"},
    "two step sources": {"h": "tanh(linear(h, c))", "c": "tanh(linear(x, h, c))"},
    "three sources, one gated": {"r": "sigmoid(linear(x, h))", "c": "tanh(linear(x, r*h, c))", "h": "r*c + (1 - r)*h"},
    "a source used twice": {"h": "tanh(linear(h, h) + linear(x, x) + project(h))"},
    "a source of several gates, one without x": {"a": "sin(linear(h))", "b": "sin(linear(x, h))", "h": "tanh(a*b)"},
    "gates that share a product, one without bias": {"a": "project(x, h)", "b": "linear(x, h)", "h": "tanh(a)*tanh(b)"},
    "gates in another order than their parts": {"a": "linear(h)", "b": "linear(x, h)", "h": "tanh(linear(x)*b + a)"},
    "products within a product": {"h": "tanh(linear(tanh(linear(h, tanh(linear(x))))) + linear(x))"},
    "numbers in min, max and powers": {"h": "min(max(linear(x, h), -1), 0.5)**2 + max(0, h)/2 - (1 + h**2)**-1.5"},
    "a scalar in min and max": {"h": "min(scalar(0.5), max(linear(x, h), scalar(-0.5)))"},
    "a gate kept from the last step": {"g": "sigmoid(linear(x, h, g))", "h": "g*h + (1 - g)*tanh(linear(x))"},
    "roots and logarithms": {"h": "tanh(sqrt(1 + h**2)*log(2 + abs(linear(x, h))))"},
    "parameters of equal names": {"h": "tanh(linear(x) + bias() + diag(h) + diag(h) + scalar(1) + scalar(2))"},
}  # fmt: skip


def build(equations: dict[str, str], input_size: int = INPUT, hidden_size: int = HIDDEN) -> Layer:
    """Return a layer in double precision; those of h, c, g, p and s that occur are states."""
    states = [name for name in "hcgps" if name in equations]
    variant = Variant.from_mapping({"name": "tried", "state": states, "equations": equations})
    return Layer(
        variant, hidden_size if variant.needs_equal_sizes else input_size, hidden_size, dtype=torch.float64, path="loop"
    )


def random_leaves(layer: Layer) -> tuple[Tensor, dict[str, Tensor]]:
    inputs = torch.randn(TIME, BATCH, layer.input_size, dtype=torch.float64, requires_grad=True)
    return inputs, {
        state: torch.randn(BATCH, size, dtype=torch.float64, requires_grad=True)
        for state, size in layer.state_sizes().items()
    }


def gradients(results: tuple, leaves: list[Tensor]) -> list[Tensor]:
    output, finals, _ = results
    loss = sum((value * value.detach().cos()).sum() for value in (output, *finals.values()))
    if not loss.requires_grad:
        return []
    return list(torch.autograd.grad(loss, leaves, materialize_grads=True))


def assert_runs_as_written(layer: Layer) -> None:
    """Assert outputs, states, recorded values and every gradient of the loop, alone and in a stack of two."""
    inputs, states = random_leaves(layer)
    weights = dict(layer.named_parameters())
    record = list(layer.variant.equations)
    expected = run_naively(layer.variant, whole_weights(layer.variant, weights), inputs, states, layer.hidden_size)
    results = layer(inputs, states, None, record)
    stacked = functional_call(
        layer,
        {name: torch.stack([value, value]) for name, value in weights.items()},
        (
            torch.stack([inputs, inputs]),
            {name: torch.stack([value, value]) for name, value in states.items()},
            None,
            record,
        ),
    )
    assert results[0].shape == (TIME, BATCH, layer.hidden_size)
    assert_equal(results[0], expected[0])
    assert_equal(stacked[0][1], expected[0])
    for values, stacked_values, expected_values in zip(results[1:], stacked[1:], expected[1:], strict=True):
        assert values.keys() == stacked_values.keys() == expected_values.keys()
        for name, expected_value in expected_values.items():
            assert_equal(values[name], expected_value)
            assert_equal(stacked_values[name][1], expected_value)
    leaves = [inputs, *states.values(), *weights.values()]
    for ours, theirs in zip(gradients(results, leaves), gradients(expected, leaves), strict=True):
        assert_equal(ours, theirs)


def assert_equal(actual: Tensor, expected: Tensor) -> None:
    assert torch.equal(actual.isnan(), expected.isnan())
    assert_close(actual.nan_to_num(), expected.nan_to_num())


@pytest.mark.parametrize("case", EQUATIONS)
def test_the_loop_computes_what_the_equations_say(case):
    assert_runs_as_written(build(EQUATIONS[case]))


@pytest.mark.parametrize("case", ["the previous x", "a diagonal of x as source", "equations of x alone"])
def test_one_feature_and_one_unit(case):
    assert_runs_as_written(build(EQUATIONS[case], 1, HIDDEN))
    assert_runs_as_written(build(EQUATIONS[case], INPUT, 1))


@pytest.mark.parametrize("text", ["tanh(diag(x) + linear(h))", "tanh(linear(x) + x*h)", "x*sigmoid(linear(h))"])
def test_x_meets_hidden_vectors_where_sizes_are_equal(text):
    layer = build({"h": text})
    assert layer.input_size == HIDDEN
    assert_runs_as_written(layer)
    with pytest.raises(UserError, match="must equal the input size 3"):
        Layer(layer.variant, 3, 4)


@pytest.mark.parametrize("name", [name for name in variant_files() if load_variant(name).trees])
def test_every_variant_runs_as_written(name):
    variant = load_variant(name)
    assert_runs_as_written(Layer(variant, *fitting(variant, INPUT, HIDDEN), dtype=torch.float64, path="loop"))


# arguments within the domain of a function and away from its kinks
ARGUMENTS = {
    "log": "1.5 + sin(linear(x, h))", "sqrt": "1.5 + sin(linear(x, h))", "relu": "h + 3", "abs": "h + 3",
    "floor": "h + 0.5", "sign": "h + 3", "step": "h + 3",
    "min": "linear(x, h), linear(x, h)", "max": "linear(x, h), linear(x, h)",
}  # fmt: skip


@pytest.mark.parametrize("name", ELEMENTARY)
def test_every_function_within_the_recurrence(name):
    call = f"{name}({ARGUMENTS.get(name, 'linear(x, h)')})"
    layer = build({"h": f"0.5*sin({call}) + 0.1*h"})
    assert_runs_as_written(layer)
    inputs, states = random_leaves(layer)

    def run(x: Tensor, h: Tensor, *weights: Tensor) -> Tensor:
        given = dict(zip(dict(layer.named_parameters()), weights, strict=True))
        return functional_call(layer, given, (x, {"h": h}))[0]

    assert torch.autograd.gradcheck(run, (inputs, states["h"], *layer.parameters()))


@pytest.mark.parametrize("name", [name for name in ELEMENTARY if ELEMENTARY[name].arity == 1])
def test_functions_have_the_values_of_the_table_far_out(name):
    layer = build({"h": f"{name}(x) + 0*linear(h)"})
    x = torch.tensor([-800.0, -35.0, -21.0, -20.0, -3.0, 0.5, 3.0, 20.0, 21.0, 35.0, 700.0], dtype=torch.float64)
    x = x[x > 0] if name in ("log", "sqrt") else x
    output, _, _ = layer(x[:, None, None].expand(-1, 1, HIDDEN))
    assert_close(output[:, 0, 0], torch.from_numpy(ELEMENTARY[name].value(x.numpy())))


@pytest.mark.parametrize("name", ["step", "sign"])
def test_no_gradient_flows_through_a_step_and_none_is_missing_elsewhere(name):
    layer = build({"g": f"{name}(linear(x, h))", "h": "g*tanh(linear(x)) + (1 - g)*h"})
    output, _, _ = layer(torch.randn(TIME, BATCH, INPUT, dtype=torch.float64))
    output.sum().backward()
    # sign has the derivative 0 in torch; step is cut off
    assert all(value.grad is None or not value.grad.any() for key, value in layer.named_parameters() if key[0] == "g")
    assert all(value.grad.any() for key, value in layer.named_parameters() if key[0] == "h")


def test_recorded_values_are_those_of_each_step():
    layer = Layer(load_variant("lstm"), INPUT, HIDDEN, dtype=torch.float64, path="loop")
    x = torch.randn(TIME, BATCH, INPUT, dtype=torch.float64)
    output, finals, recorded = layer(x, record=["o", "c", "h"])
    assert list(recorded) == ["o", "c", "h"]
    assert torch.equal(recorded["h"], output)
    assert torch.equal(recorded["c"][-1], finals["c"])
    assert_close(recorded["o"] * recorded["c"].tanh(), output)


def test_recording_changes_no_number():
    layer = Layer(load_variant("peephole"), INPUT, HIDDEN, path="loop")
    x = torch.randn(TIME, BATCH, INPUT)
    assert torch.equal(layer(x, record=list(layer.variant.equations))[0], layer(x)[0])


def test_numbers_keep_the_dtype():
    layer = build({"a": "1/3", "s": "0.1", "h": "a*tanh(linear(x, h)) + s"}).float()
    output, finals, recorded = layer(torch.randn(TIME, BATCH, INPUT), record=["a", "s"])
    values = (output, *finals.values(), *recorded.values())
    assert {value.dtype for value in values} == {torch.float32}
    assert recorded["a"].shape == (TIME, BATCH, HIDDEN)
    assert math.isclose(recorded["a"].mean().item(), 1 / 3, rel_tol=1e-6)


SAFE = ["sigmoid", "tanh", "softplus", "silu", "sin", "cos", "hard_tanh", "log_sigmoid", "relu", "abs"]


def draw(names: list[str], depth: int, dice: random.Random) -> str:
    """Draw a right-hand side over names."""

    def part() -> str:
        return draw(names, depth - 1, dice)

    match dice.choices(["leaf", "linear", "function", "extremum", "diagonal", "operation"], [3, 6, 3, 1, 1, 4])[0]:
        case "linear" if depth:
            return f"{dice.choice(['linear', 'project'])}({', '.join(part() for _ in range(dice.randint(1, 3)))})"
        case "function" if depth:
            return f"{dice.choice(SAFE)}({part()})"
        case "extremum" if depth:
            return f"{dice.choice(['min', 'max'])}({part()}, {part()})"
        case "diagonal" if depth:
            return f"diag({dice.choice(names)})"
        case "operation" if depth:
            return f"({part()} {dice.choice('+-*')} {part()})"
        case _:
            return dice.choice([*names, "x", "0.5", "-1", "vector(0.3)", "scalar(0.7)", "bias()"])


@pytest.mark.parametrize("seed", range(60))
def test_equations_drawn_at_random_run_as_written(seed):
    dice = random.Random(seed)
    readable = ["h", "c"]
    equations: dict[str, str] = {}
    for name in dice.sample(["h", "c", "a", "b"], 4):
        equations[name] = f"tanh({draw(readable, 3, dice)})"
        readable.append(name)
    # everything is read, so that nothing is dropped
    equations["h"] = equations["h"] + " + 0.1*c"
    assert_runs_as_written(build(equations, *dice.choice([(1, 4), (3, 1), (3, 4)])))
