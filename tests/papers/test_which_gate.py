"""The pages on which gate matters say what the results in the folder say."""

import csv
import re
from pathlib import Path

from scipy.stats import spearmanr

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments" / "which_gate" / "eight_tasks" / "results" / "families"
PAGE = (ROOT / "docs" / "which_gate.md").read_text(encoding="utf-8")
LIMITS = (ROOT / "docs" / "which_gate_limits.md").read_text(encoding="utf-8")
COMPARISON = (RESULTS / "comparison.md").read_text(encoding="utf-8")


def ranks(text):
    """Return the rows of the table of ranks: variant -> its cells."""
    lines = text[text.index("| variant | average rank") :].split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return cells[0], {row[0]: row[1:] for row in cells[2:]}


def column(task):
    header, rows = ranks(PAGE)
    place = next(place for place, name in enumerate(header) if name.startswith(task)) - 1
    return [float(re.search(r"\(([\d.]+)\)", row[place]).group(1)) for row in rows.values()]


def test_the_table_is_that_of_the_results():
    assert ranks(PAGE) == ranks(COMPARISON)
    assert len(ranks(PAGE)[1]) == 24


def test_the_tests_of_ranks_are_those_of_the_results():
    p, difference = re.search(
        r"p = ([\d.]+)\. Two average ranks that differ by more than ([\d.]+)", COMPARISON
    ).groups()
    assert f"(p = {p})" in PAGE
    assert all(difference in page for page in (PAGE, LIMITS))
    average = {name: float(row[0]) for name, row in ranks(PAGE)[1].items()}
    apart = [(a, b) for a in average for b in average if average[b] - average[a] > float(difference)]
    assert apart == [("noaf", "fgr")]


def test_the_correlations_are_those_of_the_table():
    assert f"{spearmanr(column('chorales'), column('cycle_navigation')).statistic:.2f}" == "-0.55"
    assert f"{spearmanr(column('timing_msd'), column('tiny_shakespeare')).statistic:.2f}" == "0.59"
    assert "columns: -0.55)" in PAGE
    assert "(0.59)" in PAGE


def test_the_verdicts_are_those_of_the_results():
    with (RESULTS / "verdicts.csv").open(encoding="utf-8", newline="") as file:
        words = [row["verdict"] for row in csv.DictReader(file)]
    numbers = {word: words.count(word) for word in set(words)}
    assert numbers == {"reproduced": 2, "partly": 1, "not reproduced": 3, "not comparable": 2}
    told = "Two are reproduced, one partly, three are not reproduced, and two are not comparable"
    assert told in " ".join(LIMITS.split())


def test_the_larger_table_is_that_of_the_results():
    text = (RESULTS.parent / "all_variants" / "comparison.md").read_text(encoding="utf-8")
    p, difference = re.search(r"p = ([\d.e-]+)\. Two average ranks that differ by more than ([\d.]+)", text).groups()
    average = {name: float(row[0]) for name, row in ranks(text)[1].items()}
    order = list(average)
    assert len(order) == 120
    apart = [(a, b) for a in order for b in order if average[b] - average[a] > float(difference)]
    assert {order.index(first) < 8 and order.index(last) >= 115 for first, last in apart} == {True}
    told = " ".join(PAGE.split())
    assert f"(p = {p}), and average ranks must be {difference} apart" in told
    assert f"that holds for {len(apart)} pairs of 7,140" in told
    for first, last in zip(order[:8], reversed(order[-8:]), strict=True):
        assert f"| `{first}` | {average[first]:.2f} | `{last}` | {average[last]:.2f} |" in PAGE
