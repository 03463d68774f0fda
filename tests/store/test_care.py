"""Stores merged, archived and pruned: nothing is lost or half there, wherever a process dies."""

import json
import os
import tarfile

import pytest

from gatelab.errors import UserError
from gatelab.store import Owner, Store, inventory, remove_leftovers_of
from gatelab.store.care import archive, merge, prune
from gatelab.store.faults import CARE_POINTS, VARIABLE
from gatelab.store.inventory import INCOMING
from gatelab.store.lease.lease import take_claim
from tests.store.examples import diverged, stored

ELSEWHERE = Owner("elsewhere", "another place", 17, "2", "2026-11-28T18:05:00+00:00")


def content(runs_dir):
    """Name -> bytes of every file of a store, without claims."""
    files = [path for path in sorted(runs_dir.rglob("*")) if path.is_file() and not path.name.startswith("claim-")]
    return {str(path.relative_to(runs_dir)): path.read_bytes() for path in files}


def killed(point, call):
    """Make the call in a process that dies at a point; return whether it came there."""
    child = os.fork()
    if child == 0:
        os.environ[VARIABLE] = f"crash:{point}"
        try:
            call()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 137


@pytest.fixture
def stores(tmp_path):
    """Two stores: runs 0, 1, 2 in the one and 2, 3, 4 in the other; 4 is not finished there, nor 1 in the one."""
    one, other = tmp_path / "one", tmp_path / "other"
    names = [stored(one, 0), stored(one, 1, end=False), stored(one, 2), stored(other, 3), stored(other, 4, end=False)]
    stored(other, 2, test_score=0.5)
    (one / "studies").mkdir()
    (one / "studies" / "rates.journal").write_text("{}\n")
    (one / names[0] / "probes").mkdir()
    (one / names[0] / "probes" / "gradient.npz").write_bytes(b"numbers")
    return one, other, names


def test_two_stores_become_one(stores, tmp_path):
    one, other, names = stores
    before = content(one), content(other)
    merged = merge([one, other], tmp_path / "all")
    assert sorted(merged.finished) == sorted([names[0], names[2], names[3]])
    assert sorted(merged.unfinished) == sorted([names[1], names[4]])
    assert merged.elsewhere == [names[2]]
    assert (merged.there, merged.training, merged.damaged) == ([], [], [])
    assert (content(one), content(other)) == before
    # the first in the order given is kept
    expected = {**before[0], **{name: data for name, data in before[1].items() if names[2] not in name}}
    assert content(tmp_path / "all") == expected
    assert all(Store(tmp_path / "all").damage(name) is None for name in names)
    again = merge([one, other], tmp_path / "all")
    assert (again.finished, again.unfinished, len(again.there)) == ([], [], 5)
    assert content(tmp_path / "all") == expected


def test_what_is_finished_or_further_takes_the_place_of_what_is_not(stores, tmp_path):
    one, _, names = stores
    stored(tmp_path / "further", 1, steps=9, end=False)
    stored(tmp_path / "further", 0, steps=2, end=False)
    assert merge([tmp_path / "further"], one).unfinished == [names[1]]
    assert Store(one).resume_step(names[1]) == 9
    assert Store(one).finished(names[0]) is not None
    assert merge([one], tmp_path / "further").finished == sorted([names[0], names[2]])
    assert content(tmp_path / "further")[f"{names[0]}/result.json"] == content(one)[f"{names[0]}/result.json"]


def test_damaged_runs_and_those_in_training_are_left_out(stores, tmp_path):
    one, other, names = stores
    (one / names[0] / "checkpoint" / "best.pt").write_bytes(b"?")
    (one / names[2] / "metrics.jsonl").write_bytes(b"?")
    take_claim(one / names[1], owner=ELSEWHERE)
    merged = merge([one], tmp_path / "all")
    assert merged.training == [names[1]]
    assert {one.file for one in merged.damaged} == {
        str(one / names[0] / "checkpoint/best.pt"), str(one / names[2] / "metrics.jsonl")
    }  # fmt: skip
    assert Store(tmp_path / "all").identities() == []
    take_claim(other / names[4], owner=ELSEWHERE)
    stored(tmp_path / "ended", 4)
    assert merge([tmp_path / "ended"], other).training == [names[4]]
    assert Store(other).finished(names[4]) is None


