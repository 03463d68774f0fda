"""What stands at a field, and what follows from it."""

from dataclasses import dataclass
from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from gatelab.keys import Key, defaults_of, keys_of, without_neutral
from gatelab.keys.structured import config_of


class Inner(BaseModel):
    depth: int = 2


class Section(BaseModel):
    target: Annotated[str, Key("what")] = Field(alias="_target_")
    rate: Annotated[float, Key("how fast", stack=True)] = Field(default=0.1, ge=0)
    noise: Annotated[float, Key("how loud", neutral=0.0)] = 0.0
    on: Annotated[bool, Key("whether", neutral=False)] = False
    plain: int = 3
    inner: Inner = Inner()
    free: dict[str, int] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Top:
    section: Section
    seed: Annotated[int, Key("everything random", stack=True)] = 0


def test_a_key_is_known_by_the_name_that_users_write():
    assert keys_of(Section) == {
        "_target_": Key("what"),
        "rate": Key("how fast", stack=True),
        "noise": Key("how loud", neutral=0.0),
        "on": Key("whether", neutral=False),
        "plain": Key(),
        "inner": Key(),
        "free": Key(),
    }
    assert keys_of(Top) == {"section": Key(), "seed": Key("everything random", stack=True)}


def test_defaults_are_those_of_the_fields():
    assert defaults_of(Top) == {"seed": 0}
    assert defaults_of(Section) == {"rate": 0.1, "noise": 0.0, "on": False, "plain": 3, "inner": Inner(), "free": {}}


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ({"noise": 0.0, "rate": 0.1}, {"rate": 0.1}),
        ({"noise": 0}, {}),
        ({"noise": 0.5}, {"noise": 0.5}),
        ({"noise": False}, {"noise": False}),
        ({"on": False, "plain": 3}, {"plain": 3}),
        ({"on": 0}, {"on": 0}),
        ({"of another version": 0.0}, {"of another version": 0.0}),
    ],
)
def test_what_is_neutral_is_left_out_and_nothing_else(content, left):
    assert without_neutral(Section, content) == left


def test_a_neutral_value_that_is_not_the_default_is_refused():
    class Wrong(BaseModel):
        noise: Annotated[float, Key(neutral=0.0)] = 0.1

    class Missing(BaseModel):
        noise: Annotated[float, Key(neutral=0.0)]

    for section in (Wrong, Missing):
        with pytest.raises(TypeError, match=rf"{section.__name__}\.noise: its neutral value must be its default"):
            keys_of(section)


def test_a_key_that_is_not_science_may_be_left_out_of_stored_files():
    class Watched(BaseModel):
        watch: Annotated[bool, Key("whether", science=False, neutral=False)] = False

    assert without_neutral(Watched, {"watch": False}) == {}
    assert without_neutral(Watched, {"watch": True}) == {"watch": True}


def test_what_holds_for_a_section_holds_for_its_keys():
    section = Key("a section", stack=True, science=False, kind="data", in_files=False)
    assert Key("a key").inherited(section) == Key("a key", stack=True, science=False, kind="data", in_files=False)
    assert Key("a key", stack=True, kind="stopping").inherited(Key()) == Key("a key", stack=True, kind="stopping")


def test_a_section_as_hydra_wants_it():
    made = config_of(Section, _target_="here", options={"a": None})()
    assert (made._target_, made.rate, made.noise, made.inner.depth, made.free) == ("here", 0.1, 0.0, 2, {})
    assert made.options.a is None
