"""The one vocabulary of lengths of vectors."""

import pytest

from gatelab.language.sizes import LADDER, Lengths, filled, joint


def test_lengths_as_numbers():
    lengths = Lengths(3, 5)
    assert [lengths.of(name) for name in LADDER] == [1, 3, 5]
    assert (lengths.named(3), lengths.named(5)) == ("input", "hidden")
    assert Lengths(4, 4).named(4) == "hidden"


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([], "one"),
        (["one", "one"], "one"),
        (["one", "input"], "input"),
        (["hidden", "one"], "hidden"),
        (["hidden", "input"], "hidden"),
    ],
)
def test_what_is_made_element_by_element_has_the_longest_length(parts, whole):
    assert joint(parts) == whole


def test_a_number_fills_a_hidden_vector():
    assert [filled(name) for name in LADDER] == ["hidden", "input", "hidden"]