@pytest.mark.parametrize("point", [point for point in CARE_POINTS if "incoming" in point])
def test_a_merge_that_is_killed_leaves_whole_runs_and_goes_on(stores, tmp_path, point):
    one, other, names = stores
    out = tmp_path / "all"
    stored(out, 3, steps=2, end=False)
    assert killed(point, lambda: merge([one, other], out))
    for name in Store(out).identities():
        assert Store(out).damage(name) is None
    assert inventory(Store(out)).leftovers == [out / INCOMING]
    merge([one, other], out)
    assert not (out / INCOMING).exists()
    assert Store(out).identities() == sorted(names)
    for name in (names[0], names[2], names[3]):
        assert Store(out).damage(name) is None
        assert Store(out).finished(name) is not None


def test_what_a_killed_merge_left_can_be_cleared_up(stores, tmp_path):
    one, _, _ = stores
    assert killed("after incoming file", lambda: merge([one], tmp_path / "all"))
    remove_leftovers_of(inventory(Store(tmp_path / "all")))
    assert content(tmp_path / "all") == {"format.json": b'{"format": 1}\n'}
    assert not (tmp_path / "all" / INCOMING).exists()


def test_one_merge_at_a_time(stores, tmp_path):
    one, _, _ = stores
    (tmp_path / "all" / INCOMING).mkdir(parents=True)
    take_claim(tmp_path / "all" / INCOMING, owner=ELSEWHERE)
    with pytest.raises(UserError, match=r"all: runs are being put into it by process 17 on elsewhere"):
        merge([one], tmp_path / "all")
    with pytest.raises(UserError, match=r"is one of the stores that are merged into it"):
        merge([one], one)
    with pytest.raises(UserError, match=r"^no runs in .*absent"):
        merge([one, tmp_path / "absent"], tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_an_archive_and_back(stores, tmp_path, suffix):
    one, _, names = stores
    path = tmp_path / f"kept{suffix}"
    kept, training, damaged = archive(Store(one), path)
    assert (kept, training, damaged) == (3, [], [])
    first = path.read_bytes()
    archive(Store(one), path)
    assert path.read_bytes() == first
    assert sorted(merge([path], tmp_path / "back").finished) == sorted([names[0], names[2]])
    assert content(tmp_path / "back") == content(one)
    with tarfile.open(path) as tar:
        assert f"store/{names[0]}/result.json" in tar.getnames()
    take_claim(one / names[1], owner=ELSEWHERE)
    (one / names[0] / "checkpoint" / "best.pt").write_bytes(b"?")
    kept, training, damaged = archive(Store(one), path)
    assert (kept, training, [one.identity for one in damaged]) == (1, [names[1]], [names[0]])


@pytest.mark.parametrize("point", [point for point in CARE_POINTS if "archive" in point])
def test_an_archive_that_is_killed_leaves_the_one_before(stores, tmp_path, point):
    one, other, _ = stores
    path = tmp_path / "kept.tar.gz"
    archive(Store(other), path)
    before = path.read_bytes()
    assert killed(point, lambda: archive(Store(one), path))
    assert path.read_bytes() == before
    archive(Store(one), path)
    assert path.read_bytes() != before
    assert [place.name for place in tmp_path.glob(".*")] == []


@pytest.mark.parametrize(
    ("name", "kind", "line"),
    [
        ("store/../secret", tarfile.REGTYPE, r"not a file of a store$"),
        (f"store/{'0' * 16}/../../secret", tarfile.REGTYPE, r"not a file of a store$"),
        (f"/store/{'0' * 16}/result.json", tarfile.REGTYPE, r"not a file of a store$"),
        (f"store/{'0' * 16}/result.json", tarfile.SYMTYPE, r"no regular file; an archive has nothing else$"),
        (f"store/{'0' * 16}/\x1b[2J/{'a' * 300}", tarfile.REGTYPE, r"not a file of a store$"),
    ],
)
def test_an_archive_with_anything_else_is_refused(tmp_path, name, kind, line):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        header = tarfile.TarInfo(name)
        header.type, header.linkname = kind, "/etc/passwd"
        tar.addfile(header)
    with pytest.raises(UserError, match=line) as refused:
        merge([tmp_path / "a.tar"], tmp_path / "runs")
    assert str(refused.value).isprintable()
    assert Store(tmp_path / "runs").identities() == []
    assert not (tmp_path / "secret").exists()


def test_a_damaged_archive_is_refused_and_whole_runs_before_the_damage_stay(stores, tmp_path):
    one, _, _ = stores
    path = tmp_path / "kept.tar.gz"
    archive(Store(one), path)
    data = path.read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 6):
        path.write_bytes(data[:length])
        with pytest.raises(UserError, match=r"kept\.tar\.gz: damaged archive: [^\n]*$"):
            merge([path], tmp_path / "back")
        assert all(Store(tmp_path / "back").damage(name) is None for name in Store(tmp_path / "back").identities())
    archive(Store(one), tmp_path / "kept.tar")
    data = (tmp_path / "kept.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(data[: data.index(b"end.json")])
    with pytest.raises(UserError, match=r"cut\.tar: damaged archive: it was cut$"):
        merge([tmp_path / "cut.tar"], tmp_path / "back")
    long = tmp_path / "long.tar"
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 10**9
    long.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(UserError, match=r"long\.tar: damaged archive: a name of 1000000000 bytes$"):
        merge([long], tmp_path / "back")
    for absent in ("absent.tar", "runs.zip"):
        with pytest.raises(UserError, match=r"^no (archive|runs in) "):
            merge([tmp_path / absent], tmp_path / "back")
    with pytest.raises(UserError, match=r"must end with \.tar, \.tar\.gz or \.tgz$"):
        archive(Store(one), tmp_path / "runs.zip")


@pytest.fixture
def ended(tmp_path):
    """Three finished runs: the best step of the first is its last, that of the second is not; the third diverged."""
    names = [stored(tmp_path, 0), stored(tmp_path, 1, best_step=2), stored(tmp_path, 2, end=False)]
    names.append(stored(tmp_path, 3, status="diverged", diverged_at=4))
    return Store(tmp_path), names


def last(store, name):
    return store.runs_dir / name / "checkpoint" / "last.pt"


def test_only_checkpoints_that_nothing_needs_are_pruned(ended):
    store, names = ended
    size = last(store, names[0]).stat().st_size
    planned = prune(store, plan=True)
    assert (planned.runs, planned.size, planned.own, planned.own_size) == (1, size, 2, 2 * size)
    assert last(store, names[0]).exists()
    before = store.finished(names[0])
    assert prune(store) == planned
    assert [last(store, name).exists() for name in names] == [False, True, True, True]
    assert (store.damage(names[0]), store.finished(names[0])) == (None, before)
    assert prune(store).runs == 0
    found = prune(store, last=True)
    assert (found.runs, found.own) == (1, 1)
    assert [last(store, name).exists() for name in names] == [False, False, True, True]
    # a pruned run can be merged, and is checked: its other checkpoint is still covered
    assert sorted(merge([store.runs_dir], store.runs_dir / "copy").finished) == sorted([names[0], names[1], names[3]])
    (store.runs_dir / names[0] / "checkpoint" / "best.pt").write_bytes(b"?")
    assert store.damage(names[0]).file.endswith("best.pt")


def test_nothing_of_damaged_runs_and_of_those_without_a_seal_is_pruned(ended):
    store, names = ended
    (store.runs_dir / names[0] / "checkpoint" / "best.pt").write_bytes(b"?")
    path = store.runs_dir / names[1] / "result.json"
    mapping = json.loads(path.read_text())
    del mapping["seal"]
    path.write_text(json.dumps(mapping))
    found = prune(store, last=True)
    assert (found.runs, found.unsealed, [one.identity for one in found.damaged]) == (0, 1, [names[0]])
    assert all(last(store, name).exists() for name in names)


@pytest.mark.parametrize("point", ["after unsealing", "after pruning"])
def test_a_prune_that_is_killed_leaves_whole_runs_and_goes_on(ended, point):
    store, names = ended
    assert killed(point, lambda: prune(store))
    assert store.damage(names[0]) is None
    prune(store)
    assert not last(store, names[0]).exists()
    assert store.damage(names[0]) is None


def test_a_diverged_result_is_the_same_as_itself(tmp_path):
    name = stored(tmp_path / "a", 5, end=False)
    Store(tmp_path / "a").record(name, {"variant": {"name": "lstm"}, "seed": 5}).finish(diverged(identity=name, seed=5))
    assert merge([tmp_path / "a"], tmp_path / "b").finished == [name]
    assert merge([tmp_path / "a"], tmp_path / "b").there == [name]
