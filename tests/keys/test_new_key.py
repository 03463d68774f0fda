"""A key that the next version adds: what is stored stays, and what is read means the same."""

from dataclasses import replace
from typing import Annotated, Literal

import pytest

from gatelab.configuration import run_configuration, shape_key
from gatelab.evidence.varied import setting_text, varied_keys
from gatelab.keys import Key, TrainingSection
from gatelab.layers.openings import One
from gatelab.store import Store, settings
from gatelab.store.identity import is_configuration_of, same_science
from gatelab.tasks.memory.adding import Adding
from tests.store.examples import example
from tests.training.examples import configuration


class NextTraining(TrainingSection):
    made_up: Annotated[float, Key("noise of the next version", neutral=0.0)] = 0.0


class NextAdding(Adding):
    __module__ = "gatelab.tasks.memory.adding"  # not a class from outside, whose code counts
    name: Literal["adding"] = "adding"
    made_up: Annotated[int | None, Key("a third mark", neutral=None)] = None


class NextOne(One):
    __module__ = "gatelab.layers.openings"
    made_up: Annotated[bool, Key("likewise", neutral=False)] = False


@pytest.fixture
def run(tmp_path):
    return configuration(tmp_path, "peephole", opening={"name": "one"}, task={"name": "adding"})


def changed(run, section, value):
    kind, old = {
        "training": (NextTraining, run.training),
        "task": (NextAdding, run.task),
        "opening": (NextOne, run.opening),
    }[section]
    return replace(run, **{section: kind(**old.model_dump(), made_up=value)})


CHANGES = [("training", 0.0, 0.5), ("task", None, 3), ("opening", False, True)]


@pytest.mark.parametrize(("section", "neutral", "other"), CHANGES)
def test_at_its_neutral_value_it_does_not_exist(run, section, neutral, other):
    same = changed(run, section, neutral)
    assert same.identity == run.identity
    assert same.mapping() == run.mapping()
    assert same.science == run.science
    assert shape_key(same) == shape_key(run)
    assert settings(same.mapping()) == settings(run.mapping())


@pytest.mark.parametrize(("section", "neutral", "other"), CHANGES)
def test_at_any_other_value_it_is_another_run(run, section, neutral, other):
    new = changed(run, section, other)
    assert new.identity != run.identity
    assert new.mapping()[section]["made_up"] == new.science[section]["made_up"] == other
    assert is_configuration_of(new.identity, new.mapping())
    assert not same_science(new.mapping(), run.mapping())
    # an opening may differ within a stack
    assert (shape_key(new) == shape_key(run)) == (section == "opening")


def test_a_stored_run_of_before_the_key_is_that_run_and_read_with_the_neutral_value(run, tmp_path):
    store = Store(tmp_path / "runs")
    store.record(run.identity, run.mapping())
    next_version = changed(run, "training", 0.0)
    store.record(next_version.identity, next_version.mapping())
    stored = store.configuration(run.identity)
    assert "made_up" not in stored["training"]
    assert NextTraining(**stored["training"]).made_up == 0.0
    assert run_configuration(stored, frozen=True).identity == run.identity


def test_tables_show_the_neutral_value_where_none_is_stored(monkeypatch):
    monkeypatch.setattr("gatelab.keys.table.known_keys", lambda: {"training.made_up": Key(neutral=0.0)})
    old = example(seed=1, settings={"training.batch_size": 8})
    new = example(seed=2, settings={"training.batch_size": 8, "training.made_up": 0.5})
    assert varied_keys([old, new]) == {"adding": ("training.made_up",)}
    assert setting_text(old.settings, ["training.made_up"]) == "training.made_up=0.0"
