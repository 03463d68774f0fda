"""Why runs have no result, and where results come from, as a store reads it."""

import json

import pytest

from gatelab.errors import UserError
from gatelab.store import Failure, Store, write_failure
from tests.store.examples import example

FAILURE = Failure("a" * 16, "gru", "adding", 3, "no memory", "line\nline", 2, "2026-01-01T00:00:00+00:00")


def test_a_failure_is_read_as_it_was_written(tmp_path):
    store = Store(tmp_path)
    for letter in "ab":
        store.record(letter * 16, {"seed": 3})
    write_failure(tmp_path / FAILURE.identity, FAILURE)
    assert store.failures() == {FAILURE.identity: FAILURE}
    assert store.unfinished() == ["a" * 16, "b" * 16]


@pytest.mark.parametrize("text", ["{", "[]", "3", ""])
def test_a_damaged_failure_is_none(text, tmp_path):
    Store(tmp_path).record("a" * 16, {"seed": 0})
    (tmp_path / ("a" * 16) / "failed.json").write_text(text)
    assert Store(tmp_path).failures() == {}


def test_what_a_failure_does_not_say_is_empty(tmp_path):
    Store(tmp_path).record("a" * 16, {"seed": 0})
    (tmp_path / ("a" * 16) / "failed.json").write_text(json.dumps({"seed": "three", "reason": "no memory"}))
    assert Store(tmp_path).failures() == {"a" * 16: Failure("a" * 16, "", "", None, "no memory", "", None, "")}


def test_a_run_that_has_finished_has_not_failed(tmp_path):
    store, result = Store(tmp_path), example()
    record = store.record(result.identity, {"seed": 0})
    write_failure(record.folder, FAILURE)
    record.finish(result)
    assert store.failures() == {}


def test_provenance(tmp_path):
    store = Store(tmp_path)
    record = store.record("a" * 16, {"seed": 0})
    with pytest.raises(UserError, match=r"provenance\.json"):
        store.provenance("a" * 16)
    record.write_provenance({"device": "cpu"})
    assert store.provenance("a" * 16) == {"device": "cpu"}
    (record.folder / "provenance.json").write_text("[]")
    with pytest.raises(UserError, match=r"provenance\.json: damaged provenance: an object was expected"):
        store.provenance("a" * 16)
