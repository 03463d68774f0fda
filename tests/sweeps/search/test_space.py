"""Overrides read as distributions, and values written as overrides."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from gatelab.errors import UserError
from gatelab.sweeps.search import read_space
from tests.sweeps.search.made_up import parsed

DISTRIBUTIONS = {
    "1,2,3": CategoricalDistribution((1, 2, 3)),
    "choice(a,b)": CategoricalDistribution(("a", "b")),
    "choice(1,a,true)": CategoricalDistribution((1, "a", "true")),
    "lstm,null": CategoricalDistribution(("lstm", "null")),
    "'a b',[1,2],{k:1}": CategoricalDistribution(("'a b'", "[1,2]", "{k:1}")),
    "3,3,4": CategoricalDistribution((3, 4)),
    "shuffle(a,b)": CategoricalDistribution(("a", "b")),
    "interval(0,1)": FloatDistribution(0, 1),
    "interval(1e-5,1e-1)": FloatDistribution(1e-5, 1e-1),
    "tag(log, interval(1e-5,1e-1))": FloatDistribution(1e-5, 1e-1, log=True),
    "int(interval(1,8))": IntDistribution(1, 8),
    "tag(int, interval(1,8))": IntDistribution(1, 8),
    "int(tag(log, interval(1,64)))": IntDistribution(1, 64, log=True),
    "tag(int, log, interval(1,64))": IntDistribution(1, 64, log=True),
    "range(1,10)": IntDistribution(1, 9),
    "range(5)": IntDistribution(0, 4),
    "range(1,10,3)": IntDistribution(1, 7, step=3),
    "range(1,9,3)": IntDistribution(1, 7, step=3),
    "range(10,1,-3)": IntDistribution(4, 10, step=3),
    "shuffle(range(1,4))": IntDistribution(1, 3),
    "range(1,1000000000)": IntDistribution(1, 999_999_999),
    "tag(log, range(1,65))": IntDistribution(1, 64, log=True),
    "range(0,1,0.25)": FloatDistribution(0, 0.75, step=0.25),
    "range(0,0.5,0.1)": FloatDistribution(0, 0.4, step=0.1),
    "float(range(1,4))": FloatDistribution(1, 3, step=1),
    "range(0,0.5,0.7)": CategoricalDistribution((0.0,)),
}
REFUSED = {
    "interval(1,0.5)": "the first end must be below the second, and both finite",
    "interval(1,1)": "the first end must be below the second, and both finite",
    "interval(0,inf)": "the first end must be below the second, and both finite",
    "interval(nan,1)": "the first end must be below the second, and both finite",
    "tag(log, interval(0,1))": "a logarithmic scale needs a lower end above 0",
    "tag(log, interval(-1,1))": "a logarithmic scale needs a lower end above 0",
    "tag(log, range(5))": "a logarithmic scale needs a lower end above 0",
    "tag(log, range(1,10,2))": "a log range must be of integers, with step 1",
    "tag(log, range(0.1,1,0.1))": "a log range must be of integers, with step 1",
    "tag(int, range(0,1,0.5))": "a range of integers needs whole numbers",
    "tag(int, interval(0.5,3))": "an interval of integers needs whole ends",
    "tag(lgo, interval(1,2))": "unknown tag 'lgo' (did you mean 'log'?); allowed: log, int",
    "tag(log, choice(1,2))": "choices take no tag; tags are for interval and range",
    "range(5,1)": "has no values; the second end of a range is left out",
    "range(1,5,0)": "the step must not be 0",
    "range(0,1,1e-9)": "1,000,000,000 values; must be at most 100,000, or an interval",
    "range(0,inf)": "both ends and the step must be finite numbers",
}


def space(*words):
    return read_space(parsed(*words))


@pytest.mark.parametrize("text", DISTRIBUTIONS)
def test_a_distribution(text):
    (parameter,) = space(f"key={text}").parameters
    assert (parameter.key, parameter.text) == ("key", text)
    assert parameter.distribution == DISTRIBUTIONS[text]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_distribution(text):
    with pytest.raises(UserError) as refused:
        space(f"key={text}")
    assert str(refused.value) == f"key={text}: {REFUSED[text]}"


def test_a_grid_that_is_too_large_is_counted_and_not_written_out():
    with pytest.raises(UserError, match=r"^2,000,000,000 points: more than 100,000, the most that a sweep may have; "):
        space("key=range(1000000000)", "other=a,b").grid()


def test_fixed_overrides_stay_as_they_were_written():
    given = space(
        "task=adding", "~logger", "optimizer.lr=1,2", "+optimizer.momentum=interval(0,1)", "model.dropout=0.1"
    )
    assert given.fixed == ("task=adding", "~logger", "model.dropout=0.1")
    assert given.words({"optimizer.lr": 2, "+optimizer.momentum": 0.5}) == [
        *given.fixed,
        "optimizer.lr=2",
        "+optimizer.momentum=0.5",
    ]


def test_the_last_of_several_with_one_key_counts():
    assert space("seed=1,2", "seed=3").parameters == ()
    assert space("seed=3", "seed=1,2").fixed == ()


def test_words_read_as_the_values_they_were_drawn_as():
    given = space("a=interval(0,1)", "b=null,'x y',true", "c=int(interval(1,3))")
    words = given.words({"a": 1e-05, "b": "'x y'", "c": 2})
    assert words == ["a=1e-05", "b='x y'", "c=2"]
    assert [override.value() for override in parsed(*words)] == [1e-05, "x y", 2]


def test_a_range_of_floats_gives_the_very_values_of_a_grid():
    (parameter,) = space("a=range(0,1,0.1)").parameters
    (override,) = parsed("a=range(0,1,0.1)")
    assert [parameter.word(value) for value in parameter.values()] == [
        f"a={text}" for text in override.sweep_string_iterator()
    ]


def test_a_grid_has_every_point():
    assert space("a=1,2", "b=range(3)").grid() == [{"a": a, "b": b} for a in (1, 2) for b in (0, 1, 2)]
    assert len(space("a=range(0,1,0.1)", "b=range(10,1,-3)").grid()) == 30
    with pytest.raises(UserError, match=r"^b=interval\(0,1\): a grid needs separate values, such as a,b,c or range"):
        space("a=1,2", "b=interval(0,1)").grid()


def test_the_ends_show_every_choice_and_both_ends():
    ends = list(space("a=x,y,z", "b=int(interval(0,1))").ends())
    assert ends == [{"a": "x", "b": 0}, {"a": "y", "b": 0}, {"a": "z", "b": 0}, {"a": "x", "b": 1}]


def test_between_the_ends_of_an_interval_of_floats_is_one_that_is_no_integer():
    # the ends of an interval may be right for a key of integers where nothing between them is
    _, inner, _ = space("b=interval(3,9)").ends()
    assert 3 < inner["b"] < 9 and not inner["b"].is_integer()
