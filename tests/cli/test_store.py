"""The command `store`: what it says of one in which everything has happened, and what it mends."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch

from gatelab import load_run
from gatelab.cli.store import store
from gatelab.errors import UserError
from gatelab.store import Owner, Store
from gatelab.store.lease.lease import take_claim
from gatelab.training import train_stack
from tests.training.examples import configuration, outcome

ELSEWHERE = Owner("elsewhere", "another place", 17, "2", "2026-11-28T18:05:00+00:00")


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Five runs of a seed each, four of them finished; what happens to them is the test's."""
    monkeypatch.setenv("GATELAB_CACHE", str(tmp_path / "cache"))
    runs = [configuration(tmp_path / "runs", seed=seed, path="loop") for seed in range(5)]
    train_stack(runs[:4])
    Store(tmp_path / "runs").record(runs[4].identity, runs[4].mapping())
    return runs


def folder(run):
    return Store(run.runs_dir).folder(run.identity)


def said(capsys, *words):
    status = store([f"runs={words[0].runs_dir}", *words[1:]])
    return status, capsys.readouterr().out


def test_a_store_in_which_everything_has_happened(runs, capsys):
    flip(folder(runs[0]) / "metrics.jsonl")
    flip(folder(runs[1]) / "checkpoint" / "best.pt")
    path = folder(runs[2]) / "result.json"
    mapping = json.loads(path.read_text())
    del mapping["seal"]
    path.write_text(json.dumps(mapping))
    take_claim(folder(runs[4]), owner=ELSEWHERE)
    (folder(runs[4]) / "failed.json").write_text("{}")
    (folder(runs[3]) / "claim-000003.json").write_text("")
    (folder(runs[3]) / "checkpoint" / ".last.pt.1.2.tmp").write_text("")
    status, printed = said(capsys, runs[0])
    first = folder(runs[0]) / "metrics.jsonl"
    assert status == 0
    assert (
        printed
        == f"""\
{runs[0].runs_dir}: 5 runs
  finished        3  1 of them without a seal, older than seals
  unfinished      1  the command that began them continues them
  claimed         1
    {runs[4].identity}  process 17 on elsewhere since 2026-11-28T18:05:00+00:00
  failed          1  failed.json says why
    {runs[4].identity}
  damaged         1  retrain=damaged trains it again
    {first}: damaged: changed since the run finished
  leftovers       2  free=all removes them
    {folder(runs[3])}/checkpoint/.last.pt.1.2.tmp
    {folder(runs[3])}/claim-000003.json
"""
    )
    status, printed = said(capsys, runs[0], "check=true")
    assert status == 1
    assert "  damaged         2  retrain=damaged trains them again\n" in printed
    assert f"    {folder(runs[1])}/checkpoint/best.pt: damaged: changed since the run finished\n" in printed
    assert "studies: 0 whole, 0 damaged (those in a database are not checked)\n" in printed
    # a process compiles what it needs once: an earlier test may have done so elsewhere
    assert re.search(r"\ncompiled code: (none|\d+ whole, 0 damaged)", printed)


def test_a_whole_store_is_checked(runs, capsys):
    status, printed = said(capsys, runs[0], "check=true")
    assert status == 0
    assert "  finished        4\n" in printed
    assert "  damaged         0\n" in printed


@pytest.mark.parametrize("name", ["result.json", "config.yaml", "metrics.jsonl", "checkpoint/best.pt"])
def test_a_damaged_run_is_trained_again_with_the_same_bits(runs, tmp_path, capsys, name):
    whole = [outcome(tmp_path / "runs", run.identity) for run in runs[:4]]
    times = [(folder(run) / "result.json").stat().st_mtime_ns for run in runs[:4]]
    flip(folder(runs[1]) / name)
    status, printed = said(capsys, runs[0], "retrain=damaged")
    if name == "config.yaml":
        # nothing but the command that began it knows what it was
        assert status == 1
        return
    assert status == 0
    assert "1 of 1 damaged runs trained again\n" in printed
    assert [outcome(tmp_path / "runs", run.identity) for run in runs[:4]] == whole
    after = [(folder(run) / "result.json").stat().st_mtime_ns for run in runs[:4]]
    assert [one == other for one, other in zip(times, after, strict=True)] == [True, False, True, True]
    assert said(capsys, runs[0], "check=true")[0] == 0
    assert said(capsys, runs[0], "retrain=damaged") == (0, f"{runs[0].runs_dir}: no run is damaged\n")


def test_one_run_is_trained_again_by_its_name_and_in_a_store_that_was_moved(runs, tmp_path, capsys):
    whole = outcome(tmp_path / "runs", runs[2].identity)
    flip(folder(runs[2]) / "result.json")
    (tmp_path / "runs").rename(tmp_path / "moved")
    assert store([f"runs={tmp_path / 'moved'}", f"retrain={runs[2].identity}"]) == 0
    again = outcome(tmp_path / "moved", runs[2].identity)
    assert again == whole
    assert not (tmp_path / "runs").exists()


