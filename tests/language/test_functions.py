"""The table of functions: values, derivatives, ranges, and the spelling in torch."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from gatelab.language.functions import COMPOSED, ELEMENTARY, FUNCTIONS, ROW_FUNCTIONS
from gatelab.language.parsing import parse_equation
from gatelab.language.word_table import RESERVED
from tests.language.examples import evaluate

TOLERANCE = 1e-12
DERIVATIVE_TOLERANCE = 1e-6  # of central differences with steps of 1e-5


def logistic(u):
    return 1 / (1 + math.exp(-u)) if u > 0 else math.exp(u) / (1 + math.exp(u))


FORMULAS: dict[str, Callable[..., float]] = {
    "sigmoid": logistic,
    "tanh": lambda u: 1 - 2 * logistic(-2 * u) if u > 0 else 2 * logistic(2 * u) - 1,
    "relu": lambda u: u if u > 0 else 0.0,
    "exp": lambda u: math.e**u,
    "log": math.log,
    "sqrt": lambda u: u**0.5,
    "softplus": lambda u: u + math.log1p(math.exp(-u)) if u > 0 else math.log1p(math.exp(u)),
    "log_sigmoid": lambda u: -math.log1p(math.exp(-u)) if u > 0 else u - math.log1p(math.exp(u)),
    "hard_sigmoid": lambda u: 0.0 if u < -3 else 1.0 if u > 3 else (u + 3) / 6,
    "hard_tanh": lambda u: -1.0 if u < -1 else 1.0 if u > 1 else u,
    "silu": lambda u: u * logistic(u),
    "sin": math.sin,
    "cos": math.cos,
    "abs": lambda u: u if u > 0 else -u,
    "sign": lambda u: 0.0 if u == 0 else math.copysign(1, u),
    "step": lambda u: 1.0 if u > 0 else 0.0,
    "floor": math.floor,
    "backward_relu": lambda u: u / (1 + u) if u > 0 else 0.0,
    "trapezoid_exp": lambda u: 2 / (1 + 2 * math.exp(-u)),
    "trapezoid_relu": lambda u: u / (1 + u / 2) if u > 0 else 0.0,
    "trapezoid_sigmoid": lambda u: 2 * logistic(u) / (1 + logistic(u)),
    "hold_exp": lambda u: 1 - math.exp(-math.exp(u)),
    "hold_relu": lambda u: 1 - math.exp(-u) if u > 0 else 0.0,
    "hold_sigmoid": lambda u: 1 - math.exp(-logistic(u)),
    "min": lambda u, v: u if u < v else v,
    "max": lambda u, v: u if u > v else v,
    "stop": lambda u: u,
    "scale_gradient": lambda u, v: u,
    "straight_through": lambda u, v: u,
}

# PyTorch's softplus is u itself above 20, and its hard_sigmoid has a single-precision 1/6 in its derivative
TORCH_TOLERANCES = {"softplus": 3e-9, "hard_sigmoid": 1e-8}

POSITIVE_ONLY = {"log", "sqrt"}
KINKS = {"relu": [0], "hard_sigmoid": [-3, 3], "hard_tanh": [-1, 1], "abs": [0], "sign": [0], "step": [0]}


def arguments(name):
    """Return points of [-50, 50], kinks included, as one array for each argument."""
    points = np.concatenate([np.linspace(-50, 50, 1001), np.linspace(-4, 4, 801), [-0.0, 1e-300]])
    points = points[points > 0] if name in POSITIVE_ONLY else points
    return [points] if FUNCTIONS[name].arity == 1 else [points, np.roll(points, 333)]


def test_every_function_has_a_formula_and_a_reserved_name():
    assert set(FORMULAS) == set(FUNCTIONS) - set(ROW_FUNCTIONS)
    assert set(FUNCTIONS) <= RESERVED
    assert all(name == function.name for name, function in FUNCTIONS.items())


@pytest.mark.parametrize("name", ELEMENTARY | COMPOSED)
def test_values(name):
    given_values = arguments(name)
    expected = [FORMULAS[name](*map(float, point)) for point in zip(*given_values, strict=True)]
    np.testing.assert_allclose(FUNCTIONS[name].value(*given_values), expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - set(ROW_FUNCTIONS) - {"exp"} - POSITIVE_ONLY))
def test_far_out_values_are_finite(name):
    for point in (-1e4, 1e4):
        value = FUNCTIONS[name].value(*[np.float64(point)] * FUNCTIONS[name].arity)
        assert np.isfinite(value)
        assert FUNCTIONS[name].low <= value <= FUNCTIONS[name].high


def test_far_out_values_where_a_function_ends():
    assert FUNCTIONS["exp"].value(np.float64(-1e4)) == 0
    assert FUNCTIONS["sqrt"].value(np.float64(1e4)) == 100
    assert FUNCTIONS["log"].value(np.float64(1e4)) == pytest.approx(4 * math.log(10), abs=TOLERANCE)


def derivative(name, argument, points):
    """Return the derivative that the table gives, read as an equation over u, v and y."""
    function = FUNCTIONS[name]
    scope = dict.fromkeys(("u", "v", "y"), "now")
    tree, parameters = parse_equation(function.derivatives[argument], "d", scope, frozenset(), name)
    assert parameters == ()
    values = dict(zip(("u", "v"), points, strict=False)) | {"y": function.value(*points)}
    return np.broadcast_to(evaluate(tree, values, {}, {}, None), points[0].shape)


SLOPES = [(name, argument) for name, function in ELEMENTARY.items() for argument in range(function.arity)]


@pytest.mark.parametrize("name, argument", SLOPES)
def test_derivatives_agree_with_central_differences(name, argument):
    assert len(FUNCTIONS[name].derivatives) == FUNCTIONS[name].arity
    points = [np.linspace(-8, 8, 321) + 0.0123] * FUNCTIONS[name].arity
    points = [np.abs(u) + 0.1 for u in points] if name in POSITIVE_ONLY else points
    points = points[:1] + [np.roll(u, 100) for u in points[1:]]
    shift = 1e-5
    above, below = list(points), list(points)
    above[argument], below[argument] = points[argument] + shift, points[argument] - shift
    rise = (FUNCTIONS[name].value(*above) - FUNCTIONS[name].value(*below)) / (2 * shift)
    found = derivative(name, argument, points)
    np.testing.assert_allclose(found, rise, rtol=DERIVATIVE_TOLERANCE, atol=DERIVATIVE_TOLERANCE)


def in_torch(name, *tensors):
    if name == "step":
        return (tensors[0] > 0).to(tensors[0].dtype)
    spelling = FUNCTIONS[name].torch
    return (getattr(torch, spelling, None) or getattr(functional, spelling))(*tensors)


@pytest.mark.parametrize("name", ELEMENTARY)
def test_torch_agrees(name):
    points = arguments(name)
    found = in_torch(name, *(torch.from_numpy(point) for point in points)).numpy()
    tolerance = TORCH_TOLERANCES.get(name, TOLERANCE)
    np.testing.assert_allclose(found, FUNCTIONS[name].value(*points), rtol=TOLERANCE, atol=tolerance)


@pytest.mark.parametrize("name, argument", [pair for pair in SLOPES if pair[0] not in ("step", "sign")])
def test_derivatives_agree_with_torch_even_at_kinks_and_ties(name, argument):
    points = arguments(name)
    points = [np.append(point, KINKS.get(name, [2.0])) for point in points]
    tensors = [torch.from_numpy(point).requires_grad_() for point in points]
    in_torch(name, *tensors).sum().backward()
    slope = tensors[argument].grad
    assert slope is not None
    tolerance = TORCH_TOLERANCES.get(name, TOLERANCE)
    np.testing.assert_allclose(derivative(name, argument, points), slope.numpy(), rtol=TOLERANCE, atol=tolerance)


@given(
    st.sampled_from(sorted(set(FUNCTIONS) - set(ROW_FUNCTIONS))), st.lists(st.floats(-700, 700), min_size=2, max_size=2)
)
def test_ranges_hold(name, points):
    function = FUNCTIONS[name]
    points = [abs(u) + 1e-9 for u in points] if name in POSITIVE_ONLY else points
    value = function.value(*(np.float64(u) for u in points[: function.arity]))
    assert function.low <= value <= function.high


@given(
    st.sampled_from(sorted(set(FUNCTIONS) - set(ROW_FUNCTIONS))), st.lists(st.floats(-700, 700), min_size=4, max_size=4)
)
def test_functions_that_never_fall(name, points):
    function = FUNCTIONS[name]
    points = [abs(u) + 1e-9 for u in points] if name in POSITIVE_ONLY else points
    low = [np.float64(min(pair)) for pair in zip(points[:2], points[2:], strict=True)][: function.arity]
    high = [np.float64(max(pair)) for pair in zip(points[:2], points[2:], strict=True)][: function.arity]
    slack = TOLERANCE * abs(function.value(*high))
    assert not function.increasing or function.value(*low) <= function.value(*high) + slack


def test_the_least_value_of_silu():
    points = np.linspace(-1.2785, -1.2784, 100001)
    assert FUNCTIONS["silu"].value(points).min() == pytest.approx(FUNCTIONS["silu"].low, abs=1e-15)
