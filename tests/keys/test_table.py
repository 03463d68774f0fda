"""What follows from the fields is what was written by hand before, in the places that now read it."""

from typing import Annotated

import pytest
from pydantic import BaseModel

from gatelab import keys
from gatelab.keys import default_of, has_default, known_keys, value_of
from gatelab.layers.openings import OPENINGS
from gatelab.store import settings
from gatelab.tasks import TASKS


def test_what_may_differ_in_a_stack():
    assert set(keys.STACKABLE) == {
        "seed", "opening", "schedule",
        "optimizer.lr", "optimizer.weight_decay", "optimizer.betas", "optimizer.momentum", "optimizer.alpha",
        "optimizer.rho", "optimizer.eps", "optimizer.normalize_momentum",
        "training.clip_norm", "training.patience", "training.stop_at", "training.input_noise", "training.weight_noise",
        "training.probes", "training.reduce", "training.stop_on",
        "model.dropout", "model.initial", "model.initial_scale", "model.zoneout_hidden", "model.zoneout_cell",
        "model.recurrent_dropout", "model.variational_dropout",
    }  # fmt: skip


REMARKED = ("path", "source", "notes", "fitted")


def test_what_is_no_science():
    assert set(keys.NOT_SCIENCE) == {
        "runs_dir", "logger", "path", "device", "threads", "stack", "sweep", "label", "progress", "plan_only",
        "describe", "debug", "hydra", "model.match", "model.match_to", "model.match_size", "training.devices",
        "training.probes",
        *(f"{section}.{name}" for section in ("variant", "opening", "task") for name in REMARKED),
    }  # fmt: skip
    assert keys.SCIENCE == ("variant", "opening", "task", "model", "optimizer", "schedule", "training", "seed")
    assert set(keys.SHARED) == {"path", "device", "threads", "stack", "progress", "logger", "runs_dir"}


def test_what_the_page_makes_of_keys():
    assert keys.TOLD == (
        "model.hidden_size", "model.num_layers", "opening.name", "optimizer._target_", "optimizer.lr",
        "training.batch_size",
    )  # fmt: skip
    stopping = {key for key in known_keys() if keys.kind_of(key) == "stopping"}
    assert stopping == {f"training.{key}" for key in ("max_steps", "patience", "stop_at", "stop_on", "validate_every")}
    kinds = ("task.length", "task", "training.batch_size", "training.clip_norm", "optimizer.amsgrad", "unheard.of")
    assert [keys.kind_of(key) for key in kinds] == ["data", "data", "data", None, None, None]


def test_what_only_the_command_line_may_say():
    assert set(keys.GIVEN_BY_COMMAND) == {"label", "runs_dir", "logger", "plan_only", "describe", "debug"}


def test_a_task_and_an_opening_have_science_alone_but_for_remarks():
    # the store knows what is no science of a task by the name, for it knows no task
    for kind in (*TASKS.values(), *OPENINGS.values()):
        assert all(key.science for key in keys.keys_of(kind).values()), kind


def test_a_task_of_whoever_may_not_have_a_key_that_the_store_takes_for_science():
    class Mine(BaseModel):
        path: Annotated[str, keys.Key(science=False)] = ""
        cache: Annotated[str, keys.Key(science=False)] = ""

    with pytest.raises(
        TypeError, match=r"^Mine\.cache: a key that is not science must be one of path, source, notes, fitted$"
    ):
        keys.check_remarks(Mine)


def test_defaults_by_dotted_key():
    assert default_of("seed") == 0
    assert default_of("model.match_to") == "lstm"
    assert default_of("optimizer.lr") is default_of("task.length") is default_of("unheard") is None


@pytest.mark.parametrize(
    ("key", "value", "so"),
    [
        ("schedule.final", 1.0, True),
        ("schedule.final", 0.5, False),
        ("optimizer.normalize_momentum", False, True),
        ("optimizer.normalize_momentum", 0, False),
        ("optimizer.lr", None, False),
        ("task.length", 100, False),
    ],
)
def test_what_is_filled_in(key, value, so):
    assert has_default(key, value) is so


def test_a_setting_that_is_not_stored_is_neutral_or_null(monkeypatch):
    monkeypatch.setattr("gatelab.keys.table.known_keys", lambda: {"training.made_up": keys.Key(neutral=0.0)})
    assert value_of({}, "training.made_up") == 0.0
    assert value_of({"training.made_up": 0.5}, "training.made_up") == 0.5
    assert value_of({}, "training.another") is None


def test_matched_widths_are_told_by_what_was_matched():
    model = {"hidden_size": 46, "embedding": 46, "num_layers": 1, "match": "parameters", "match_to": "lstm",
             "match_size": 36}  # fmt: skip
    assert settings({"model": model}) == {
        "model.embedding": "hidden",
        "model.num_layers": 1,
        "model.match": "parameters of lstm with 36",
    }
