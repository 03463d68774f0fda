"""Runs that differ in more than variant and seed are distinguished."""

from dataclasses import replace

import pytest

from gatelab.evidence.question import Question
from gatelab.evidence.selection import select
from gatelab.report import runs_table, variants_table
from tests.store.examples import example


def of_rate(label: str, rate: float, seed: int, score: float, identity: str):
    settings = {"optimizer.lr": rate, "task.length": 10, "opening.name": "one"}
    return example(label=label, seed=seed, test_score=score, settings=settings, identity=identity * 16)


RESULTS = [
    of_rate("lstm", 0.1, 0, 0.5, "0"),
    of_rate("lstm", 0.2, 0, 0.6, "1"),
    of_rate("gru", 0.1, 0, 0.75, "2"),
    of_rate("gru", 0.2, 0, 0.7, "3"),
]


def test_each_varied_setting_is_a_group_of_its_own():
    rows = variants_table(select(RESULTS)).rows
    assert [(row["variant"], row["settings"], row["n"]) for row in rows] == [
        ("gru", "optimizer.lr=0.1", 1),
        ("gru", "optimizer.lr=0.2", 1),
        ("lstm", "optimizer.lr=0.2", 1),
        ("lstm", "optimizer.lr=0.1", 1),
    ]


def test_the_chosen_setting_is_compared_with_that_of_the_baseline_and_no_other():
    # validation prefers 0.2 for gru, and for lstm neither
    judged = [replace(result, validation=replace(result.validation, score=0.5)) for result in RESULTS]
    judged[3] = replace(judged[3], validation=replace(judged[3].validation, score=0.6))
    rows = variants_table(select(judged, Question(baseline="lstm"))).rows
    gains = {(row["variant"], row["settings"]): (row["chosen"], row["typical"]) for row in rows}
    assert gains == {
        ("lstm", "optimizer.lr=0.1"): (True, None),
        ("lstm", "optimizer.lr=0.2"): (False, None),
        ("gru", "optimizer.lr=0.1"): (False, None),
        ("gru", "optimizer.lr=0.2"): (True, pytest.approx(0.7 - 0.5, abs=1e-12)),
    }


def test_copies_of_a_seed_are_one_row_of_the_table():
    copies = [replace(RESULTS[0], identity=digit * 16) for digit in "456"]
    (row,) = variants_table(select([RESULTS[0], *copies])).rows
    assert (row["n"], row["mean"]) == (1, 0.5)


def test_what_does_not_differ_is_not_shown():
    assert "settings" not in variants_table(select(RESULTS[:1])).text()
    assert "opening" not in runs_table(select(RESULTS)).text()


def test_settings_of_the_task_belong_to_the_task():
    long = example(settings={"task.length": 20}, identity="4" * 16)
    short = example(settings={"task.length": 10}, identity="5" * 16)
    assert {row["task"] for row in variants_table(select([long, short])).rows} == {
        "adding length=10",
        "adding length=20",
    }
    assert "settings" not in variants_table(select([long, short])).text().splitlines()[0]


def test_an_opening_is_named_without_its_key():
    one, zero = (
        example(settings={"opening.name": name}, identity=digit * 16) for name, digit in (("one", "6"), ("zero", "7"))
    )
    assert {row["settings"] for row in variants_table(select([one, zero])).rows} == {"opening=one", "opening=zero"}


def opened(name: str, seed: int, score: float, most: int | None, identity: str):
    settings = {"opening.name": name, "opening.max_time": most, "optimizer.lr": 0.1}
    return example(seed=seed, test_score=score, settings=settings, identity=identity * 16)


OPENED = [opened("one", 0, 0.5, None, "6"), opened("chrono", 0, 0.75, 150, "7")]


def test_settings_told_apart_make_variants():
    table = variants_table(select(OPENED, Question(baseline="lstm opening=one", apart=("opening.name",))))
    rows = [(row["variant"], row["settings"], row["typical"]) for row in table.rows]
    # max_time is an option of the opening, and no setting that was searched
    assert rows == [("lstm opening=one", "", None), ("lstm opening=chrono", "", 0.25)]
    assert "settings" not in table.text()


def test_what_does_not_differ_tells_nothing_apart():
    rows = variants_table(select(OPENED[:1], Question(apart=("opening.name", "optimizer.lr")))).rows
    assert [row["variant"] for row in rows] == ["lstm"]
