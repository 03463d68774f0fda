"""Tables: their three spellings, and what the tables of runs and variants say."""

import csv
import io
import math

import pytest

from gatelab.evidence.question import Question
from gatelab.evidence.selection import select
from gatelab.report import Column, Table, runs_table, variants_table
from gatelab.report.tables import csv_text, from_csv, significant
from gatelab.store import Performance
from tests.store.examples import diverged, example

LSTM = Question(baseline="lstm", diverged="separate")
SEPARATE = Question(diverged="separate")
TABLE = Table(
    [Column("name", ("name",)), Column("sum", ("a", "b"), lambda a, b: str(a + b), "right")],
    [{"name": "o=f*c|d", "a": 1, "b": 0.1}, {"name": "x", "a": 100, "b": 23}],
)


def fields(table):
    return list(csv.DictReader(io.StringIO(table.csv())))


def column(table, name):
    return [row[name] for row in table.rows]


def test_text_is_aligned():
    assert TABLE.text() == (
        "name     sum\n"
        "-------  ---\n"
        "o=f*c|d  1.1\n"
        "x        123\n"
    )  # fmt: skip


def test_markdown_is_escaped():
    assert TABLE.markdown() == (
        "| name | sum |\n"
        "| :--- | ---: |\n"
        "| o=f\\*c\\|d | 1.1 |\n"
        "| x | 123 |\n"
    )  # fmt: skip


def test_csv_has_the_raw_fields():
    assert TABLE.csv() == "name,a,b\no=f*c|d,1,0.1\nx,100,23\n"


def test_a_table_without_rows():
    empty = Table(TABLE.columns, [])
    assert empty.text() == "name  sum\n----  ---\n"
    assert empty.csv() == "name,a,b\n"


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@sum(1)", "＝1", "-x", "=cmd|' /c x'!A0"])
def test_a_text_is_no_formula_of_a_spreadsheet(text):
    table = Table([Column("name", ("name",))], [{"name": text, "-b": text, "c": -1.5, "d": "-1.5", "e": None}])
    (row,) = fields(table)
    assert row == {"name": f"'{text}", "'-b": f"'{text}", "c": "-1.5", "d": "-1.5", "e": ""}


@pytest.mark.parametrize("text", ["=1", "-x", "plain", "'quoted'", "-1.5"])
def test_a_text_of_csv_is_read_as_it_was(text):
    assert from_csv(csv_text(["name"], [[text]]).splitlines()[1]) == text


def test_a_cell_of_csv_is_one_line_and_drives_no_terminal():
    assert csv_text(["a\x1bb"], [["\t=1"], ["a\r\nb\x1b[2J"], [math.inf]]) == "a b\n' =1\na  b [2J\ninf\n"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("![x](http://a.b)", "!\\[x](http&#58;//a.b)"),
        ("https://a.b www.a.b a@b.c", "https&#58;//a.b www&#46;a.b a&#64;b.c"),
        ("<img src=x> &lt;", "&lt;img src=x> &amp;lt;"),
        ("`x` *x* ~~x~~ __x__ $x$ \\|", "\\`x\\` \\*x\\* \\~\\~x\\~\\~ \\_\\_x\\_\\_ \\$x\\$ \\\\\\|"),
        ("layer_norm_gru f=1 - i", "layer_norm_gru f=1 - i"),
        ("a\n| b", "a \\| b"),
    ],
)
def test_a_cell_of_markdown_is_text(text, written):
    table = Table([Column(text, ("name",))], [{"name": text}])
    header, _, cell = table.markdown().splitlines()
    assert header == cell == f"| {written} |"


def test_a_header_drives_no_terminal():
    assert Table([Column("a\x1b[2J", ("name",))], []).text() == "a [2J\n-----\n"


def test_a_label_cannot_break_lines_inject_markup_or_drive_the_terminal():
    table = Table([Column("name", ("name",))], [{"name": "a\nb\x1b[2J<script>"}])
    assert table.text().splitlines()[2] == "a b [2J<script>"
    assert table.markdown().splitlines()[2] == "| a b \\[2J&lt;script> |"


@pytest.mark.parametrize(
    "value, shown",
    [(0.9, "0.9000"), (1.0, "1.000"), (12345.6, "1.235e+04"), (1234.5, "1234"), (0.00012345, "0.0001234"),
     (1e-9, "1.000e-09"), (0.0, "0.000"), (-0.5, "-0.5000"), (math.nan, "–"), (None, "–"), (math.inf, "inf")],
)  # fmt: skip
def test_significant_digits(value, shown):
    assert significant(value) == shown


def test_every_run_has_a_row_in_order():
    results = [example(seed=10), example(seed=2), diverged(label="gru", seed=0), example(task="acopy", seed=0)]
    table = runs_table(select(results))
    assert [(row["task"], row["variant"], row["seed"]) for row in table.rows] == [
        ("acopy", "lstm", 0),
        ("adding", "gru", 0),
        ("adding", "lstm", 2),
        ("adding", "lstm", 10),
    ]
    lines = table.text().splitlines()
    assert "validation accuracy ↑" in lines[0]
    assert "test accuracy ↑" in lines[0]
    assert "diverged at 40" in lines[3]
    assert lines[4].split() == [example(seed=2).identity, "lstm", "adding", "2", "finished", "900", "0.5000", "0.7500",
                                "1234", "12.5"]  # fmt: skip
    assert fields(table)[1]["test_score"] == "nan"
    assert fields(table)[1]["best_step"] == ""


