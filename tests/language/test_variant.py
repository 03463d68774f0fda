"""Variants: states, dead equations, roles, output, edits, and what is refused."""

import numpy as np
import pytest

from gatelab.errors import UserError
from gatelab.language import Variant, load_variant
from gatelab.language.tree import Read, walk
from tests.language.examples import SHIPPED, draw_parameters, step, variant

MIXED = {"r": "sigmoid(linear(x, h))", "z": "tanh(linear(x))", "h": "r*h + (1 - r)*z"}


def reads(example, equation):
    return {(node.name, node.when) for node in walk(example.trees[equation]) if isinstance(node, Read)}


def names(example):
    return [parameter.name for parameter in example.parameters]


def test_a_state_is_old_until_its_equation_has_run():
    peephole = load_variant("peephole")
    assert ("c", "previous") in reads(peephole, "i")
    assert ("c", "previous") in reads(peephole, "c")
    assert ("c", "now") in reads(peephole, "o")
    assert reads(peephole, "h") == {("o", "now"), ("c", "now")}


def test_a_state_may_be_the_last_input_or_the_last_gate():
    example = variant({"h": "tanh(linear(x, p, g))", "p": "x", "g": "sigmoid(linear(h))"}, ["h", "p", "g"])
    assert reads(example, "h") == {("x", "input"), ("p", "previous"), ("g", "previous")}
    assert reads(example, "g") == {("h", "now")}


def test_dead_equations_go_with_their_parameters():
    edited = load_variant("lstm").edit(o="1")
    assert names(edited) == [name for name in names(load_variant("lstm")) if not name.startswith("o_")]
    without_output_gate = load_variant("lstm").edit(h="tanh(c)")
    assert "o" not in without_output_gate.equations
    assert without_output_gate.roles == {"retain": "f", "write": "i"}
    assert names(without_output_gate) == names(edited)


def test_a_state_that_nothing_needs_goes_too():
    example = variant({"c": "c + x", "h": "tanh(linear(x, h))"}, ["h", "c"])
    assert example.states == ("h",)
    assert list(example.equations) == ["h"]


def test_an_equation_that_is_needed_one_step_later_stays():
    assert list(variant({"h": "linear(x, p)", "p": "tanh(linear(x))"}, ["h", "p"]).equations) == ["h", "p"]


def test_output_may_be_any_equation():
    example = variant({"s": "tanh(linear(x, s))", "y": "linear(s)"}, ["s"], output="y")
    assert example.output == "y"
    assert list(example.equations) == ["s", "y"]


def test_reads_says_what_each_equation_sees():
    assert load_variant("peephole").reads("o") == ("x", "h", "c")
    assert load_variant("gru_v3").reads("n") == ("x", "r * h")
    assert load_variant("cifg").reads("i") == ()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_variant_comes_back_from_its_mapping(name):
    example = load_variant(name)
    again = Variant.from_mapping(example.mapping())
    assert again == example
    assert hash(again) == hash(example)
    assert again.trees == example.trees
    assert again.parameters == example.parameters


def test_the_order_of_equations_is_part_of_a_variant():
    texts = {"c": "tanh(linear(x, h))", "h": "c*1"}
    first, second = variant(texts, ["h", "c"]), variant(dict(reversed(texts.items())), ["h", "c"])
    assert first.equations == second.equations
    assert first != second


# Edits


def test_a_gate_can_be_coupled_to_one_below_it():
    edited = load_variant("peephole").edit(i="1 - f")
    assert list(edited.equations) == ["f", "i", "z", "c", "o", "h"]
    assert edited.equations["i"] == "1 - f"
    assert reads(edited, "i") == {("f", "now")}
    assert not [name for name in names(edited) if name.startswith("i_")]
    assert edited.roles == {"retain": "f", "write": "i", "expose": "o"}


def test_an_edited_equation_keeps_the_old_value_of_a_state_written_below_it():
    edited = load_variant("lstm").edit(i="sigmoid(linear(x, h) + diag(c))")
    assert reads(edited, "i") >= {("c", "previous")}
    assert list(edited.equations) == list(load_variant("lstm").equations)


