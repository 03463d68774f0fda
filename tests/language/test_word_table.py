"""The words of the language stand in one place, and only the parser reads text."""

from pathlib import Path

import pytest

import gatelab.language
from gatelab.errors import UserError
from gatelab.language import Variant, edited_variant
from gatelab.language.biases import without_biases
from gatelab.language.parsing import parse_equation
from gatelab.language.random_edits import mutated
from gatelab.language.splicing import is_operation, operands, parts, replaced, spelled
from gatelab.language.weight_forms import SQUARE
from gatelab.language.word_table import LEARNED, MAP_OPTIONS, RESERVED

TEXT = "sigmoid(linear(x, r * h) + diag(c)) * (1 - f)"


def tree(text):
    return parse_equation(text, "h", {"x": "input", **dict.fromkeys("hcrf", "now")}, (), "test")[0]


def test_only_the_parser_reads_python():
    folder = Path(gatelab.language.__file__).parent
    assert [file.name for file in folder.glob("*.py") if "import ast" in file.read_text()] == ["parsing.py"]


@pytest.mark.parametrize("word", LEARNED)
def test_what_is_learned_is_a_word_of_the_language(word):
    assert word in RESERVED
    with pytest.raises(UserError, match=f"'{word}' is a name of the language"):
        Variant.from_mapping({"name": "mine", "state": ["h"], "equations": {word: "1", "h": "linear(x)"}})


@pytest.mark.parametrize("option", MAP_OPTIONS)
def test_a_map_takes_its_options_alone(option):
    with pytest.raises(UserError, match=r"knows blocks=, rank=, form=, tied=, shared= and per_block=, no 'columns='"):
        tree("linear(x, columns=2)")
    with pytest.raises(UserError, match=f"{option}= takes "):
        tree(f"linear(x, {option}=0.5)")


@pytest.mark.parametrize("form", SQUARE)
def test_every_square_form_is_taken(form):
    assert spelled(f"linear(h, form={form})", tree(f"linear(h, form={form})")) == f"linear(h, form={form})"


def test_parts_are_what_is_written():
    whole = tree(TEXT)
    assert [spelled(TEXT, part) for part in parts(whole, is_operation)] == [
        TEXT,
        "linear(x, r * h) + diag(c)",
        "r * h",
        "1 - f",
    ]
    diagonal = next(part for part in parts(whole, lambda part: spelled(TEXT, part) == "diag(c)"))
    assert [spelled(TEXT, part) for part in operands(diagonal)] == ["c"]
    assert replaced(TEXT, diagonal, "h - c") == "sigmoid(linear(x, r * h) + (h - c)) * (1 - f)"


def identity(**more):
    """A variant with a map that is not learned: parsed, it is a sum."""
    equations = {"f": "sigmoid(linear(x, h) + linear(h, c, form=identity))", "c": "f*c + linear(x)", "h": "tanh(c)"}
    return {"name": "mine", "state": ["h", "c"], "equations": {**equations, **more}}


def test_a_map_of_the_form_identity_is_one_part_of_an_edit():
    edited = edited_variant({**identity(), "reads": {"f": ["x"]}})
    assert edited.equations["f"] == "sigmoid(linear(x) + linear(h, c, form=identity))"
    alone = edited_variant({**identity(f="linear(h, c, form=identity)"), "squash": {"f": "tanh"}})
    assert alone.equations["f"] == "tanh(linear(h, c, form=identity))"
    bare = without_biases(Variant.from_mapping(identity()))
    assert bare.equations["f"] == "sigmoid(project(x, h) + project(h, c, form=identity))"
    assert not any(parameter.kind == "bias" for parameter in bare.parameters)
    for seed in range(30):
        assert mutated(identity(), seed).states == ("h", "c")


def test_an_added_equation_may_be_tied_to_a_later_one_of_the_mapping():
    texts = {"f": "sigmoid(linear(x, h))", "g": "sigmoid(linear(x, h, tied=f))", "h": "f*h + g*tanh(linear(x))"}
    tied = {"name": "mine", "state": ["h"], "equations": texts}
    assert edited_variant({**tied, "squash": {"g": "tanh"}}).equations["g"] == "tanh(linear(x, h, tied=f))"
