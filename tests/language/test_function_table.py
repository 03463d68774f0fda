"""One row is all that a function needs: every place that knows of functions knows them from the table."""

import math
from math import erf

import numpy as np
import pytest
import torch
from torch.func import functional_call

from gatelab.compiler import program
from gatelab.compiler.tape import _cheap
from gatelab.language import Variant, bounds
from gatelab.language.functions import FUNCTIONS, INNER, Function
from gatelab.language.random_edits import _activations, mutated
from gatelab.layers.layer import Layer
from gatelab.locations import conf_directory
from gatelab.paths.native.function_text import functions

ROW = Function(
    name="erf", value=np.vectorize(erf), derivatives=("1.1283791670955126*exp(-(u*u))",), low=-1.0, high=1.0,
    increasing=True, latex=r"\operatorname{{erf}}({0})", torch="erf", c="erf", cheap=True, activation=True,
)  # fmt: skip


def table() -> str:
    """The table as docs/language.md has it."""

    def row(function: Function) -> str:
        arguments = "" if function.arity == 1 else "(u, v)"
        derivatives = ", ".join(f"`{text}`" for text in function.derivatives)
        if function.rows:
            made = "of the whole vector"
        elif function.expansion:
            made = f"made of `{function.expansion}`"
        else:
            made = f"{'the value u, ' if function.surrogate else ''}derivative {derivatives}"
        return f"| `{function.name}{arguments}` | {made} | {_short(function.low)} to {_short(function.high)} |\n"

    return "| function | | values |\n| :--- | :--- | :--- |\n" + "".join(map(row, FUNCTIONS.values()))


def _short(bound: float) -> str:
    return f"{bound:g}".replace("inf", "∞").replace("-", "−")


@pytest.fixture
def one_more(monkeypatch):
    """A row more in the table."""
    monkeypatch.setitem(FUNCTIONS, ROW.name, ROW)


def test_the_language_page_has_the_table():
    text = (conf_directory().parent / "docs" / "language.md").read_text(encoding="utf-8")
    assert table() in text


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_a_row_is_whole(function):
    assert function.latex
    assert function.value is not None
    if function.expansion:
        assert (function.torch, function.c, function.derivatives) == ("", "", ())
    elif function.rows:
        assert function.torch
        assert function.c == ""
        assert len(function.handed_on) == function.arity
    elif function.surrogate:
        assert (function.c, function.onnx, function.blocks) == ("", "", function.arguments[0])
        assert function.torch
        assert len(function.derivatives) == function.arity
    else:
        assert function.torch
        assert function.c
        assert len(function.derivatives) == function.arity


def test_every_function_with_c_is_written_once():
    lines = functions().splitlines()
    for row in [*FUNCTIONS.values(), *INNER.values()]:
        assert sum(f"f_{row.name}(" in line.split("{")[0] or f"f_{row.name}," in line for line in lines) == bool(row.c)


@pytest.mark.usefixtures("one_more")
def test_a_row_more_is_a_function_of_the_language():
    variant = Variant.from_mapping({"name": "own", "state": ["h"], "equations": {"h": "erf(linear(x, h))"}})
    assert bounds(variant) == {"h": (-1.0, 1.0)}
    assert r"\operatorname{erf}(" in variant.latex()
    assert "erf(" in variant.plain()
    assert _cheap(program(variant).instructions[-1])
    assert "BY_LANE(f_erf, C(erf))" in functions()
    assert "erf" in _activations()
    texts = [mutated(variant.mapping(), seed).equations["h"] for seed in range(30)]
    assert any(text.startswith(("sigmoid", "tanh")) for text in texts)


@pytest.mark.usefixtures("one_more")
@pytest.mark.parametrize("path", ["loop", "native"])
def test_a_row_more_runs_forwards_and_backwards(path):
    equations = {"f": "erf(linear(x, h))", "h": "f*h + erf(0.5*linear(x))"}
    variant = Variant.from_mapping({"name": "own", "state": ["h"], "equations": equations})
    torch.manual_seed(0)
    layer = Layer(variant, 2, 3, dtype=torch.float64, path=path)
    x = torch.randn(4, 2, 2, dtype=torch.float64, requires_grad=True)

    def run(x, *weights):
        return functional_call(layer, dict(zip(dict(layer.named_parameters()), weights, strict=True)), (x,))[0]

    weights = dict(layer.named_parameters())
    first = weights["h_weight_x"][0] @ x[0, 0] + weights["h_bias"][0]  # of the first unit; h begins at 0
    assert layer(x[:1])[0][0, 0, 0].item() == pytest.approx(math.erf(0.5 * first.item()), abs=1e-15)
    assert torch.autograd.gradcheck(run, (x, *weights.values()))


def test_seeds_draw_the_activations_that_they_always_drew():
    assert _activations() == [
        "sigmoid", "tanh", "relu", "identity", "hard_sigmoid", "hard_tanh", "softplus", "silu",
    ]  # fmt: skip
