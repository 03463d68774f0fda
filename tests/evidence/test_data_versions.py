"""Runs that read two contents from one path are never one task, and a comparison says so."""

import re

import pytest

from gatelab.cli.compare import compare
from gatelab.evidence.data_versions import data_versions
from gatelab.evidence.filters import filters_of, read_results
from gatelab.evidence.question import Question
from gatelab.evidence.selection import select
from gatelab.store import Store
from tests.report.made import add

OLD, NEW = "0123456789abcdef" * 4, "fedcba9876543210" * 4


def run(store, seed, sha256, label="lstm", path="mine.csv", task="series"):
    settings = {"task.sha256": sha256, "task.form": "long"}
    add(store, label=label, task=task, seed=seed, settings=settings,
        task_keys={"path": path, "sha256": sha256, "fitted": {"classes": ["a: b", "c"]}})  # fmt: skip


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Store("runs")


def test_a_changed_file_is_two_tasks_and_is_told(store, capsys):
    for seed in range(3):
        run(store, seed, OLD)
        run(store, seed, NEW, label="gru", path="./mine.csv")
    run(store, 3, NEW, label="gru")
    line = (
        "task 'series': the data at ./mine.csv have changed between these runs, sha256 fedcba987654 in 4 runs, "
        "0123456789ab in 3 runs; each content is a task of its own, and none is compared with another"
    )
    results = read_results(store)
    assert results.notes == (line,)
    selection = select(results, Question(baseline="lstm"))
    assert sorted({result.task for result in selection.results}) == [
        "series sha256=0123456789ab", "series sha256=fedcba987654"
    ]  # fmt: skip
    assert selection.versions == (line,)
    assert compare(["runs=runs", "baseline=lstm", "out=report"]) == 0
    assert line in capsys.readouterr().out
    page = re.sub(r"<[^>]+>", "", (store.runs_dir.parent / "report" / "index.html").read_text(encoding="utf-8"))
    assert "the data at ./mine.csv have changed between these runs" in page


@pytest.mark.parametrize("value", [OLD, "0123456789ab"])
def test_one_content_alone_has_nothing_to_tell(store, value):
    run(store, 0, OLD)
    run(store, 0, NEW, label="gru")
    chosen = read_results(store, filters_of("", "", [f"where=task.sha256={value}".removeprefix("where=")], "", ""))
    assert ([result.label for result in chosen.results], chosen.notes) == (["lstm"], ())


def test_other_paths_and_other_tasks_are_other_data(store):
    run(store, 0, OLD)
    run(store, 0, NEW, path="yours.csv", label="gru")
    run(store, 0, NEW, task="bytes")
    assert list(data_versions(store, store.results())) == []
