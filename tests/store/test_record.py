"""The writer of a run's folder."""

import json
import math
import os

import numpy as np
import pytest
import yaml

from gatelab.errors import UserError
from gatelab.store import Performance, Record, Result, history
from tests.store.examples import diverged, example

NAME = "0123456789abcdef"
CONFIGURATION = {
    "variant": {"name": "lstm"},
    "optimizer": {"lr": 1e-5, "betas": (0.9, 0.999)},
    "seed": 3,
    "path": "auto",
}


@pytest.fixture
def record(tmp_path):
    return Record.open(tmp_path / "runs", NAME, CONFIGURATION)


def test_the_configuration_is_frozen_as_given(record):
    stored = yaml.safe_load((record.folder / "config.yaml").read_text())
    assert stored == {**CONFIGURATION, "optimizer": {"lr": 1e-5, "betas": [0.9, 0.999]}}
    assert list(stored) == list(CONFIGURATION)
    assert record.folder.name == record.identity == NAME


def test_the_same_run_may_be_opened_again_and_keeps_its_first_file(record):
    before = (record.folder / "config.yaml").read_bytes()
    Record.open(record.folder.parent, NAME, {**CONFIGURATION, "path": "native", "seed": 3.0})
    assert (record.folder / "config.yaml").read_bytes() == before


def test_another_run_is_refused(record):
    with pytest.raises(UserError, match=r"config\.yaml: the folder of run 0123456789abcdef holds .* another run$"):
        Record.open(record.folder.parent, NAME, {**CONFIGURATION, "seed": 4})


def test_a_damaged_configuration_is_refused(record):
    (record.folder / "config.yaml").write_text("a: [1,\n  b")
    with pytest.raises(UserError, match=r"config\.yaml: damaged configuration: [^\n]*$"):
        Record.open(record.folder.parent, NAME, CONFIGURATION)


def test_a_folder_that_cannot_be_made_is_the_users_error(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match="cannot be made"):
        Record.open(tmp_path / "runs", NAME, CONFIGURATION)


def test_history_is_read_as_written(record):
    record.append(1, "train", {"loss": 0.1 + 0.2, "count": 3})
    record.append(step=2, split="validation", numbers={"loss": np.float32(0.5), "score": math.inf})
    assert record.history() == [
        {"step": 1, "split": "train", "loss": 0.30000000000000004, "count": 3},
        {"step": 2, "split": "validation", "loss": 0.5, "score": math.inf},
    ]


def test_each_line_is_strict_json_at_once(record):
    record.append(1, "train", {"a": math.nan, "b": -math.inf})

    def refuse(constant):
        raise AssertionError(constant)

    lines = (record.folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line, parse_constant=refuse) for line in lines] == [
        {"step": 1, "split": "train", "a": "NaN", "b": "-Infinity"}
    ]
    assert math.isnan(record.history()[0]["a"])


def test_step_and_split_are_no_names_of_numbers(record):
    with pytest.raises(ValueError, match="step"):
        record.append(1, "train", {"step": 2.0})


def test_a_new_record_has_no_history(record):
    assert record.history() == []


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_partly_written_last_line_is_tolerated_and_then_removed(record, cut):
    record.append(1, "train", {"loss": 1.0})
    whole = (record.folder / "metrics.jsonl").read_bytes()
    (record.folder / "metrics.jsonl").write_bytes(whole + whole[:cut])
    assert [row["step"] for row in record.history()] == [1]
    again = Record.open(record.folder.parent, NAME, CONFIGURATION)
    again.append(2, "train", {"loss": 2.0})
    assert [row["step"] for row in again.history()] == [1, 2]


@pytest.mark.parametrize("line", ["{", "[]", "3", '{"step": 1}', '{"step": 1, "split": "train", "a": "x"}', "\x00"])
def test_a_damaged_line_elsewhere_is_named(record, line):
    record.append(1, "train", {"loss": 1.0})
    with (record.folder / "metrics.jsonl").open("a") as file:
        file.write(f"{line}\n")
    record.append(3, "train", {"loss": 1.0})
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 2: damaged history: [^\n]*$"):
        record.history()


def test_history_after_a_checkpoint_can_be_forgotten(record):
    start = record.mark()
    for step in (1, 2):
        record.append(step, "train", {"loss": math.nan})
    mark = record.mark()
    record.append(3, "train", {"loss": 1.0})
    record.rewind(mark)
    assert [(row["step"], row["split"]) for row in record.history()] == [(1, "train"), (2, "train")]
    record.rewind(start)
    assert record.history() == []


def test_checkpoints_lie_in_their_own_folder(record):
    record.write_checkpoint("last.pt", b"one")
    record.write_checkpoint("last.pt", b"two")
    assert record.checkpoint_path("last.pt") == record.folder / "checkpoint" / "last.pt"
    assert [(entry.name, entry.read_bytes()) for entry in (record.folder / "checkpoint").iterdir()] == [
        ("last.pt", b"two")
    ]


@pytest.mark.parametrize("name", ["../last.pt", "a/b", "", "/tmp/a"])
def test_a_checkpoint_name_is_no_path(record, name):
    with pytest.raises(ValueError, match="not a plain file name"):
        record.checkpoint_path(name)


def test_provenance_is_stored(record):
    record.write_provenance({"stack": {"size": 8}, "device": "cpu"})
    assert json.loads((record.folder / "provenance.json").read_text()) == {"stack": {"size": 8}, "device": "cpu"}


def test_a_result_is_read_as_written(record):
    result = example(identity=NAME, test_score=0.1 + 0.2)
    record.finish(result.to_mapping())
    assert Result.from_mapping(json.loads((record.folder / "result.json").read_text())) == result
    assert not list(record.folder.glob(".*"))