def test_a_row_of_a_variant_by_hand():
    results = [
        example(label="gru", seed=0, test_score=0.5, seconds=10.0, parameters=90),
        example(label="gru", seed=1, test_score=0.7, seconds=20.0, parameters=100),
        diverged(label="gru", seed=2, seconds=3.0, parameters=100),
    ]
    table = variants_table(select(results, SEPARATE))
    (row,) = table.rows
    assert (row["n"], row["diverged"]) == (3, 1)
    assert row["mean"] == pytest.approx(0.6)
    assert row["standard_deviation"] == pytest.approx(math.sqrt(0.02))
    header, _, line = table.text().splitlines()
    assert "test accuracy ↑, mean ± sd over runs" in header
    assert line.split() == ["adding", "gru", "3", "1", "0.6000", "±", "0.14", "0.6000", "0.5000..0.7000", "0.1000",
                            "90..100", "11.0"]  # fmt: skip


@pytest.mark.parametrize("higher, order", [(True, ["c", "b", "a", "d"]), (False, ["a", "b", "c", "d"])])
def test_best_first_and_those_without_a_score_last(higher, order):
    results = [
        example(label="b", test_score=0.5, higher_is_better=higher),
        diverged(label="d", higher_is_better=higher),
        example(label="c", test_score=0.9, higher_is_better=higher),
        example(label="a", test_score=0.1, higher_is_better=higher),
    ]
    table = variants_table(select(results, SEPARATE))
    assert column(table, "variant") == order
    assert f"accuracy {'↑' if higher else '↓'}" in table.text().splitlines()[0]
    assert table.csv() == variants_table(select(results[::-1], SEPARATE)).csv()


def test_the_baseline_comes_first_and_differences_are_paired_by_seed():
    results = [
        *(example(label="lstm", seed=seed, test_score=score) for seed, score in [(0, 0.5), (1, 0.625), (2, 0.0)]),
        *(example(label="gru", seed=seed, test_score=score) for seed, score in [(1, 0.75), (0, 0.5), (3, 1.0)]),
        diverged(label="gru", seed=2),
    ]
    table = variants_table(select(results, LSTM))
    assert column(table, "variant") == ["lstm", "gru"]
    assert column(table, "typical") == [None, 0.0625]  # (0.125 + 0) / 2; seed 2 diverged, seed 3 has no partner
    assert column(table, "pairs") == [None, 2]
    header, _, first, second = table.text().splitlines()
    assert "median gain over lstm, paired by seed" in header
    assert "+0.06250 (2 pairs)" in second
    assert "pair" not in first


def test_a_diverged_run_scores_as_the_worst_of_its_task():
    results = [
        *(example(label="lstm", seed=seed, test_score=score) for seed, score in [(0, 0.5), (1, 0.625)]),
        *(example(label="gru", seed=seed, test_score=score) for seed, score in [(0, 0.75)]),
        diverged(label="gru", seed=1),
    ]
    lstm, gru = variants_table(select(results, Question(baseline="lstm"))).rows
    assert (gru["n"], gru["diverged"], gru["pairs"]) == (2, 1, 2)
    # chance, 0.1, is worse than any score
    assert (gru["mean"], gru["minimum"]) == pytest.approx((0.425, 0.1))
    assert gru["typical"] == pytest.approx((0.25 - 0.525) / 2)
    assert (lstm["mean"], lstm["typical"]) == (0.5625, None)


def test_a_task_without_the_baseline_has_no_difference():
    table = variants_table(select([example(), example(task="copy", label="gru")], LSTM))
    assert column(table, "typical") == [None, None]


def test_one_pair_is_singular_and_no_pair_has_no_number():
    table = variants_table(select([example(), example(label="gru"), example(label="cifg", seed=5)], LSTM))
    text = table.text()
    assert "0.000 (1 pair)" in text
    assert "– (0 pairs)" in text


def test_tasks_with_different_scores_name_them_in_a_column():
    table = variants_table(select([example(), example(task="copy", score_name="error", higher_is_better=False)]))
    assert column(table, "task") == ["adding", "copy"]
    assert column(table, "score") == ["accuracy ↑", "error ↓"]
    lines = table.text().splitlines()
    assert "test score, mean ± sd over runs" in lines[0]
    assert "error ↓" in lines[3]


def test_one_run_shows_a_dash_for_its_spread():
    assert "0.7500 ± –" in variants_table(select([example()])).text()


def searched(label, count, **fields):
    """Runs at as many rates, the better on test the worse on validation."""
    return [
        example(
            label=label,
            seed=seed,
            identity=f"{label}{seed:012d}",
            test_score=0.5 + 0.01 * seed,
            validation=Performance(0.25, 0.9 - 0.01 * seed),
            settings={"optimizer.lr": 0.1 / (1 + seed)},
            **fields,
        )
        for seed in range(count)
    ]


def test_a_long_search_is_told_by_the_setting_that_validation_chose():
    lost = diverged(label="lstm", seed=99, identity="lost", settings={"optimizer.lr": 9.0})
    table = variants_table(select([*searched("lstm", 13), lost, *searched("gru", 9)]))
    assert column(table, "variant").count("gru") == 9
    (row,) = [row for row in table.rows if row["variant"] == "lstm"]
    assert row["settings"] == "best of 14 by validation: optimizer.lr=0.1"
    assert (row["n"], row["mean"]) == (1, 0.5)
