"""Nearest relatives: found by comparing equations, and each edit gives the variant back."""

import pytest

from gatelab.language import Variant, load_variant, variant_files
from gatelab.language.relatives import relatives

CATALOGUE = {name: load_variant(name) for name in variant_files()}


def lines(name, others=CATALOGUE):
    return [relative.text(name) for relative in relatives(CATALOGUE[name], others)]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("cifg", "cifg = lstm with i: 1 - f"),
        ("noaf", "noaf = peephole with h: o * c"),
        ("nfg", "nfg = peephole with c: c + i * z without f"),
        ("min_gru", "min_gru = min_gru_positive with n: linear(x) without u"),
        ("ugrnn", "ugrnn = li_gru with n: tanh(linear(x, h)) (z is called g)"),
    ],
)
def test_of_the_catalogue(name, line):
    assert line in lines(name)


def test_names_do_not_matter_where_roles_say_what_is_what():
    mine = Variant.from_mapping({
        "name": "mine", "state": ["y", "m"], "output": "y", "roles": {"retain": "a", "write": "b", "expose": "d"},
        "equations": {"b": "sigmoid(linear(x, y))", "a": "sigmoid(linear(x, y))", "z": "tanh(linear(x, y))",
                      "d": "sigmoid(linear(x, y))", "m": "a*m + b*z", "y": "d*tanh(m)"},
    })  # fmt: skip
    first = relatives(mine, CATALOGUE)[0]
    assert (first.name, first.edits, dict(first.renamed)) == (
        "lstm", 0, {"h": "y", "c": "m", "f": "a", "i": "b", "o": "d"}
    )  # fmt: skip


def test_an_order_that_changes_what_is_read_is_no_relative():
    # both have the same texts; the output gate of one sees the new cell, that of the other the old one
    assert CATALOGUE["peephole"].equations == CATALOGUE["peephole_old_cell"].equations
    assert not any(relative.name == "peephole_old_cell" and not relative.edits
                   for relative in relatives(CATALOGUE["peephole"], CATALOGUE))  # fmt: skip


@pytest.mark.parametrize("name", ["mlstm", "lem"])
def test_none(name):
    assert lines(name) == []


def test_what_shares_no_equation_is_no_relative():
    assert "ind_rnn" not in [relative.name for relative in relatives(CATALOGUE["elman"], CATALOGUE)]


def test_the_nearest_first_and_no_more_than_asked_for():
    found = relatives(CATALOGUE["lstm"], CATALOGUE, count=3)
    assert len(found) == 3
    assert [relative.edits for relative in found] == sorted(relative.edits for relative in found)