def test_reordering_does_not_change_what_other_equations_mean():
    # i now runs after s, and must still run before c is overwritten
    example = variant({"i": "linear(x)", "c": "c*i + x", "s": "tanh(linear(x))", "h": "s*c"}, ["h", "c"])
    edited = example.edit(i="s*c")
    order = list(edited.equations)
    assert order.index("s") < order.index("i") < order.index("c")
    assert reads(edited, "i") == {("s", "now"), ("c", "previous")}
    random = np.random.default_rng(0)
    parameters, x = draw_parameters(edited, random, 3), random.normal(size=3)
    states = {"h": random.normal(size=3), "c": random.normal(size=3)}
    values = step(edited, x, states, parameters)
    np.testing.assert_allclose(values["c"], states["c"] * values["s"] * states["c"] + x, rtol=1e-12)


def test_an_added_equation_runs_first():
    edited = load_variant("lstm").edit(p="sigmoid(linear(x))", i="p*(1 - f)")
    assert next(iter(edited.equations)) == "p"
    assert reads(edited, "i") == {("p", "now"), ("f", "now")}


def test_an_added_equation_may_read_one_below_it():
    edited = load_variant("lstm").edit(p="1 - f", i="p")
    assert list(edited.equations)[:3] == ["f", "p", "i"]


def test_an_equation_can_be_removed():
    edited = load_variant("peephole").edit(o=None, h="tanh(c)", name="bare")
    assert (edited.name, "o" in edited.equations, "expose" in edited.roles) == ("bare", False, False)


def test_a_removed_state_is_no_state_any_more():
    edited = load_variant("lstm").edit(c=None, h="o*tanh(i*z)")
    assert edited.states == ("h",)


def test_a_number_is_an_equation():
    assert load_variant("lstm").edit(o=1).equations["o"] == "1"
    assert load_variant("lstm").edit(o=0.5).equations["o"] == "0.5"


def test_an_edit_leaves_the_original_alone():
    original = load_variant("lstm")
    original.edit(i="1 - f")
    assert original == load_variant("lstm")


@pytest.mark.parametrize(
    "edits, message",
    [
        ({"i": "1 - f", "f": "1 - i"}, "equations i, f, c, h need each other's values of the same step; no order runs"),
        ({"i": "1 - i"}, "equation i: 'i' reads itself before it exists"),
        ({"q": None}, "variant 'lstm' has no equation 'q'"),
        ({"oo": None}, r"has no equation 'oo' \(did you mean 'o'\?\)"),
        ({"h": None}, "output 'h' has no equation"),
        ({"o": None}, "equation h: unknown name 'o'"),
        ({"i": "1 - ff"}, "variant 'lstm', edited, equation i: unknown name 'ff'"),
    ],
)
def test_edits_that_are_refused(edits, message):
    with pytest.raises(UserError, match=message):
        load_variant("lstm").edit(**edits)


def test_only_an_edited_equation_may_read_ahead():
    with pytest.raises(UserError, match="'f' is read before it exists: equations run top to bottom"):
        variant({"i": "1 - f", "f": "sigmoid(linear(x, h))", "h": "i*f"})


