"""Variants are told apart by what they are, and not by the name of their file."""

import csv
import io
from typing import Any

import pytest

import gatelab
from gatelab.cli.compare import compare
from gatelab.errors import UserError
from gatelab.evidence.analysis import analyse
from gatelab.evidence.collected import read_evidence
from gatelab.evidence.filters import filters_of, read_results
from gatelab.evidence.question import Question
from gatelab.evidence.versions import told_apart
from gatelab.papers.trials import RunGroup, read_trials
from gatelab.report.sections.ladder import rungs
from gatelab.store import Store
from tests.report.made import LSTM, add

LEAKY: dict[str, Any] = {
    "name": "leaky",
    "state": ["h"],
    "equations": {"z": "tanh(linear(x, h))", "h": "0.9*h + 0.1*z"},
    "output": "h",
}
NOW = {**LEAKY, "equations": {**LEAKY["equations"], "h": "0.5*h + 0.5*z"}}


def leaky(store, variant, seeds, test, label="leaky", **more):
    return [add(store, label=label, seed=seed, test=test, variant=variant, **more) for seed in seeds]


@pytest.fixture
def edited(tmp_path):
    store = Store(tmp_path / "runs")
    leaky(store, LEAKY, range(8), 0.4)
    leaky(store, NOW, range(8), 0.6)
    for seed in range(8):
        add(store, seed=seed, test=0.5)
    return store


def read(store, **question):
    return read_evidence(store, Question(**question), store.results())


def test_two_sets_of_equations_under_one_name_are_two_variants(edited):
    evidence = read(edited)
    assert evidence.labels == ("leaky (1)", "leaky (2)", "lstm")
    scores = {label: {run.scored[1] for run in evidence.chosen("adding", label).runs} for label in evidence.labels}
    assert scores == {"leaky (1)": {0.4}, "leaky (2)": {0.6}, "lstm": {0.5}}
    assert evidence.selection.versions == ("leaky (2) differs from leaky (1): h = 0.5*h + 0.5*z, before 0.9*h + 0.1*z",)


def test_what_was_told_apart_stays_so(edited):
    once = told_apart(edited, edited.results())
    again = told_apart(edited, once.results)
    assert (again.results, again.versions) == (once.results, ())


def test_a_baseline_with_several_versions_is_the_newest_and_told(edited):
    evidence = read(edited, baseline="leaky")
    assert (evidence.question.baseline, evidence.labels[0]) == ("leaky (2)", "leaky (2)")
    assert evidence.selection.versions[-1] == "baseline=leaky is the newest of its versions here, leaky (2)"
    assert read(edited, baseline="leaky (1)").question.baseline == "leaky (1)"
    with pytest.raises(UserError, match=r"unknown baseline 'leaky \(3\)'.*known are leaky \(1\), leaky \(2\), lstm"):
        read(edited, baseline="leaky (3)")


@pytest.mark.parametrize(
    "change",
    [
        {"output": "c"},
        {"roles": {"retain": "i"}},
        {"state": ["c", "h"]},
        {"equations": dict(reversed(LSTM["equations"].items()))},
        {"equations": {**LSTM["equations"], "f": "sigmoid(linear(x, h) + 1)"}},
        {"equations": {name: text for name, text in LSTM["equations"].items() if name != "o"} | {"h": "tanh(c)"}},
    ],
)
def test_whatever_a_run_is_made_of_tells_versions_apart(tmp_path, change):
    store = Store(tmp_path)
    add(store, seed=0)
    add(store, seed=1, variant={**LSTM, **change})
    assert read(store).labels == ("lstm (1)", "lstm (2)")
    assert len(read(store).selection.versions) == 1


@pytest.mark.parametrize("change", [{"notes": "other words"}, {"source": "a paper"}])
def test_remarks_tell_nothing_apart(tmp_path, change):
    store = Store(tmp_path)
    add(store, seed=0)
    add(store, seed=1, variant={**LSTM, **change})
    assert read(store).labels == ("lstm",)


def test_an_edit_that_the_file_has_taken_over_is_one_variant(tmp_path):
    store = Store(tmp_path)
    leaky(store, LEAKY, [0], 0.4)
    leaky(store, NOW, [1, 2], 0.6, label="leaky h=0.5*h + 0.5*z")
    leaky(store, NOW, [3], 0.6)
    evidence = read(store)
    assert evidence.labels == ("leaky (1)", "leaky (2)")
    assert [run.result.seed for run in evidence.chosen("adding", "leaky (2)").runs] == [1, 2, 3]