def test_a_whole_run_is_not_trained_again(runs):
    with pytest.raises(UserError, match=r"the run is finished and no file of it is damaged$"):
        store([f"runs={runs[0].runs_dir}", f"retrain={runs[0].identity}"])
    with pytest.raises(UserError, match=r"^no run 0123456789abcdef in "):
        store([f"runs={runs[0].runs_dir}", "retrain=0123456789abcdef"])


def test_claims_are_freed(runs, capsys):
    take_claim(folder(runs[4]), owner=ELSEWHERE)
    line = f"{runs[4].identity}: was claimed by process 17 on elsewhere since 2026-11-28T18:05:00+00:00; it is free\n"
    assert said(capsys, runs[4], f"free={runs[4].identity}") == (0, line)
    assert said(capsys, runs[4], f"free={runs[4].identity}") == (
        0,
        f"{runs[4].identity}: there was no claim; it is free\n",
    )
    take_claim(folder(runs[4]), owner=ELSEWHERE)
    (folder(runs[3]) / "claim-000003.json").write_text("")
    assert said(capsys, runs[4], "free=all") == (0, f"{line}1 claims freed, 0 kept, 1 leftovers removed\n")
    assert not list((folder(runs[3])).glob("claim*"))


def test_the_claim_of_a_live_process_is_freed_only_by_force(runs, capsys):
    program = """
import sys
from gatelab.store import Store
Store(sys.argv[1]).claim(sys.argv[2])
print("claimed", flush=True)
sys.stdin.readline()
"""
    command = [sys.executable, "-c", program, runs[4].runs_dir, runs[4].identity]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "claimed\n"
    place = [f"runs={runs[4].runs_dir}"]
    with pytest.raises(UserError, match=rf"is being trained by process {process.pid} on .* which is alive; end it"):
        store([*place, f"free={runs[4].identity}"])
    assert store([*place, "free=all"]) == 0
    printed = capsys.readouterr()
    assert f"is being trained by process {process.pid} on " in printed.err
    assert "0 claims freed, 1 kept, 0 leftovers removed\n" in printed.out
    assert store([*place, f"free={runs[4].identity}", "force=true"]) == 0
    assert Store(runs[4].runs_dir).owner(runs[4].identity) is None
    process.communicate("\n")


@pytest.mark.parametrize(
    "words, line",
    [
        (["chek=true"], r"unknown key 'chek' \(did you mean 'check'\?\)"),
        (["check=maybe"], "check=maybe: must be true or false"),
        (["force=true"], "force=true: goes with free="),
        (["free=all", "retrain=damaged"], "one after the other"),
        (["free=../../etc"], "'../../etc' is not the identity of a run"),
    ],
)
def test_what_is_not_allowed(tmp_path, words, line):
    with pytest.raises(UserError, match=line):
        store([f"runs={tmp_path}", *words])


def test_an_absent_store_is_named(tmp_path):
    with pytest.raises(UserError, match=r"^no runs in .*absent: No such file or directory$"):
        store([f"runs={tmp_path / 'absent'}"])


