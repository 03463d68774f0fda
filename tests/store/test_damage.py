"""A finished run whose files are not what was written: noticed, named, left out, and trained again.

``GATELAB_DAMAGES=500 python -m pytest tests/store/test_damage.py`` damages every kind of file as often as it says.
"""

import json
import os
import random

import pytest

from gatelab.errors import UserError
from gatelab.store import DamagedRunError, Record, Store, identity, scientific
from tests.store.examples import example

DAMAGES = int(os.environ.get("GATELAB_DAMAGES", "12"))
CONFIGURATION = {"variant": {"name": "lstm"}, "optimizer": {"lr": 1e-5}, "seed": 3, "path": "auto", "label": "lstm"}
NAME = identity(scientific(CONFIGURATION))
READ = ("result.json", "config.yaml", "metrics.jsonl", "provenance.json")
CHECKPOINTS = ("checkpoint/best.pt", "checkpoint/last.pt")


def finished(runs_dir, configuration=CONFIGURATION):
    name = identity(scientific(configuration))
    record = Record.open(runs_dir, name, configuration)
    for step in range(1, 5):
        record.append(step, "validation", {"loss": 1 / step, "score": 0.1 * step})
    for checkpoint in ("best.pt", "last.pt"):
        record.write_checkpoint(checkpoint, random.Random(checkpoint).randbytes(300))
    record.write_provenance({"device": "cpu", "date": "2026-11-28T18:05:00+00:00"})
    record.finish(example(identity=name, seed=configuration["seed"], settings={"optimizer.lr": 1e-5}))
    return name


@pytest.fixture
def store(tmp_path):
    """Two runs, of which the first will be damaged."""
    finished(tmp_path)
    finished(tmp_path, {**CONFIGURATION, "seed": 4})
    return Store(tmp_path)


def damaged(data, number):
    """The bytes with one bit changed, or cut, or with some bytes at the end, or others in their place."""
    chance = random.Random(number)
    place = chance.randrange(len(data))
    flipped = bytearray(data)
    flipped[place] ^= 1 << chance.randrange(8)
    return [bytes(flipped), bytes(flipped), data[:place], data + chance.randbytes(3), b"", b"\0" * len(data)][
        number % 6
    ]


def test_a_whole_run_is_read(store):
    assert [result.seed for result in store.results()] == [3, 4]
    assert store.damage(NAME) is None
    assert store.damaged == {}
    assert store.sealed(NAME)
    assert store.configuration(NAME) == CONFIGURATION
    assert [row["step"] for row in store.history(NAME)] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", [*READ, *CHECKPOINTS])
def test_damage_to_any_file_is_noticed_and_named(store, name):
    path = store.runs_dir / NAME / name
    whole = path.read_bytes()
    for number in range(DAMAGES):
        path.write_bytes(damaged(whole, number))
        store = Store(store.runs_dir)
        found = store.damage(NAME)
        assert found is not None, number
        assert found.file == str(path)
        assert "\n" not in str(found)
        assert len(found.reason) <= 200
        if name in READ:
            store = Store(store.runs_dir)
            assert [result.seed for result in store.results()] == [4]
            assert list(store.damaged) == [NAME]
            assert store.damaged[NAME].file == str(path)
            assert Store(store.runs_dir).finished(NAME) is None
            for read in (Store(store.runs_dir).history, Store(store.runs_dir).configuration):
                with pytest.raises(DamagedRunError, match=name.replace(".", r"\.")):
                    read(NAME)
    path.write_bytes(whole)
    assert store.damage(NAME) is None
    assert [result.seed for result in store.results()] == [3, 4]
    assert store.damaged == {}


@pytest.mark.parametrize("name", [*READ[1:], *CHECKPOINTS])
def test_a_file_that_is_missing_is_damage(store, name):
    (store.runs_dir / NAME / name).unlink()
    assert store.damage(NAME).reason == "missing"
    assert [result.seed for result in Store(store.runs_dir).results()] == ([4] if name in READ else [3, 4])


def test_a_result_that_was_written_by_other_hands_is_damaged(store):
    path = store.runs_dir / NAME / "result.json"
    mapping = json.loads(path.read_text())
    mapping["test"]["score"] = 0.99
    path.write_text(json.dumps(mapping, indent=2) + "\n")
    assert [result.seed for result in store.results()] == [4]
    assert store.damaged[NAME].reason == "damaged result: its content has changed, or its seal is broken"


@pytest.mark.parametrize("seal", [None, 1, {}, {"files": {"../../secret": "0"}, "sha256": "0"}, {"files": []}])
def test_a_seal_of_another_form_is_damage(store, seal):
    path = store.runs_dir / NAME / "result.json"
    mapping = {**json.loads(path.read_text()), "seal": seal}
    path.write_text(json.dumps(mapping, indent=2) + "\n")
    assert store.finished(NAME) is None
    assert "seal" in store.damaged[NAME].reason


