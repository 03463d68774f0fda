"""The index of a store makes reading faster, and is never trusted over the runs."""

import os
import time
import zlib

import pytest

from gatelab.store import Store, run_index
from gatelab.store.run_index import INDEX
from tests.store.examples import stored

FILES = ("result.json", "config.yaml", "metrics.jsonl", "provenance.json")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Three runs with an index of them."""
    monkeypatch.setattr(run_index, "FEWEST", 3)
    monkeypatch.setattr(run_index, "_SETTLED", -(10**9))
    for seed in range(3):
        stored(tmp_path, seed, best_step=2 + seed)
    read(tmp_path)
    return Store(tmp_path)


def read(runs_dir):
    """Everything that a comparison reads, through the index."""
    store = Store(runs_dir)
    with store.indexed():
        results = store.results()
        facts = [
            (
                store.validated(result.identity, result.best_step),
                [store.section_text(result.identity, name) for name in ("variant", "task", "threads")],
                store.provenance(result.identity),
            )
            for result in results
        ]
    return results, facts, store.damaged


def plain(runs_dir, monkeypatch):
    """The same without an index."""
    with monkeypatch.context() as without:
        without.setattr(run_index, "INDEX", "none")
        without.setattr(run_index, "FEWEST", 10**9)
        return read(runs_dir)


def opened(monkeypatch):
    """The names of the files that are opened from now on."""
    names, before = [], os.open

    def noted(path, *rest, **named):
        names.append(os.path.basename(path))
        return before(path, *rest, **named)

    monkeypatch.setattr(os, "open", noted)
    return names


def test_what_the_index_tells_is_what_the_runs_tell(store, monkeypatch):
    expected = plain(store.runs_dir, monkeypatch)
    names = opened(monkeypatch)
    assert read(store.runs_dir) == expected
    assert not set(names) & set(FILES)
    # a single run is read itself, and so is what is checked
    assert store.damage(expected[0][0].identity) is None
    assert set(FILES) <= set(names)


@pytest.mark.parametrize("name", FILES)
def test_a_run_that_changed_is_read_again(store, name, monkeypatch):
    changed, untouched, _ = store.identities()
    path = store.runs_dir / changed / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # the time of change stays a new one
    results, _, damaged = read(store.runs_dir)
    assert changed not in [result.identity for result in results]
    assert untouched in [result.identity for result in results]
    assert damaged[changed].file == str(path)
    assert plain(store.runs_dir, monkeypatch)[2] == damaged


def test_a_run_that_came_or_went_is_noticed(store, monkeypatch):
    new = stored(store.runs_dir, 7)
    gone = store.identities()[0] if store.identities()[0] != new else store.identities()[1]
    (store.runs_dir / gone / "result.json").unlink()
    identities = {result.identity for result in read(store.runs_dir)[0]}
    assert new in identities
    assert gone not in identities
    names = opened(monkeypatch)
    assert {result.identity for result in read(store.runs_dir)[0]} == identities
    assert not set(names) & set(FILES[1:])


def test_what_has_just_changed_is_not_entered(tmp_path, monkeypatch):
    monkeypatch.setattr(run_index, "FEWEST", 1)
    stored(tmp_path, 0)
    read(tmp_path)
    assert not (tmp_path / INDEX).exists()
    # as if the clock of the file system went on
    monkeypatch.setattr(run_index, "_file_system_now", lambda runs_dir: time.time_ns() + 10**10)
    read(tmp_path)
    assert (tmp_path / INDEX).exists()


def line(content):
    return b"%08x %b\n" % (zlib.crc32(content), content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"\0" * len(data),
        lambda data: data[: len(data) // 2],
        lambda data: data[:50],
        lambda data: data.replace(b"lstm", b"lstn"),
        lambda data: data[: len(data) // 3] + b"?" + data[len(data) // 3 + 1 :],
        lambda data: data + b"\xff\xfe{" * 5,
        lambda data: data.replace(b'"index": 1', b'"index": 9'),
        lambda data: line(b'{"index": 9}') + data,
        lambda data: data + line(b'{"text": 1, "is": []}') + line(b'{"text": ') + line(b'{"run": "x"}'),
        lambda data: data + b"".join(
            line(b'{"run": "' + one[18:34] + b'", "stat": 3}') for one in data.splitlines() if one[9:17] == b'{"run": '
        ),
    ],
)  # fmt: skip
def test_a_damaged_index_is_ignored_and_written_anew(store, damage, monkeypatch):
    path = store.runs_dir / INDEX
    expected = plain(store.runs_dir, monkeypatch)
    path.write_bytes(damage(path.read_bytes()))
    assert read(store.runs_dir) == expected
    assert read(store.runs_dir) == expected
    names = opened(monkeypatch)
    assert read(store.runs_dir) == expected
    assert not set(names) & set(FILES)


def test_a_pipe_or_a_folder_in_its_place_is_ignored(store, monkeypatch):
    expected = plain(store.runs_dir, monkeypatch)
    for make in (os.mkfifo, os.mkdir):
        (store.runs_dir / INDEX).unlink()
        make(store.runs_dir / INDEX)
        assert read(store.runs_dir) == expected
    assert not list(store.runs_dir.glob(".*"))


def test_it_does_not_grow_without_end(store, monkeypatch):
    path, size = store.runs_dir / INDEX, (store.runs_dir / INDEX).stat().st_size
    for _ in range(6):
        for name in store.identities():
            os.utime(store.runs_dir / name / "result.json")
        read(store.runs_dir)
    assert path.stat().st_size < 3 * size


def test_a_small_store_has_none(tmp_path):
    stored(tmp_path, 0)
    read(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["format.json"]
