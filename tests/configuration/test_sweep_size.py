"""Points are counted without being written out."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from gatelab.configuration.sweep_size import check_size, points, values
from gatelab.errors import UserError


def parsed(*words):
    return OverridesParser.create().parse_overrides(list(words))


COUNTED = ["seed=3", "seed=1,2,3", "seed=choice(1,2)", "seed=range(5)", "seed=range(2,9,3)", "seed=range(9,2,-3)",
           "lr=range(0,1,0.1)", "lr=range(0.5,3)", "lr=range(1.0,0,-0.3)", "seed=shuffle(range(7))",
           "seed=sort(3,1,2)", "seed=shuffle(a,b)", "seed=range(3,3)", "seed=[1,2]", "~seed",
           "lr=range(5,0.5)"]  # fmt: skip


@pytest.mark.parametrize("word", COUNTED)
def test_as_many_values_as_hydra_writes_out(word):
    override = parsed(word)[0]
    written = list(override.sweep_string_iterator()) if override.is_sweep_override() else [word]
    assert values(override) == len(written)


def test_huge_ranges_are_counted_at_once():
    assert points(parsed("seed=range(1000000000)", "lr=range(0,1000000000000000000000000)", "x=1,2")) == 2 * 10**33


def test_of_two_words_for_one_key_the_last_counts():
    assert points(parsed("seed=1,2,3", "x=1,2", "seed=1,2")) == 4


def test_too_many_points_are_refused():
    check_size(parsed("seed=range(10)"), most=10)
    with pytest.raises(UserError, match=r"^1,000,000 points: more than 100,000, the most that a sweep may have; sweep"):
        check_size(parsed("seed=range(1000)", "x=range(1000)"))


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("seed=range(5,5)", r"seed=range\(5,5\): has no values; the second end of a range is left out"),
        ("seed=range(5,1)", r"seed=range\(5,1\): has no values: steps of 1 do not lead from 5 to 1"),
        ("seed=range(0,5,-1)", r"seed=range\(0,5,-1\): has no values: steps of -1 do not lead from 0 to 5"),
        ("seed=range(0,5,0)", r"seed=range\(0,5,0\): the step must not be 0"),
        ("lr=range(0,inf)", r"lr=range\(0,inf\): both ends and the step must be finite numbers"),
        ("lr=range(0,nan)", r"lr=range\(0,nan\): both ends and the step must be finite numbers"),
    ],
)
def test_ranges_that_cannot_be_swept(word, sentence):
    with pytest.raises(UserError, match=f"^{sentence}$"):
        check_size(parsed(word))