def test_a_folder_under_the_name_of_another_run_is_noticed(store):
    (store.runs_dir / NAME).rename(store.runs_dir / ("f" * 16))
    assert [result.seed for result in store.results()] == [4]
    assert store.damaged["f" * 16].reason == f"damaged result: it belongs to run {NAME}"


@pytest.fixture
def old(store):
    """The first run as it was written before there were seals."""
    path = store.runs_dir / NAME / "result.json"
    mapping = json.loads(path.read_text())
    del mapping["seal"]
    path.write_text(json.dumps(mapping, indent=2) + "\n")
    return store


def test_a_run_of_before_there_were_seals_is_read(old):
    assert [result.seed for result in old.results()] == [3, 4]
    assert not old.sealed(NAME)
    assert old.damage(NAME) is None
    assert old.configuration(NAME) == CONFIGURATION
    assert len(old.history(NAME)) == 4


@pytest.mark.parametrize("keep", [0, 1, 10, 100, 300])
def test_a_truncated_result_of_such_a_run_is_left_out(old, keep):
    path = old.runs_dir / NAME / "result.json"
    path.write_bytes(path.read_bytes()[:keep])
    assert [result.seed for result in old.results()] == [4]
    assert old.damaged[NAME].reason.startswith("damaged result: ")


@pytest.mark.parametrize("content", [b"[]", b"null", b"\xff\xfe", b"{}", b'{"identity": 3}', b"[" * 100_000])
def test_a_result_of_another_form_is_left_out(old, content):
    (old.runs_dir / NAME / "result.json").write_bytes(content)
    assert [result.seed for result in old.results()] == [4]
    assert old.damaged[NAME].reason.startswith("damaged result: ")


@pytest.mark.parametrize(
    "change", [lambda text: text.replace("seed: 3", "seed: 7"), lambda text: text[:9] + "[", lambda text: ""]
)
def test_the_configuration_of_such_a_run_has_to_be_its_own(old, change):
    path = old.runs_dir / NAME / "config.yaml"
    path.write_text(change(path.read_text()))
    with pytest.raises(DamagedRunError, match=r"config\.yaml: damaged configuration: [^\n]*$"):
        old.configuration(NAME)
    assert Store(old.runs_dir).damage(NAME).file == str(path)


def test_the_history_of_such_a_run_has_to_be_one(old):
    path = old.runs_dir / NAME / "metrics.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"step": 2', b'"step" 2'))
    with pytest.raises(DamagedRunError, match=r"metrics\.jsonl, line 2: damaged history"):
        old.history(NAME)
    assert list(old.damaged) == [NAME]


def test_a_damaged_run_can_be_claimed_and_begins_as_one_that_is_not_finished(store):
    folder = store.runs_dir / NAME
    assert store.claim(NAME) is None
    for name in ("metrics.jsonl", "config.yaml"):
        (folder / name).write_bytes(b"?")
    record = store.record(NAME, CONFIGURATION, store.claim(NAME))
    assert not (folder / "result.json").exists()
    assert store.unfinished() == [NAME]
    record.restart()
    record.append(1, "train", {"loss": 1.0})
    record.finish(example(identity=NAME, seed=3))
    assert [result.seed for result in store.results()] == [3, 4]
    assert store.damaged == {}


def test_what_is_not_what_this_process_has_written_is_not_finished(tmp_path):
    for name in ("config.yaml", "checkpoint/last.pt", "provenance.json"):
        record = Record.open(tmp_path / name.replace("/", "-"), NAME, CONFIGURATION)
        record.write_checkpoint("last.pt", b"weights")
        record.write_provenance({"device": "cpu"})
        (record.folder / name).write_bytes(b"?")
        with pytest.raises(UserError, match=rf"{name}: changed since it was written; not finished$"):
            record.finish(example(identity=NAME))
        assert not (record.folder / "result.json").exists()


def test_a_configuration_that_was_damaged_in_the_middle_is_written_anew(tmp_path, capsys):
    store = Store(tmp_path)
    with store.record(NAME, CONFIGURATION, store.claim(NAME)).folder.joinpath("config.yaml").open("ab") as file:
        file.write(b"? [")
    again = Store(tmp_path)
    for path in (tmp_path / NAME).glob("claim*"):
        path.unlink()
    again.record(NAME, CONFIGURATION, again.claim(NAME))
    assert again.configuration(NAME) == CONFIGURATION
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {tmp_path / NAME / 'config.yaml'}: damaged configuration: ")
    assert line.endswith("; rewritten")


@pytest.mark.parametrize("name", READ)
def test_nobody_waits_for_a_pipe_in_the_place_of_a_file(store, name):
    path = store.runs_dir / NAME / name
    path.unlink()
    os.mkfifo(path)
    assert [result.seed for result in store.results()] == [4]
    assert store.damage(NAME).file == str(path)