# What is refused


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"stat": ["h"]}, r"mine.yaml: unknown key 'stat' \(did you mean 'state'\?\); allowed: name, source"),
        ({"name": None}, "name=null must be letters, digits and underscores"),
        ({"name": "a b"}, "name=a b must be letters"),
        ({"state": None}, "state=null must be a list of names, such as"),
        ({"state": "h"}, "state=h must be a list of names"),
        ({"state": []}, r"state=\[\] must be a list of names"),
        ({"state": ["h", "h"]}, "state: 'h' is listed twice"),
        ({"state": ["x"]}, "'x' is a name of the language; choose another"),
        ({"state": ["h", 1]}, "state: '1' is not a name"),
        ({"state": ["h", "zz"]}, r"state 'zz' is never written \(did you mean 'z'\?\); it needs an equation"),
        ({"equations": None}, "equations=null must be a mapping"),
        ({"equations": ["h"]}, r"equations=\[h\] must be a mapping"),
        ({"equations": {"h": ["x"]}}, r"equation h: \[x\] must be a right-hand side"),
        ({"equations": {"h": True}}, "equation h: true must be a right-hand side"),
        ({"equations": {"h": None}}, "equation h: null must be a right-hand side"),
        ({"equations": {"_h": "x"}}, "'_h' is not a name"),
        ({"equations": {"é": "x"}}, "'é' is not a name"),
        ({"equations": {False: "x"}}, "'false' is not a name"),
        ({"equations": {"tanh": "x"}}, "'tanh' is a name of the language"),
        ({"equations": {"lambda": "x"}}, "'lambda' is a name of the language"),
        ({"output": "y"}, "output 'y' has no equation; equations: r, z, h"),
        ({"output": ["h"]}, "output .* has no equation"),
        ({"roles": ["r"]}, r"roles=\[r\] must be a mapping"),
        ({"roles": {"retains": "r"}}, r"unknown role 'retains' \(did you mean 'retain'\?\); allowed: retain, write"),
        ({"roles": {"retain": "q"}}, "role retain=q is no equation; equations: r, z, h"),
        ({"roles": {"retain": ["r"]}}, r"role retain=\[r\] is no equation"),
    ],
)
def test_wrong_files_are_refused(changes, message):
    with pytest.raises(UserError, match=message) as refused:
        Variant.from_mapping({"name": "mine", "state": ["h"], "equations": MIXED, **changes}, "mine.yaml")
    assert str(refused.value).startswith("mine.yaml")
    assert "\n" not in str(refused.value)


def test_two_equations_cannot_own_one_parameter():
    with pytest.raises(UserError, match="two equations own a parameter of the same name; rename one of them"):
        variant({"weight_h": "linear(h)", "a": "linear(weight_h)", "a_weight": "linear(h)", "h": "a + a_weight"})


def test_roles_of_dead_equations_are_dropped():
    example = variant({"r": "sigmoid(linear(x))", "h": "tanh(linear(x, h))"}, roles={"retain": "r"})
    assert example.roles == {}


# Lengths


@pytest.mark.parametrize(
    "equations, state, sizes, equal",
    [
        ({"h": "tanh(linear(x, h))"}, ["h"], {"h": "hidden"}, False),
        ({"h": "tanh(linear(x, p))", "p": "x"}, ["h", "p"], {"h": "hidden", "p": "input"}, False),
        ({"h": "linear(p)", "q": "2*x + scalar(1)", "p": "q"}, ["h", "p"], {"p": "input", "q": "input"}, False),
        ({"h": "linear(p)", "p": "0.5*p + diag(x)"}, ["h", "p"], {"p": "input"}, False),
        ({"h": "tanh(x) + h"}, ["h"], {}, True),
        ({"h": "linear(x*h)"}, ["h"], {}, True),
        ({"s": "x", "h": "linear(h) + s"}, ["h"], {"s": "input", "h": "hidden"}, True),
        ({"h": "linear(p)", "p": "x + vector(1)"}, ["h", "p"], {"p": "hidden"}, True),
        ({"r": "sigmoid(diag(x))", "h": "r*h + (1 - r)*x"}, ["h"], {"r": "input", "h": "input"}, True),
        ({"h": "1"}, ["h"], {"h": "hidden"}, False),
        ({"o": "1", "h": "o*linear(x)"}, ["h"], {"o": "hidden"}, False),
    ],
)
def test_lengths_of_vectors(equations, state, sizes, equal):
    example = variant(equations, state)
    assert {name: example.sizes[name] for name in sizes} == sizes
    assert example.needs_equal_sizes is equal


@pytest.mark.parametrize("name", SHIPPED)
def test_no_shipped_variant_needs_equal_sizes(name):
    assert not load_variant(name).needs_equal_sizes


def test_weights_say_what_they_meet():
    example = variant({"h": "tanh(linear(x, p) + diag(h))", "p": "x"}, ["h", "p"])
    met = {parameter.name: example.size(source) for parameter, source in example.weights()}
    assert met == {"h_weight_x": "input", "h_weight_p": "input", "h_diagonal_h": "hidden"}


def test_a_diagonal_of_a_number_is_as_long_as_the_hidden_state():
    variant = Variant.from_mapping({"name": "v", "state": ["p"], "output": "h", "equations": {
        "p": "x", "h": "tanh(linear(p)) + p*diag(scalar(0.7))",
    }})  # fmt: skip
    assert variant.needs_equal_sizes
