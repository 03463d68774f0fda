"""Foreign variants: what their files may say, what is refused, and what is counted by hand."""

import pytest

from gatelab.compiler import dependent_products, multiply_adds, parameter_count, parameter_shapes, program
from gatelab.compiler.costs import step_values
from gatelab.errors import UserError
from gatelab.language import Variant, bounds, edited_variant, gates, load_variant, variant_files
from gatelab.language.foreign import FOREIGN
from gatelab.language.random_edits import mutated

FILE = {"name": "mine", "state": ["C", "n", "m"], "module": "mlstm"}


def test_every_foreign_variant_has_a_file():
    assert {load_variant(name).foreign for name in variant_files()} - {None} == set(FOREIGN)


@pytest.mark.parametrize("name", FOREIGN)
def test_the_facts_fit_together(name):
    facts = FOREIGN[name]
    assert set(facts.shapes(3, 8)) == {parameter.name for parameter in facts.parameters}
    assert [left for left, _ in facts.plain][-1] == "h_t"
    assert len(facts.plain) == len(facts.latex)
    for state in facts.states:
        assert f"{state}_t" in dict(facts.plain)
        assert f"{state}_t" in dict(facts.latex)
    assert set(facts.gates) <= {left.removesuffix("_t") for left, _ in facts.plain}


def test_what_a_foreign_variant_has_and_has_not():
    variant = load_variant("mlstm")
    assert variant.states == ("C", "n", "m")
    assert (dict(variant.equations), dict(variant.trees), dict(variant.sizes)) == ({}, {}, {})
    assert not variant.needs_equal_sizes
    assert gates(variant) == ("i", "f", "o")
    assert bounds(variant) == dict.fromkeys("ifo", (0.0, 1.0))
    assert gates(Variant.from_mapping(FILE)) == ()


def test_a_foreign_variant_is_read_again_from_what_it_writes():
    variant = load_variant("mlstm")
    assert Variant.from_mapping(variant.mapping()) == variant
    assert edited_variant(variant.mapping()) == variant
    assert "equations" not in variant.mapping()
    assert "module" not in load_variant("lstm").mapping()
    assert Variant.from_mapping({**FILE, "name": "mlstm"}) != variant


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"module": "mlst"}, "variant: module=mlst is no foreign variant (did you mean 'mlstm'?); allowed: mlstm"),
        ({"module": 7}, "variant: module=7 is no foreign variant; allowed: mlstm"),
        ({"module": "os.system"}, "variant: module=os.system is no foreign variant; allowed: mlstm"),
        ({"state": ["h"]}, "variant: state=[h]: must be [C, n, m], the states of the foreign variant mlstm"),
        ({"equations": {"f": "1"}}, "variant: variant 'mine' is foreign and has no equations to edit"),
        ({"output": "C"}, "variant: output=C: variant 'mine' is foreign, and its output cannot be chosen"),
        ({"roles": {"retain": "g"}}, "variant: role retain=g is no gate; gates: i, f, o"),
    ],
)
def test_wrong_files(changed, line):
    with pytest.raises(UserError) as refused:
        Variant.from_mapping({**FILE, **changed})
    assert str(refused.value) == line


def test_edits_are_refused_in_one_line():
    variant = load_variant("mlstm")
    edits = [
        lambda: variant.edit(f="1"),
        lambda: variant.edit("other"),
        lambda: edited_variant({**variant.mapping(), "reads": {"f": ["x"]}}),
        lambda: edited_variant({**variant.mapping(), "squash": {"f": "tanh"}}),
        lambda: edited_variant({**variant.mapping(), "constant": {"f": 1}}),
        lambda: edited_variant({**variant.mapping(), "mutate": 3}),
        lambda: mutated(variant.mapping(), 3),
    ]
    for edit in edits:
        with pytest.raises(UserError, match=r"^variant 'mlstm' is foreign and has no equations to edit$"):
            edit()
    with pytest.raises(UserError, match=r"^variant 'mlstm' is foreign and has no equations to compile$"):
        program(variant)


# input size, hidden size, heads
SIZES = ((3, 8, 4), (1, 1, 1), (5, 6, 1), (32, 64, 4))


@pytest.mark.parametrize(("inputs", "hidden", "heads"), SIZES)
def test_counts(inputs, hidden, heads):
    variant = load_variant("mlstm")
    # q, k, v and o are vectors, i and f one number for each head: a matrix of x and a bias each
    rows = 4 * hidden + 2 * heads
    assert parameter_count(variant, inputs, hidden) == rows * (inputs + 1)
    # a head's C has d × d entries: each is decayed, written and read
    size = hidden // heads
    assert multiply_adds(variant, inputs, hidden) == rows * inputs + 3 * heads * size * size
    assert dependent_products(variant) == 1
    assert step_values(variant, hidden) > 2 * heads * size * size


def test_sizes_below_1_are_refused():
    with pytest.raises(UserError, match="hidden_size=0: must be at least 1"):
        parameter_shapes(load_variant("mlstm"), 3, 0)


def test_how_it_is_printed():
    variant = load_variant("mlstm")
    assert variant.plain().splitlines()[-1] == "h_t     = o_t ⊙ C_t q_t / max(abs(n_t^T q_t), exp(-m_t))"
    lines = variant.latex().splitlines()
    assert (lines[0], lines[-1]) == (r"\begin{aligned}", r"\end{aligned}")
    assert lines[-4:-2] == [r"  C_t &= f_t C_{t-1} + i_t v_t k_t^\top \\", r"  n_t &= f_t n_{t-1} + i_t k_t \\"]
