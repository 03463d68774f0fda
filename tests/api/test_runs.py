"""Stored runs from Python: chosen, read when asked, and clear about what they lack."""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gatelab
from gatelab.store.finished_run import read_finished
from tests.api.tiny import TINY

ADDING = ["task=adding", *TINY]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train once; a test has a copy, and may change it."""
    folder = tmp_path_factory.mktemp("trained")
    with contextlib.chdir(folder):
        gatelab.sweep("variant=lstm,gru", "seed=range(2)", "optimizer.lr=0.01,0.1", *ADDING, workers=0)
    return folder


@pytest.fixture
def stored(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return gatelab.runs("runs/")


def test_runs_are_a_sequence_in_the_order_of_identities(stored):
    identities = [run.identity for run in stored]
    assert identities == sorted(identities) and len(stored) == 8
    assert stored[0].identity == identities[0] and stored[-1] == list(stored)[-1]
    assert [run.identity for run in stored[2:4]] == identities[2:4]
    assert isinstance(stored[2:4], gatelab.Runs)
    assert stored[0] == gatelab.load_run(stored[0].folder) and stored[0] != stored[1]
    assert len({*stored, *gatelab.runs("runs")}) == 8


def test_what_is_asked_for_is_found(stored):
    assert len(stored.where(variant="gru")) == 4
    assert len(stored.where(variant="gru", seed=1)) == 2
    assert len(stored.where({"optimizer.lr": 0.1}, variant=["gru", "lstm"], seed=range(2))) == 4
    assert len(stored.where(status="finished")) == 8 and len(stored.where(status="failed")) == 0
    run = stored.one({"optimizer.lr": 0.1}, variant="gru", task="adding", seed=1)
    assert (run.label, run.seed, run.configuration["optimizer"]["lr"]) == ("gru", 1, 0.1)


def test_the_variant_is_its_name_and_the_label_has_its_edits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = gatelab.sweep({"variant": ["peephole", gatelab.variant("peephole").edit(i="1 - f")]}, *ADDING, workers=0)
    assert [run.label for run in runs] == ["peephole", "peephole i=1 - f"]
    assert len(runs.where(variant="peephole")) == 2
    assert runs.one(label="peephole i=1 - f").variant.equations["i"] == "1 - f"


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda runs: runs.where(variant="gr"), "no runs of variant 'gr' (did you mean 'gru'?); there are gru, lstm"),
        (lambda runs: runs.where(task="addin"), "no runs of task 'addin' (did you mean 'adding'?); there are adding"),
        (
            lambda runs: runs.where({"optimizer.rl": 1}),
            "optimizer.rl: no such setting (did you mean 'optimizer.lr'?); allowed are settings of the runs",
        ),
        (lambda runs: runs.one(variant="gru", seed=0), "2 runs fit, must be one; they differ in optimizer.lr"),
        (lambda runs: runs.one(seed=7), "none of 8 runs fits, must be one"),
        (lambda runs: runs[0].score("tst"), "split=tst: must be validation or test (did you mean 'test'?)"),
        (lambda runs: runs[0].network("lst"), "weights=lst: must be best, last or initial (did you mean 'last'?)"),
    ],
)
def test_what_is_not_there_is_said(stored, ask, message):
    with pytest.raises(gatelab.UserError) as refused:
        ask(stored)
    assert str(refused.value) == message


def test_a_frame_has_a_row_for_each_run(stored):
    frame = stored.frame()
    assert len(frame) == 8
    run = stored[3]
    row = frame.set_index("identity").loc[run.identity]
    assert (row["label"], row["seed"], row["test"]) == (run.label, run.seed, run.result.test.score)
    assert row["validation_loss"] == run.result.validation.loss
    assert sorted(frame["optimizer.lr"].unique()) == [0.01, 0.1]
    assert frame.groupby("label")["test"].count().to_dict() == {"gru": 4, "lstm": 4}


def test_an_empty_store_is_no_runs(tmp_path):
    runs = gatelab.runs(tmp_path)
    assert (len(runs), list(runs), repr(runs), len(runs.frame())) == (0, [], "<Runs: 0 runs>", 0)


def test_a_notebook_shows_runs_and_comparisons(stored):
    page = stored._repr_html_()
    assert page.startswith("<p>8 runs of 2 variants on 1 task: 8 finished</p><table>")
    assert page.count("<tr>") == 9
    comparison = gatelab.compare(stored, baseline="lstm")
    assert "<li>gru: " in comparison._repr_html_() and "<table>" in comparison._repr_html_()
    assert "gru on adding" in gatelab.runs("runs/").where(variant="gru")[0]._repr_html_()


def test_files_are_read_when_something_is_asked(stored, monkeypatch):
    read = []

    def noted(*given):
        read.append(given)
        return read_finished(*given)

    monkeypatch.setattr("gatelab.store.store.read_finished", noted)
    runs = gatelab.runs("runs/")
    assert (len(runs), read) == (8, [])
    assert runs[2].seed in (0, 1)
    assert len(read) == 1
    _ = runs[2].result, runs[2].label
    assert len(read) == 1


def test_a_comparison_says_what_the_page_says(stored):
    comparison = gatelab.compare("runs/", baseline="lstm")
    gain = comparison["adding", "gru"]
    rows = {row["variant"]: row for row in comparison.table.rows}
    assert (gain.gain, gain.p) == (rows["gru"]["gain"], rows["gru"]["p_holm"])
    assert gain.interval == (rows["gru"]["gain_low"], rows["gru"]["gain_high"])
    assert gain.pairs == 2 and gain.interval[0] < gain.gain < gain.interval[1]
    assert list(comparison) == [("adding", "gru")] and ("adding", "gru") in comparison
    assert str(comparison.table).splitlines()[0].startswith("task ")


def test_the_page_is_that_of_the_command_but_for_the_call(stored, capsys):
    from gatelab.cli.compare import compare

    files = gatelab.compare("runs/", baseline="lstm").write("ours")
    assert compare(["runs=runs/", "baseline=lstm", "out=theirs"]) == 0
    capsys.readouterr()
    for name in ("table.csv", "runs.csv", "tables/headline.csv"):
        assert Path("ours", name).read_bytes() == Path("theirs", name).read_bytes()
    assert "gatelab.compare(" in files[0].read_text()


def test_only_the_chosen_runs_are_compared(stored):
    comparison = gatelab.compare(stored.where({"optimizer.lr": 0.1}), baseline="lstm")
    assert {row["runs"] for row in comparison.table.rows} == {2}
    with pytest.raises(gatelab.UserError, match=r"^there are no runs to compare$"):
        gatelab.compare(stored.where(seed=7), baseline="lstm")


@pytest.mark.parametrize(
    "place, message",
    [
        (("adding", "grru"), "no comparison of variant 'grru' (did you mean 'gru'?); there are gru"),
        (("addin", "gru"), "no comparison of task 'addin' (did you mean 'adding'?); there are adding"),
        ("gru", "comparison['gru']: must be a task and a variant, such as comparison['adding', 'gru']"),
    ],
)
def test_a_comparison_that_is_not_there_is_said(stored, place, message):
    with pytest.raises(gatelab.UserError) as refused:
        gatelab.compare(stored, baseline="lstm")[place]
    assert str(refused.value) == message


def test_without_a_baseline_nothing_is_compared(stored):
    comparison = gatelab.compare(stored)
    assert len(comparison) == 0 and len(comparison.table.rows) == 2
    with pytest.raises(gatelab.UserError, match=r"^nothing is compared: "):
        comparison["adding", "gru"]


def test_a_damaged_run_says_which_file(stored):
    run = stored[0]
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write("\n")
    found = gatelab.runs("runs/")[0]
    wrong = f"{run.folder / 'metrics.jsonl'}: damaged: changed since the run finished"
    assert found.status == "damaged"
    for ask in (lambda: found.result, found.history, found.network, lambda: found.provenance, found.score):
        with pytest.raises(gatelab.UserError) as refused:
            ask()
        assert str(refused.value) == wrong
    assert repr(found) == f"<Run {run.identity}: damaged: {wrong}>"
    assert "1 damaged" in repr(gatelab.runs("runs/"))
    assert len(gatelab.runs("runs/").where(status="damaged")) == 1
    assert gatelab.runs("runs/").frame()["status"].tolist().count("damaged") == 1


def test_a_damaged_checkpoint_is_not_loaded(stored):
    run = stored[0]
    path = run.folder / "checkpoint" / "best.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(gatelab.UserError) as refused:
        run.network()
    assert str(refused.value) == f"{path}: damaged: changed since the run finished"


def test_a_damaged_run_is_trained_again(stored):
    run = stored.one({"optimizer.lr": 0.1}, variant="gru", seed=1)
    before = run.result.test
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write("\n")
    with pytest.warns(UserWarning, match="the run is trained again$"):
        again = gatelab.train("variant=gru", "seed=1", "optimizer.lr=0.1", *ADDING)
    assert (again, again.status, again.result.test) == (run, "finished", before)


def test_a_diverged_run_has_its_last_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.warns(UserWarning, match="leave every scale"):
        run = gatelab.train("variant=elman", "optimizer=sgd", "optimizer.lr=1e30", *ADDING, "training.clip_norm=null")
    assert run.status == "diverged" == run.result.status
    with pytest.raises(gatelab.UserError, match=r"^run [0-9a-f]{16} diverged at step \d, before its first validation"):
        run.network()
    assert run.network("last").rnn.variant.name == "elman"


KILLED = """
import json, os, sys
from gatelab.training import recording
recording.SHARE = 1.0  # a checkpoint at every validation
import gatelab
from gatelab.store import Record
really = Record.append
def append(self, step, split, numbers):
    if step == 4: os._exit(9)
    really(self, step, split, numbers)
