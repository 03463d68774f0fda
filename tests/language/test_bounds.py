"""Bounds by hand, bounds against random values, and what counts as a gate."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatelab.language import bounds, gates, load_variant
from tests.language.examples import SHIPPED, draw_parameters, expressions, step, variant

INF = math.inf
EVERYTHING = (-INF, INF)
ROUNDING = 1e-9

# s in [0, 1], z in [-1, 1], u unbounded, p in [0, inf]
GIVEN = {"s": "sigmoid(linear(x))", "z": "tanh(linear(x))", "u": "linear(x)", "p": "exp(u)"}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2", (2, 2)),
        ("x", EVERYTHING),
        ("diag(s)", EVERYTHING),
        ("vector(1)", EVERYTHING),
        ("linear(s)", EVERYTHING),
        ("-s", (-1, 0)),
        ("1 - s", (0, 1)),
        ("1 - (1 - s)", (0, 1)),
        ("s + z", (-1, 2)),
        ("s - s", (-1, 1)),
        ("u - u", EVERYTHING),
        ("p - p", EVERYTHING),
        ("s*z", (-1, 1)),
        ("(2*z)*(3*z)", (-6, 6)),
        ("0*u", (0, 0)),
        ("0*p", (0, 0)),
        ("s*p", (0, INF)),
        ("z*p", EVERYTHING),
        ("1/(1 + s)", (0.5, 1)),
        ("1/(1 + p)", (0, 1)),
        ("s/(1 + p)", (0, 1)),
        ("1/s", EVERYTHING),
        ("1/z", EVERYTHING),
        ("s/u", EVERYTHING),
        ("-1/(1 + s)", (-1, -0.5)),
        ("z**2", (0, 1)),
        ("(z - 3)**2", (4, 16)),
        ("u**2", (0, INF)),
        ("z**3", (-1, 1)),
        ("u**3", EVERYTHING),
        ("u**0", (1, 1)),
        ("(2 + s)**-1", (1 / 3, 0.5)),
        ("(2 + s)**-2", (1 / 9, 0.25)),
        ("s**-1", EVERYTHING),
        ("s**0.5", (0, 1)),
        ("(4*z)**0.5", (0, 2)),
        ("p**0.5", (0, INF)),
        ("(-1 - s)**0.5", EVERYTHING),
        ("10**400", (INF, INF)),
        ("10**400 - 10**400", EVERYTHING),
        ("sigmoid(s)", (0.5, 1 / (1 + math.exp(-1)))),
        ("sigmoid(u)", (0, 1)),
        ("tanh(p)", (0, 1)),
        ("relu(z)", (0, 1)),
        ("relu(u)", (0, INF)),
        ("exp(z)", (math.exp(-1), math.e)),
        ("exp(1000*z)", (0, INF)),
        ("log(1 + s)", (0, math.log(2))),
        ("log(u)", EVERYTHING),
        ("log(s)", (-INF, 0)),
        ("sqrt(u)", (0, INF)),
        ("sqrt(4*s)", (0, 2)),
        ("abs(u)", (0, INF)),
        ("abs(z - 3)", (2, 4)),
        ("abs(z)", (0, 1)),
        ("sin(s)", (-1, 1)),
        ("sign(p)", (0, 1)),
        ("step(u)", (0, 1)),
        ("softplus(u)", (0, INF)),
        ("log_sigmoid(u)", (-INF, 0)),
        ("hard_sigmoid(u)", (0, 1)),
        ("hard_tanh(2*s)", (0, 1)),
        ("min(s, z)", (-1, 1)),
        ("min(u, 1)", (-INF, 1)),
        ("max(min(u, 1), 0)", (0, 1)),
        ("max(z, 0.5)", (0.5, 1)),
    ],
)
def test_bounds_by_hand(text, expected):
    assert bounds(variant({**GIVEN, "y": text, "h": "y + s + z + u + p"}))["y"] == pytest.approx(expected, rel=1e-15)


def test_one_minus_a_gate_is_exact():
    assert bounds(load_variant("cifg"))["i"] == (0.0, 1.0)
    assert bounds(load_variant("janet"))["i"] == (0.0, 1.0)


def test_states():
    lstm = bounds(load_variant("lstm"))
    assert (lstm["c"], lstm["h"]) == (EVERYTHING, (-1, 1))
    example = variant({"a": "sigmoid(linear(x))", "h": "a*p", "p": "a", "q": "q + a"}, ["h", "p", "q"], output="h")
    assert bounds(example) == {"a": (0, 1), "h": (0, 1), "p": (0, 1)}


def test_a_state_counts_from_its_first_value():
    # p is 0 before its first step and within [1, 2] after
    assert bounds(variant({"h": "1*p", "p": "1 + sigmoid(linear(x))"}, ["h", "p"]))["h"] == (0, 2)


def test_a_state_that_grows_on_one_side():
    assert bounds(variant({"h": "h + sigmoid(linear(x))"}))["h"] == (0, INF)
    assert bounds(variant({"h": "max(h, tanh(linear(x)))"}))["h"] == (0, 1)


def test_states_that_hand_their_growth_on():
    chain = {"a": "a + 1", "b": "a - 1", "c": "-b", "d": "c*2", "h": "d"}
    found = bounds(variant(chain, ["a", "b", "c", "d", "h"]))
    assert found["a"] == (1, INF)
    assert found["h"] == (-INF, 0)


@settings(max_examples=200)
@given(expressions(), expressions(("x", "h", "a", "c")), st.integers(0, 99))
def test_random_values_stay_within(first, second, seed):
    example = variant({"a": first, "c": second, "h": "c - a*h"}, ["h", "c"])
    random = np.random.default_rng(seed)
    parameters, limits = draw_parameters(example, random, 3), bounds(example)
    states = {state: np.zeros(3) for state in example.states}
    for _ in range(3):
        with np.errstate(all="ignore"):
            values = step(example, random.normal(0, 3, 3), states, parameters)
        for name, (low, high) in limits.items():
            defined = np.nan_to_num(values[name], nan=max(low, -1e300), posinf=INF, neginf=-INF)
            slack = ROUNDING * (1 + np.abs(np.clip(defined, -1e300, 1e300)))
            assert np.all((defined >= low - slack) & (defined <= high + slack))
        states = {state: np.nan_to_num(np.broadcast_to(values[state], 3)) for state in states}


# Gates


@pytest.mark.parametrize(
    "name, expected",
    [
        ("cifg", ("f", "i", "o")),
        ("elman", ()),
        ("gru", ("r", "u")),
        ("gru_v3", ("r", "u")),
        ("janet", ("f", "i")),
        ("lstm", ("i", "f", "o")),
        ("mgu", ("f",)),
        ("peephole", ("i", "f", "o")),
        ("ur_lstm", ("f", "r", "g", "o")),
    ],
)
def test_gates_of_the_shipped_variants(name, expected):
    assert gates(load_variant(name)) == expected


@pytest.mark.parametrize("name", SHIPPED)
def test_gates_need_no_roles(name):
    example = load_variant(name)
    bare = variant(dict(example.equations), example.states)
    assert set(gates(example)) - set(gates(bare)) <= {"g"}  # within [0, 1], but not as far as intervals can see


@pytest.mark.parametrize(
    "equations, expected",
    [
        ({"f": "sigmoid(linear(x))", "h": "(1 - f)*h"}, ("f",)),
        ({"f": "sigmoid(linear(x))", "h": "f**2*h"}, ("f",)),
        ({"f": "sigmoid(linear(x))", "h": "h*2*f"}, ("f",)),
        ({"f": "sigmoid(linear(x))", "h": "linear(f*h)"}, ("f",)),
        ({"f": "sigmoid(linear(x))", "h": "2*f + h"}, ()),
        ({"f": "sigmoid(linear(x))", "h": "diag(f) + h"}, ()),
        ({"f": "sigmoid(linear(x))", "h": "linear(f)*h"}, ()),
        ({"f": "sigmoid(linear(x))", "h": "tanh(f)*h"}, ()),
        ({"f": "tanh(linear(x))", "h": "f*h"}, ()),
        ({"f": "relu(linear(x))", "h": "f*h"}, ()),
        ({"r": "tanh(linear(x))", "h": "sigmoid(r*h)"}, ()),  # the output is no gate
    ],
)
def test_what_acts_as_a_gate(equations, expected):
    assert gates(variant(equations)) == expected


def test_a_role_makes_a_gate_of_any_equation():
    example = variant({"f": "exp(linear(x))", "b": "bias()", "h": "f*h + b"}, roles={"retain": "f", "opening": "b"})
    assert gates(example) == ("f",)


def test_a_gate_may_be_the_gate_of_the_step_before():
    assert gates(variant({"h": "g*h + x", "g": "sigmoid(linear(x, g))"}, ["h", "g"])) == ("g",)
