"""The page of reliability, from made-up lines; and the lines themselves."""

import json

import pytest

from tests.trust.chunk import RESULTS, Chunk, deal, done, read_lines
from tests.trust.page import largest_rate, page
from tests.trust.parts import PARTS, Part

PART = Part("kills", "SIGKILLs", "What is tried.", trials=10, chunk=3, quick=1)


def line(chunk, trials, failed=0, **fields):
    made = {"part": "kills", "chunk": chunk, "trials": trials, "failed": failed, "outcomes": {"runs compared": 8},
            "failures": ["noise kill 3: AssertionError: it differs"] * failed, "seconds": 1800.0, "commit": "abc",
            "date": "2026-01-01", "machine": "a machine", "versions": "Python 3.11"}  # fmt: skip
    return {**made, **fields}


def shown(*lines):
    return page({name: lines if name == "kills" else [] for name in PARTS}).splitlines()


@pytest.mark.parametrize(("trials", "percent"), [(50, 5.8), (100, 3.0), (200, 1.5), (300, 1.0)])
def test_the_largest_rate_behind_no_failure(trials, percent):
    assert 100 * largest_rate(trials) == pytest.approx(percent, abs=0.05)
    assert (1 - largest_rate(trials)) ** trials == pytest.approx(0.05)


def test_the_trials_of_a_part_are_dealt_to_its_kinds():
    chunks = deal(PART, ["a", "b"], 9)
    assert [(chunk.kind, chunk.first, chunk.count) for chunk in chunks] == [
        ("a", 0, 3), ("a", 3, 2), ("b", 0, 3), ("b", 3, 1),
    ]  # fmt: skip
    assert [chunk.count for chunk in deal(PART, ["a", "b"], 1)] == [1]


def test_what_was_not_run_has_no_figures():
    rows = [row for row in shown() if row.startswith("| ")]
    for part in PARTS.values():
        assert f"| {part.name} | not run | {part.trials:,} | | | | | |" in rows
    assert not any("%" in row for row in rows)


def test_figures_without_a_failure():
    text = shown(line("noise 0+25", 25), line("search 0+25", 25, commit="def", date="2026-01-03"))
    assert "| kills | 50 | 300 | 0 | 5.8 % | abc, def | 2026-01-01 to 2026-01-03 | 1.00 |" in text
    assert "| noise | 25 | 0 | 8 |" in text
    assert "Machine: a machine.  " in text


def test_a_failure_has_no_bound_and_is_told():
    text = shown(line("noise 0+25", 25, failed=1))
    assert "| kills | 25 | 300 | 1 |  | abc | 2026-01-01 | 0.50 |" in text
    assert "- `noise kill 3: AssertionError: it differs`" in text


def test_of_a_chunk_that_was_done_twice_the_last_counts_and_the_first_is_told():
    text = shown(line("noise 0+25", 25, failed=2), line("noise 0+10", 10), line("noise 0+25", 25, commit="def"))
    assert "| kills | 25 | 300 | 0 | 11 % | def | 2026-01-01 | 0.50 |" in text
    assert "Before that, 2 trials of this part failed at earlier commits; what they showed is mended." in text
    assert not any("it differs" in row for row in text)


def test_a_chunk_is_noted_and_counts_as_done_only_without_a_failure(tmp_path, monkeypatch):
    monkeypatch.setenv(RESULTS, str(tmp_path))
    good, bad = Chunk("kills", "noise", 0, 2), Chunk("kills", "noise", 2, 2)
    for chunk in (good, bad):
        assert not done(chunk)
        for number in chunk.numbers:
            with chunk.trial(number):
                chunk.came_to("runs compared", 4)
                assert number < 3, "three"
    good.close()
    with pytest.raises(AssertionError, match="1 of 2 trials failed:\nnoise 3: AssertionError: three"):
        bad.close()
    assert done(good) and not done(bad)
    first, second = read_lines(tmp_path, "kills")
    assert (first["trials"], first["failed"], first["outcomes"]) == (2, 0, {"runs compared": 8})
    assert (second["trials"], second["failed"]) == (2, 1)
    assert page({"kills": json.loads(json.dumps([first, second])), **{name: [] for name in PARTS if name != "kills"}})