def test_a_result_without_numbers_is_valid_json(record):
    record.append(40, "train", {"loss": math.nan})
    record.finish(diverged(identity=NAME))
    stored = json.loads((record.folder / "result.json").read_text())
    assert stored["test"] == {"loss": "NaN", "score": "NaN"}
    assert stored["diverged_at"] == 40
    assert math.isnan(Result.from_mapping(stored).test.score)


def test_the_result_of_another_run_is_refused(record):
    with pytest.raises(ValueError, match="does not belong"):
        record.finish(example(identity="f" * 16))
    assert not (record.folder / "result.json").exists()


def test_an_incomplete_result_is_refused(record):
    mapping = example(identity=NAME).to_mapping()
    del mapping["seed"]
    with pytest.raises(ValueError, match="'seed' is missing"):
        record.finish(mapping)


@pytest.mark.parametrize(
    "field, value",
    [("seed", "3"), ("seed", True), ("status", "done"), ("label", None), ("chance", "a"), ("test", {"loss": 1}),
     ("higher_is_better", 1), ("parameters", 1.5), ("best_step", "1")],
)  # fmt: skip
def test_a_field_of_the_wrong_kind_is_named(field, value):
    with pytest.raises(ValueError, match=rf"'{field}'|is not a number"):
        Result.from_mapping({**example().to_mapping(), field: value})


def test_null_stands_for_never_measured_and_later_fields_are_ignored():
    result = Result.from_mapping({**example().to_mapping(), "test": None, "of a later version": 1})
    assert isinstance(result.test, Performance)
    assert math.isnan(result.test.loss)


def full_after(monkeypatch, room):
    """A disk that takes so many bytes, and of the last write a part, without an error."""
    left = [room]
    write = os.write

    def as_much_as_fits(descriptor, data):
        part = bytes(data)[: left[0]]
        if not part:
            raise OSError(28, "No space left on device")
        left[0] -= len(part)
        return write(descriptor, part)

    monkeypatch.setattr(os, "write", as_much_as_fits)


@pytest.mark.parametrize("room", [0, 1, 20])
def test_a_line_that_does_not_fit_on_the_disk_is_not_there_and_raises(record, monkeypatch, room):
    record.append(1, "train", {"loss": 1.0})
    mark, before = record.mark(), (record.folder / "metrics.jsonl").read_bytes()
    full_after(monkeypatch, room)
    with pytest.raises(UserError, match=r"metrics\.jsonl: cannot be written: the disk is full [^\n]*$"):
        record.append(2, "train", {"loss": 2.0})
    monkeypatch.undo()
    assert (record.folder / "metrics.jsonl").read_bytes() == before
    assert record.mark() == mark
    record.append(3, "train", {"loss": 3.0})
    assert [row["step"] for row in record.history()] == [1, 3]
    record.finish(example(identity=NAME))


def test_what_could_not_be_cut_off_is_before_the_next_line(record, monkeypatch):
    record.append(1, "train", {"loss": 1.0})
    full_after(monkeypatch, 10)

    def refused(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "ftruncate", refused)
    with pytest.raises(UserError, match="the disk is full"):
        record.append(2, "train", {"loss": 2.0})
    with pytest.raises(UserError, match=r"metrics\.jsonl: cannot be written: Input/output error"):
        record.append(2, "train", {"loss": 2.0})
    monkeypatch.undo()
    assert [row["step"] for row in Record.open(record.folder.parent, NAME, CONFIGURATION).history()] == [1]
    record.append(3, "train", {"loss": 3.0})
    assert [row["step"] for row in record.history()] == [1, 3]


@pytest.mark.parametrize(
    "change", [lambda data: data[:-5], lambda data: data + b"{", lambda data: b"", lambda data: None]
)
def test_a_run_whose_history_is_not_what_was_appended_does_not_finish(record, change):
    record.append(1, "train", {"loss": 1.0})
    path = record.folder / "metrics.jsonl"
    data = change(path.read_bytes())
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(
        UserError, match=r"metrics\.jsonl: not the \d+ bytes of history that were written; not finished"
    ):
        record.finish(example(identity=NAME))
    assert not (record.folder / "result.json").exists()


@pytest.mark.parametrize("write", ["write_checkpoint", "write_provenance", "finish", "rewind"])
def test_whatever_does_not_fit_on_the_disk_leaves_the_folder_as_it_was(record, monkeypatch, write):
    record.append(1, "train", {"loss": 1.0})
    record.write_checkpoint("last.pt", b"one")
    arguments = {
        "write_checkpoint": ("last.pt", b"two"),
        "write_provenance": ({"device": "cpu"},),
        "finish": (example(identity=NAME),),
        "rewind": (record.mark(),),
    }[write]
    before = {path: path.read_bytes() for path in record.folder.rglob("*") if path.is_file()}
    full_after(monkeypatch, 2)
    with pytest.raises(UserError, match=r"cannot be written: the disk is full \(No space left on device\)$"):
        getattr(record, write)(*arguments)
    assert {path: path.read_bytes() for path in record.folder.rglob("*") if path.is_file()} == before


def test_a_history_that_cannot_be_read_is_named(record, monkeypatch):
    record.append(1, "train", {"loss": 1.0})

    def broken(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(history, "open_regular", broken)
    with pytest.raises(UserError, match=r"metrics\.jsonl: cannot be read: Input/output error$"):
        record.history()


def test_a_line_nested_beyond_reason_is_damage(record):
    with (record.folder / "metrics.jsonl").open("wb") as file:
        file.write(b'{"step": 1, "split": "train", "a": ' + b"[" * 100_000 + b"}\n")
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 1: damaged history: [^\n]*$"):
        record.history()
