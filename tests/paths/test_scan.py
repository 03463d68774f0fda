"""The scan path computes what the loop computes, for exactly the programs whose states are linear in themselves."""

import pytest
import torch

from gatelab.compiler import program
from gatelab.compiler.scannable import scan_order
from gatelab.errors import UserError
from gatelab.language import Variant, load_variant, variant_files
from gatelab.layers.layer import Layer
from gatelab.paths.choice import Choice
from tests.conformance.sizes import fitting
from tests.paths.both_paths import assert_identical, assert_same, results, run

SCANNABLE = [
    name for name in variant_files() if load_variant(name).trees and scan_order(program(load_variant(name))) is not None
]
DTYPES = (torch.float64, torch.float32)
INF, NAN = float("inf"), float("nan")


def variant_of(states, **equations):
    return Variant.from_mapping({"name": "tried", "state": states, "equations": equations})


def test_the_linear_variants_are_found():
    assert {"min_gru", "min_lstm", "qrnn_fo", "rg_lru", "gilr", "t_rnn", "lru", "hgrn"} <= set(SCANNABLE)
    assert not {"lstm", "gru", "sru", "rwkv_4", "janet"} & set(SCANNABLE)


@pytest.mark.parametrize(
    ("states", "equations", "order"),
    [
        (["h"], {"h": "0.5*h + linear(x)"}, (("h",),)),
        (["h"], {"h": "sigmoid(linear(x))*(h - 1) + tanh(diag(x))"}, (("h",),)),
        (["h"], {"h": "-(h/softplus(vector(1))) - linear(x)"}, (("h",),)),
        (["h"], {"h": "h*h"}, None),
        (["h"], {"h": "1/h"}, None),
        (["h"], {"h": "tanh(h)"}, None),
        (["h"], {"h": "linear(x, h)"}, None),
        (["h"], {"h": "h**2"}, None),
        # the second state's gate sees the first, which is known by then
        (["h", "c"], {"c": "0.9*c + linear(x)", "h": "sigmoid(linear(x, c))*h + c"}, (("c",), ("h",))),
        # two that read each other are a pair, whatever reads them and whatever they read
        (["h", "c"], {"h": "0.5*h + c", "c": "0.5*c + h"}, (("h", "c"),)),
        (["h", "c"], {"u": "cos(x)*h - sin(x)*c + x", "c": "sin(x)*h + cos(x)*c", "h": "u"}, (("h", "c"),)),
        (
            ["h", "b", "c", "g"],
            {"u": "h*g - 0.1*b", "b": "(h + b)/(1 + g*g) + c", "h": "u", "c": "-c", "g": "0.5*g + x"},
            (("c",), ("g",), ("h", "b")),
        ),
        (["h", "c"], {"h": "0.5*h*c + c", "c": "0.5*c + h"}, None),
        (["h", "c"], {"h": "0.5*h + tanh(c)", "c": "0.5*c + h"}, None),
        (["h", "c"], {"h": "0.5*h + x/c", "c": "0.5*c + h"}, None),
        (["h", "c", "p"], {"u": "p", "p": "0.5*c + x", "c": "0.5*h", "h": "u"}, None),
        (["h", "p"], {"h": "0.5*h + linear(x, p)", "p": "x"}, (("p",), ("h",))),
        (["h"], {"h": "tanh(linear(x))"}, (("h",),)),
    ],
)
def test_which_programs_can_be_scanned(states, equations, order):
    variant = variant_of(states, **equations)
    assert scan_order(program(variant)) == order
    if order is not None:
        for runs in (None, 2):
            arguments = (variant, 6, 3, 5, 5, torch.float64, runs, None, tuple(variant.equations))
            assert_same(results("scan", *arguments), results("loop", *arguments), torch.float64)


@pytest.mark.parametrize("name", SCANNABLE)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_scan_agrees_with_the_loop(name, dtype):
    variant = load_variant(name)
    for time, batch, *sizes in ((7, 3, 3, 8), (1, 2, 2, 1), (0, 2, 3, 4), (20, 1, 5, 5)):
        arguments = (variant, time, batch, *fitting(variant, *sizes))
        assert_same(results("scan", *arguments, dtype), results("loop", *arguments, torch.float64), dtype)


@pytest.mark.parametrize("name", SCANNABLE)
def test_stacks_lengths_and_recorded_values_agree(name):
    variant = load_variant(name)
    lengths = torch.tensor([[3, 0, 5, 1], [5, 5, 2, 0]])
    for runs, valid, record in ((2, None, tuple(variant.equations)), (2, lengths, ()), (None, lengths[0], ())):
        arguments = (variant, 5, 4, *fitting(variant, 3, 8), torch.float64, runs, valid, record)
        assert_same(results("scan", *arguments), results("loop", *arguments), torch.float64)


@pytest.mark.parametrize("name", SCANNABLE)
def test_a_run_of_a_stack_has_the_bits_of_the_run_alone(name):
    variant = load_variant(name)
    arguments = (variant, 6, 4, *fitting(variant, 3, 8), torch.float32)
    whole = results("scan", *arguments, 3)
    for position in range(3):
        # alone in a stack of one, which is how training sees it
        alone = results("scan", *arguments, 3, only_run=slice(position, position + 1))
        assert_identical(alone, {key: value[position : position + 1] for key, value in whole.items()})


def test_a_scan_is_taken_when_asked_for_and_refused_where_it_cannot_run():
    x = torch.randn(5, 2, 3)
    layer = Layer(load_variant("min_gru"), 3, 4, path="scan")
    loop = Layer(load_variant("min_gru"), 3, 4, path="loop")
    loop.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x)[0], loop(x)[0], rtol=1e-5, atol=1e-6)
    assert layer.choice(x) == Choice("scan", "asked for")
    with pytest.raises(UserError, match="path=scan cannot run: a state is not linear in itself given the input"):
        Layer(load_variant("lstm"), 3, 4, path="scan")(x)


@pytest.mark.parametrize(
    ("factors", "first", "loop", "scan"),
    [
        # an infinite state stays what it is, or changes its sign
        ((2.0, 0.5, -1.0), INF, (INF, INF, -INF), (INF, INF, -INF)),
        ((2.0, NAN, 1.0), 1.0, (2.0, NAN, NAN), (2.0, NAN, NAN)),
        # the product of the factors overflows, and so does the state
        ((1e30, 1e30, 1.0), 1.0, (1e30, INF, INF), (1e30, INF, INF)),
        # the border: the product overflows where a state of 0 stays 0
        ((1e30, 1e30, 1.0), 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, NAN)),
    ],
)
def test_where_states_or_products_of_factors_are_infinite(factors, first, loop, scan):
    tried = variant_of(["h"], h="x*h")
    x = torch.tensor(factors).view(3, 1, 1)
    state = {"h": torch.full((1, 1), first)}
    for path, expected in (("loop", loop), ("scan", scan)):
        output, _, _ = run(path, program(tried), {}, x, state, 1)
        torch.testing.assert_close(output.flatten(), torch.tensor(expected), equal_nan=True, rtol=0, atol=0)