def test_the_script_is_the_same(tmp_path):
    script = os.path.join(os.path.dirname(__file__), "..", "..", "scripts", "store.py")
    done = subprocess.run([sys.executable, script, f"runs={tmp_path}"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}: 0 runs\n  finished        0\n")


def test_what_a_forged_file_says_sends_nothing_to_a_terminal(runs, capsys):
    path = folder(runs[0]) / "result.json"
    mapping = json.loads(path.read_text())
    del mapping["seal"]
    path.write_text(json.dumps({**mapping, "identity": "\x1b[2J\x07"}))
    (folder(runs[3]) / ".\x1b[2J.tmp").write_text("")
    os.mkdir(runs[0].runs_dir + "/studies")
    (Store(runs[0].runs_dir).runs_dir / "studies" / "\x1b[2J.journal").write_text("\x1b[2J\n")
    _, printed = said(capsys, runs[0], "check=true")
    assert r"it belongs to run \x1b[2J\x07" in printed
    assert r"/.\x1b[2J.tmp" in printed
    assert "studies: 0 whole, 1 damaged" in printed
    assert "\x1b" not in printed


def test_a_forged_command_of_a_lost_run_sends_nothing_to_a_terminal(runs, capsys):
    (folder(runs[0]) / "config.yaml").write_text("seed: [")
    (folder(runs[0]) / "provenance.json").write_text(json.dumps({"command": ["a", "\x1b[2J"]}))
    assert store([f"runs={runs[0].runs_dir}", f"retrain={runs[0].identity}"]) == 1
    line = capsys.readouterr().err
    assert line.endswith("it was begun by: python a '\\x1b[2J'\n")
    assert line.count("\n") == 1


def test_nobody_waits_for_a_pipe_in_the_place_of_provenance_or_a_study(runs, capsys):
    (folder(runs[0]) / "config.yaml").write_text("seed: [")
    (folder(runs[0]) / "provenance.json").unlink()
    os.mkfifo(folder(runs[0]) / "provenance.json")
    assert store([f"runs={runs[0].runs_dir}", f"retrain={runs[0].identity}"]) == 1
    assert "it was begun by: an unknown command\n" in capsys.readouterr().err
    studies = Store(runs[0].runs_dir).runs_dir / "studies"
    studies.mkdir()
    os.mkfifo(studies / "rates.journal")
    status, printed = said(capsys, runs[0], "check=true")
    assert status == 1
    assert f"{studies}/rates.journal: cannot be read: it is a pipe, not a file\n" in printed


def test_a_cache_of_many_old_entries_is_told_briefly(runs, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("GATELAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir(mode=0o700)
    for number in range(8):
        (tmp_path / "cache" / f"{number:032x}.so").write_bytes(b"of before")
    status, printed = said(capsys, runs[0], "check=true")
    assert status == 0
    *_, total, first, second, third, fourth, fifth, rest = printed.splitlines()
    assert total.startswith("compiled code: 0 whole, 8 damaged or of an older version")
    assert [line.split(".so")[0][-1] for line in (first, second, third, fourth, fifth)] == list("01234")
    assert rest == "    and 3 more"


def test_a_store_is_pruned_archived_and_merged_by_the_command(runs, tmp_path, capsys):
    place = runs[0].runs_dir
    status, printed = said(capsys, runs[0], "check=true")
    assert (store(["check", f"runs={place}"]), capsys.readouterr().out) == (status, printed)
    lasts = [folder(run) / "checkpoint" / "last.pt" for run in runs[:4]]
    results = [Store(place).finished(run.identity) for run in runs[:4]]
    spare = [path for path, result in zip(lasts, results, strict=True) if result.best_step == result.steps]
    weights = load_run(folder(runs[0])).network("last").state_dict()
    assert store(["prune", f"runs={place}", "last=true", "plan=true"]) == 0
    assert re.search(r": \d+\.\d kB would be freed: the last checkpoints of 4 runs\n$", capsys.readouterr().out)
    assert store(["prune", f"runs={place}"]) == 0
    assert f" freed: the last checkpoints of {len(spare)} run" in capsys.readouterr().out
    assert [path for path in lasts if not path.exists()] == spare
    assert spare, "no run of the example is at its best at the end"
    again = load_run(folder(runs[0])).network("last").state_dict()
    assert all(torch.equal(again[name], weight) for name, weight in weights.items())
    assert store(["archive", f"runs={place}", f"out={tmp_path / 'kept.tar.gz'}"]) == 0
    assert re.search(r"kept\.tar\.gz: 5 runs, \d+\.\d kB, every seal read back\n$", capsys.readouterr().out)
    flip(folder(runs[1]) / "metrics.jsonl")
    assert store(["merge", place, str(tmp_path / "kept.tar.gz"), f"out={tmp_path / 'all'}"]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith(f"{tmp_path / 'all'}: 5 runs put there, 4 finished and 1 not\nthere already: 4 runs\n")
    assert f"left out, for they are damaged: 1 run\n    {folder(runs[1])}/metrics.jsonl: damaged" in printed
    assert store(["check", f"runs={tmp_path / 'all'}"]) == 0


def test_the_last_weights_of_a_pruned_run_are_told_to_be_gone(runs):
    place = runs[0].runs_dir
    gone = [run for run in runs[:4] if (result := Store(place).finished(run.identity)).best_step != result.steps]
    store(["prune", f"runs={place}", "last=true"])
    for run in gone:
        load_run(folder(run)).network()
        with pytest.raises(
            UserError, match=r"has no last weights any more: .*last\.pt was removed; weights='best' has"
        ):
            load_run(folder(run)).network("last")


@pytest.mark.parametrize(
    "words, line",
    [
        (["mrge", "a"], r"^store mrge: unknown \(did you mean 'merge'\?\); allowed: check, merge, archive, prune, or"),
        (["merge", "out=c"], "^merge: names no store"),
        (["merge", "a", "b"], "out"),
        (["archive", "out=."], r"^out=\.: is a folder; an archive is a file such as runs\.tar\.gz$"),
        (["archive", "out=a.zip"], r"^out=a\.zip: must end with \.tar"),
        (["prune", "last=maybe"], "^last=maybe: must be true or false"),
        (["prune", "runs=absent"], "^no runs in absent"),
    ],
)
def test_words_that_are_not_allowed(tmp_path, monkeypatch, words, line):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=line):
        store(words)
    assert list(tmp_path.iterdir()) == []