def test_versions_have_one_number_on_all_tasks(tmp_path):
    store = Store(tmp_path)
    leaky(store, LEAKY, [0], 0.4, task="copying")
    leaky(store, NOW, [0], 0.6)
    assert read_results(store, filters_of("adding", "", (), "", "")).results[0].label == "leaky (2)"
    assert read(store).cells() == [("adding", "leaky (2)"), ("copying", "leaky (1)")]


def test_a_filter_names_one_version_or_all(edited):
    def labels(variant):
        return {result.label for result in read_results(edited, filters_of("", variant, (), "", "")).results}

    assert labels("leaky (2)") == {"leaky (2)"}
    assert labels("leaky") == {"leaky (1)", "leaky (2)"}
    assert labels("leaky (1),lstm") == {"leaky (1)", "lstm"}


def test_claims_of_a_paper_mean_the_newest_version(edited):
    trials = read_trials(edited, None, solved=0.9)
    assert {trial.score for trial in trials.of(RunGroup("leaky"))} == {0.6}
    assert {trial.score for trial in trials.of(RunGroup("leaky (1)"))} == {0.4}


def test_an_opening_edited_under_its_name_is_no_second_seed(tmp_path):
    store = Store(tmp_path)
    for seed in range(2):
        for value in (1.0, 2.0):
            settings = {"opening.name": "mine", "opening.biases.f": value}
            add(store, seed=seed, test=0.4 + 0.1 * value, settings=settings)
        add(store, seed=seed, settings={"opening.name": "one"})
    evidence = read(store, apart=("opening.name",))
    assert {setting.text for setting in evidence.settings["adding", "lstm opening=mine"]} == {
        "opening.biases.f=1.0",
        "opening.biases.f=2.0",
    }


def test_a_task_edited_under_its_name_is_another_task(tmp_path):
    store = Store(tmp_path)
    for length in (10, 20):
        add(store, settings={"task.length": length})
    assert read(store).tasks == ("adding length=10", "adding length=20")


def test_runs_of_python_are_told_apart(edited):
    runs = gatelab.runs(edited.runs_dir)
    assert len(runs.where(label="leaky (2)")) == 8
    assert {run.result.test.score for run in runs.where(label="leaky (2)")[:3]} == {0.6}
    assert sorted(set(runs.frame()["label"])) == ["leaky (1)", "leaky (2)", "lstm"]
    with pytest.raises(UserError, match=r"no runs of label 'leaky' \(did you mean 'leaky \(.\)'\?\)"):
        runs.where(label="leaky")
    few = gatelab.compare(runs, baseline="lstm", variant=["lstm", "leaky (1)"], where={"training.max_steps": 100})
    assert list(few) == [("adding", "leaky (1)")]
    comparison = gatelab.compare(runs, baseline="leaky (1)")
    assert comparison["adding", "leaky (2)"].gain == pytest.approx(0.2, abs=1e-12)


def test_terminal_and_page_tell_versions(edited, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compare(["runs=runs", "baseline=leaky", "out=report"])
    printed = capsys.readouterr().out
    first, second, *_ = printed.splitlines()
    assert first == "leaky (2) differs from leaky (1): h = 0.5*h + 0.5*z, before 0.9*h + 0.1*z"
    assert second == "baseline=leaky is the newest of its versions here, leaky (2)"
    page = (tmp_path / "report" / "index.html").read_text()
    assert "leaky (2) differs from leaky (1)" in page
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report" / "runs.csv").read_text())))
    assert {row["variant"] for row in rows} == {"leaky (1)", "leaky (2)", "lstm"}


def test_an_ablation_is_compared_with_the_version_it_was_made_of(tmp_path):
    store = Store(tmp_path)
    newer = {**LSTM, "equations": {**LSTM["equations"], "z": "linear(x, h)"}}
    for seed in range(3):
        add(store, seed=seed)
        add(store, seed=seed, variant=newer)
        edit = {**LSTM, "equations": {**LSTM["equations"], "o": "1"}}
        add(store, label="lstm o=1", seed=seed, variant=edit)
    assert [(each.base, each.label) for each in rungs(analyse(read(store)))] == [("lstm (1)", "lstm o=1")]
