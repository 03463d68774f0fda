"""Stores of too many runs to distinguish: which of them are drawn, shown and kept."""

import json
import math
import re

import pytest

from gatelab.errors import UserError
from gatelab.report.drawing.styles import looks
from gatelab.report.report import build_report
from gatelab.report.sections import thinning
from gatelab.report.sections.every_run import dots
from gatelab.report.sections.thinning import drawn_runs
from gatelab.report.tables import Column, Table
from gatelab.store import Store
from gatelab.store.history import read_history
from tests.report.made import add
from tests.report.test_sections import analysed


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path)
    for label in ("lstm", "gru"):
        for seed in range(30):
            add(made, label=label, seed=seed, test=0.5 + seed / 100, failed=seed == 29)
    return made


def few(monkeypatch):
    monkeypatch.setattr(thinning, "MOST_DRAWN", 20)
    monkeypatch.setattr(thinning, "_FEWEST", 5)


def test_runs_are_drawn_evenly_by_rank_with_both_ends(monkeypatch, store):
    few(monkeypatch)
    runs = analysed(store).evidence.chosen("adding", "gru").runs
    kept = drawn_runs(runs, 2, lambda run: run.scored[1])
    assert [run.result.seed for run in kept] == [0, 3, 6, 10, 13, 16, 19, 23, 26, 29]
    assert math.isnan(kept[-1].scored[1])
    assert drawn_runs(runs, 1, lambda run: run.scored[1])[0] is runs[0]
    assert drawn_runs(runs[:10], 2, lambda run: run.scored[1]) == list(runs[:10])


def test_the_caption_says_what_is_left_out(monkeypatch, store):
    analysis = analysed(store)
    appearance = dict(looks(analysis.evidence.labels))
    whole = dots(analysis, appearance).blocks[0]
    few(monkeypatch)
    part = dots(analysis, appearance).blocks[0]
    assert "Drawn are" not in whole.caption
    assert part.caption.endswith(" Drawn are 20 of 60 runs, evenly spaced by rank; whatever is computed counts all.")
    assert [len(re.findall("data-run", block.figures[0].svg)) for block in (whole, part)] == [60, 20]


def test_a_page_knows_the_runs_that_it_draws(monkeypatch, store):
    few(monkeypatch)
    page = build_report(analysed(store).evidence, "compare").files["index.html"].decode()
    (text,) = re.findall(r'id="known-runs">(.*?)</script>', page, re.DOTALL)
    known = json.loads(text)["runs"]
    assert set(known) == set(re.findall(r'data-run="(\d+)"', page))
    assert 20 <= len(known) < 60
    assert known["0"][0] == "gru on adding, seed 0"


def test_long_tables_are_cut_where_they_are_read_and_whole_in_csv(monkeypatch, store):
    monkeypatch.setattr("gatelab.report.report._MOST_ROWS", 12)
    files = build_report(analysed(store).evidence, "compare").files
    assert files["tables/runs.md"].decode().count("\n") == 14
    assert files["tables/runs.csv"].decode().count("\n") == 61
    sentence = "The first 12 of 60 rows; tables/runs.csv has all."
    assert sentence in files["index.html"].decode()
    assert sentence in files["table.md"].decode()


def test_a_table_of_few_rows_is_not_cut():
    table = Table([Column("a", ("a",))], [{"a": 1}, {"a": 2}])
    assert table.first(2) is table
    assert table.first(1).rows == [{"a": 1}]


def test_settings_that_are_equal_are_one_object(store):
    results = store.results()
    assert len(results) == 60
    assert len({id(result.settings) for result in results}) == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"step": 1, "split": "train", "loss": 0.5}\n{"step": 2, "split": "validation", "score": "NaN"}\n',
        '{"step": 1, "split": "train", "loss": null}\n',
        '{"step": 1, "split": "train"}\n{"step": 2, "sp',
        "",
    ],
)
def test_a_history_read_in_one_go_is_that_of_its_lines(tmp_path, text):
    path = tmp_path / "metrics.jsonl"
    path.write_text(text)
    rows = read_history(path)
    expected = [json.loads(line) for line in text.split("\n")[:-1]]
    assert [(row["step"], row["split"], list(row)) for row in rows] == [
        (row["step"], row["split"], list(row)) for row in expected
    ]
    numbers = [value for row in rows for key, value in row.items() if key != "split"]
    assert all(isinstance(value, int | float) for value in numbers)


@pytest.mark.parametrize(
    "text",
    [
        '{"step": 1, "split": "train"}, {"step": 2, "split": "train"}\n{"step": 3, "split": "a"\n"b": 1}\n',
        '{"step": 1, "split": "train"},{"step": 2, "split": "train"}\n',
        '{"step": 1, "split": "train"}\n{"step": "2", "split": "train"}\n',
        '{"step": 1, "split": "train", "loss": [1]}\n',
    ],
)
def test_a_damaged_history_is_told(tmp_path, text):
    path = tmp_path / "metrics.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=r"metrics\.jsonl, line \d: damaged history"):
        read_history(path)
