"""A store that mixes questions is told first, with the filter that takes one of them."""

import ast
import shlex
from collections import Counter

import pytest

from gatelab.cli.compare import compare
from gatelab.evidence.question import Question
from gatelab.evidence.selection import select
from gatelab.evidence.several_questions import SeveralQuestions, several_questions
from gatelab.store import Store
from tests.report.made import add


def lines(store, **question):
    found = several_questions(select(store.results(), Question(**question)))
    return [each.line("compare baseline=lstm") for each in found]


def both(store, settings, labels=("lstm", "gru"), seeds=3):
    for label in labels:
        for seed in range(seeds):
            add(store, label=label, seed=seed, settings=settings)


@pytest.mark.parametrize(
    "key, low, high",
    [
        ("training.max_steps", 1000, 10000),
        ("model.hidden_size", 32, 64),
        ("training.patience", 5, 9),
        ("training.batch_size", 8, 16),
        ("task.length", 10, 50),
    ],
)
def test_budgets_widths_and_sizes_of_tasks_are_questions(tmp_path, key, low, high):
    store = Store(tmp_path)
    both(store, {key: low})
    both(store, {key: high}, seeds=4)
    assert lines(store) == [
        f"these runs ask several questions: {key} is {low} in 6 runs and {high} in 8 runs; "
        f"one of them alone: compare baseline=lstm where={key}={high}"
    ]


def test_a_search_of_a_learning_rate_is_one_question(tmp_path):
    store = Store(tmp_path)
    for rate in (0.1, 0.01):
        both(store, {"optimizer.lr": rate})
    assert lines(store) == []


def test_a_search_over_many_widths_is_one_question(tmp_path):
    store = Store(tmp_path)
    for size in (8, 16, 32, 64, 128):
        both(store, {"model.hidden_size": size})
    assert lines(store) == []


def test_no_filter_where_each_variant_has_a_budget_of_its_own(tmp_path):
    store = Store(tmp_path)
    both(store, {"training.max_steps": 1000}, ["lstm"])
    both(store, {"training.max_steps": 9000}, ["gru"])
    assert lines(store) == [
        "these runs ask several questions: training.max_steps is 1000 in 3 runs and 9000 in 3 runs; "
        "no value was tried of all variants"
    ]


def test_the_command_that_is_told_asks_one_question(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "runs")
    both(store, {"training.max_steps": 1000})
    both(store, {"training.max_steps": 9000})
    compare(["baseline=lstm", "out="])
    first = capsys.readouterr().out.splitlines()[0]
    words = shlex.split(first.partition("one of them alone: ")[2])
    assert words[2:] == ["baseline=lstm", "where=training.max_steps=9000"]
    compare([*words[2:], "out="])
    assert "several questions" not in capsys.readouterr().out


def test_a_filter_that_is_given_already_stays_and_values_are_quoted(tmp_path):
    store = Store(tmp_path)
    both(store, {"training.max_steps": 1000})
    both(store, {"training.max_steps": 9000})
    (found,) = several_questions(select(store.results()))
    told = found.line("gatelab.compare('runs/', baseline='lstm', where={'model.hidden_size': '8'}, small=0.1)")
    call = ast.parse(told.partition("one of them alone: ")[2], mode="eval").body
    assert isinstance(call, ast.Call)
    (where,) = [word.value for word in call.keywords if word.arg == "where"]
    assert ast.literal_eval(where) == {"training.max_steps": "9000", "model.hidden_size": "8"}
    spaced = SeveralQuestions("opening.file", Counter({"a b": 3, "c": 2}), ["a b"]).line("compare")
    assert shlex.split(spaced.partition("one of them alone: ")[2]) == ["compare", "where=opening.file=a b"]
