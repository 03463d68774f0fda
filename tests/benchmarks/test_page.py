"""The simulated page runs, goes on where it stopped, and its table is the one that stands in the documentation."""

import json

import pytest

from benchmarks import page
from benchmarks.page_rows import ROWS
from gatelab.errors import UserError

TWO = "rows=1.4 sd, 1 comparison"


def test_pages_are_counted_and_the_same_command_goes_on(tmp_path, capsys):
    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    assert page.main(["pages=4", TWO, f"out={whole}"]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == "| pages of | pages | false verdict, % ± se | found, % ± se |"
    assert [line.split(" | ")[1] for line in printed.splitlines()[2:]] == ["4", "4"]
    assert page.main(["pages=1", TWO, f"out={parts}"]) == 0
    assert page.main(["pages=4", TWO, f"out={parts}"]) == 0
    assert json.loads(whole.read_text()) == json.loads(parts.read_text())
    # 1.4 standard deviations are found by ten seeds nearly always, and never on the wrong side
    assert sum(count["found"] for count in json.loads(whole.read_text()).values()) >= 6
    assert not any(count["wrong"] for count in json.loads(whole.read_text()).values())


def test_a_wrong_key_is_told():
    with pytest.raises(UserError, match="unknown key 'page'"):
        page.main(["page=4"])


def test_every_row_says_what_would_be_true():
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        if "sd" in row.name:
            assert row.true


def test_the_documented_table_is_that_of_the_counts():
    text = page.PAGE.read_text(encoding="utf-8")
    inside = text.split(page.BEGIN)[1].split(page.END)[0]
    counts = page.read_counts(page.COUNTS)
    assert inside == page.table(counts)
    assert set(counts) == {row.name for row in ROWS}


def test_the_documented_rates_are_what_is_promised():
    counts = page.read_counts(page.COUNTS)
    for name, count in counts.items():
        # 5 % of pages, and two standard errors
        assert count.wrong / count.pages <= 0.05 + 2 * (0.05 * 0.95 / count.pages) ** 0.5, name
    for family in ("1 comparison", "6 comparisons"):
        count = counts[f"1.4 sd, {family}, one run of ten diverges"]
        assert count.found / count.asked > 0.7
