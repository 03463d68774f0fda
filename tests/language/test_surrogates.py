"""What the language knows of functions that change a gradient and no value."""

import pytest

from gatelab.errors import UserError
from gatelab.language import bounds, edited_variant, gates, load_variant
from gatelab.language.functions import ELEMENTARY, SURROGATES
from tests.language.examples import variant


def test_there_are_three_and_no_backend_spells_them_out():
    assert list(SURROGATES) == ["stop", "scale_gradient", "straight_through"]
    assert not SURROGATES.keys() & ELEMENTARY.keys()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("stop(x, h)", "stop() takes 1 argument, not 2"),
        ("scale_gradient(h)", "scale_gradient() takes 2 arguments, not 1"),
        ("straight_through(h)", "straight_through() takes 2 arguments, not 1"),
        ("stpo(h)", "unknown function 'stpo' (did you mean 'stop'?)"),
        ("stop + h", "'stop' is a function and needs its arguments"),
    ],
)
def test_what_is_wrong_is_said(text, problem):
    with pytest.raises(UserError) as found:
        variant(text)
    assert problem in str(found.value)


def test_weights_are_named_after_what_they_meet():
    plain, stopped = load_variant("lstm"), load_variant("lstm_truncated")
    assert [p.name for p in stopped.parameters] == [p.name for p in plain.parameters]
    assert stopped.reads("f") == plain.reads("f") == ("x", "h")
    nested = variant("tanh(linear(x, stop(scale_gradient(h*x, 2))) + diag(stop(h)))")
    assert [p.name for p in nested.parameters] == ["h_weight_x", "h_weight_h_x", "h_bias", "h_diagonal_h"]


def test_the_values_alone_are_an_ordinary_variant():
    plain, stopped = load_variant("lstm"), load_variant("lstm_truncated")
    assert stopped.values_only().equations == plain.equations
    assert stopped.values_only().trees == plain.trees
    assert stopped != stopped.values_only()
    assert plain.values_only() is plain
    binary = load_variant("binary_lstm").values_only()
    assert binary.equations["f"] == "step(a_f)"
    written = variant({"c": "stop(c*2)**2 - (scale_gradient(h, 0.5) - 1)*x", "h": "c"}, state=("h", "c"))
    assert written.values_only().equations["c"] == "(c * 2) ** 2 - (h - 1) * x"
    assert written.values_only().trees == written.values_only().respelled().trees


def test_bounds_and_gates_are_those_of_the_values():
    assert bounds(load_variant("binary_lstm"))["f"] == (0.0, 1.0)
    assert gates(load_variant("binary_lstm")) == ("i", "f", "o")
    mixed = variant({"u": "sigmoid(linear(x))", "h": "h*stop(u) + (1 - scale_gradient(u, 2))*tanh(linear(x))"})
    assert gates(mixed) == ("u",)


def test_they_are_typeset():
    written = variant({"a": "linear(x)", "h": "straight_through(step(a), sigmoid(a))*stop(h) + scale_gradient(h, 0.5)"})
    assert written.plain().splitlines()[-1] == (
        "h_t = straight_through(step(a_t), σ(a_t)) ⊙ stop(h_{t-1}) + scale_gradient(h_{t-1}, 0.5)"
    )
    assert r"\operatorname{straight\_through}(\operatorname{step}(a_t), \sigma(a_t))" in written.latex()
    assert r"\operatorname{stop}(h_{t-1}) + \operatorname{scale\_gradient}(h_{t-1}, 0.5)" in written.latex()


def test_an_edit_of_what_a_gate_reads_leaves_its_gradient_alone():
    mapping = load_variant("lstm_truncated").mapping()
    edited = edited_variant({**mapping, "reads": {"f": ["h", "c"], "i": ["h"]}})
    assert edited.equations["f"] == "sigmoid(linear(stop(h)) + diag(c))"
    assert edited.equations["i"] == "sigmoid(linear(stop(h)))"


def test_no_edit_squashes_with_them():
    with pytest.raises(UserError, match="must be a function") as found:
        edited_variant({**load_variant("lstm").mapping(), "squash": {"f": "stop"}})
    assert not any(f" {name}," in str(found.value) for name in SURROGATES)