Record.append = append
gatelab.train(*json.loads(sys.argv[1]))
"""


def test_a_run_that_was_killed_is_unfinished_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["variant=gru", *ADDING]
    ended = subprocess.run([sys.executable, "-c", KILLED, json.dumps(words)], cwd=tmp_path)
    assert ended.returncode == 9
    (run,) = gatelab.runs("runs/")
    assert (run.status, run.label, run.seed) == ("unfinished", "gru", 0)
    assert repr(run).endswith(": gru on adding, seed 0, unfinished>")
    message = f"run {run.identity} has no result: it was begun and did not end; training it again goes on where it was"
    with pytest.raises(gatelab.UserError) as refused:
        _ = run.result
    assert str(refused.value) == message
    assert [row["step"] for row in run.history()] == [2, 2]
    assert run.network("best").rnn.variant.name == "gru"
    assert run.score("validation") == pytest.approx(run.history()[-1]["score"], rel=2e-6)
    assert gatelab.train(*words).status == "finished" == run.status
    assert run.result.best_step in (2, 4)


def test_a_run_that_failed_says_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gatelab.sweeps.work.train", failing)
    with pytest.warns(UserWarning, match="failed") as warned:
        runs = gatelab.sweep("variant=gru", "seed=1,2", *ADDING, workers=0)
    assert [run.status for run in runs] == ["failed", "failed"]
    assert str(warned[-1].message) == "2 of 2 runs failed; the first, gru on adding, seed 1: ValueError: too wet"
    assert all(one.filename == __file__ for one in warned)
    with pytest.raises(gatelab.UserError) as refused:
        _ = runs[0].result
    assert str(refused.value) == f"run {runs[0].identity} has no result: it failed: ValueError: too wet"
    assert runs.frame()["status"].tolist() == ["failed", "failed"]
    with pytest.raises(gatelab.UserError, match=r"has no checkpoint yet"):
        runs[0].network()


def failing(*given, **more):
    raise ValueError("too wet")
