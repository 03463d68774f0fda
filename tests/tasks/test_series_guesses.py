"""What is guessed of a table: rows or series, columns that cannot be read, and inputs that tell the target."""

from typing import Any

import pytest

from gatelab.errors import UserError
from gatelab.tasks.series.series_task import Series


@pytest.fixture
def made(tmp_path):
    """Write a table; return its task, filled in."""

    def make(content: str, **keys: Any) -> Series:
        (tmp_path / "mine.csv").write_text(content, encoding="utf-8")
        return Series(path=str(tmp_path / "mine.csv"), **keys).pinned()

    return make


def refusal(made, content, **keys):
    with pytest.raises(UserError) as refused:
        made(content, **keys)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def steps(head: str, line: str, series: int = 30, length: int = 5) -> str:
    """Return a long table; the fields of a line are s, t, the class c and its name."""
    rows = [line.format(s=s, t=t, c=s % 3, name="xyz"[s % 3], u=s + t) for s in range(series) for t in range(length)]
    return "\n".join([head, *rows, ""])


def test_numbered_sensors_with_a_time_or_with_repeated_series_are_steps(made):
    task = made(steps("t,s1,s2,s3,label", "{s}.{t},{s},{t},{u},{name}", length=1))
    assert (task.form, task.time, task.inputs) == ("long", "t", ("s1", "s2", "s3"))
    task = made(steps("id,s1,s2,s3,label", "{s},{s},{t},{u},{name}"))
    assert (task.form, task.series, task.inputs) == ("long", "id", ("s1", "s2", "s3"))
    task = made(steps("id,s1,s2,s3,label", "{s},{s},{t},{u},{name}", length=1))
    assert (task.form, task.series, task.training().inputs.shape[0]) == ("wide", "id", 3)


def test_a_series_that_has_two_rows_of_a_wide_table_is_refused(made):
    said = refusal(made, steps("id,s1,s2,s3,label", "{s},{s},{t},{u},{name}"), form="wide")
    assert "row 2: series '0' is there twice; with task.form=wide a row is a series" in said


def test_a_slip_in_a_column_of_numbers_is_never_left_out_silently(made):
    table = steps("id,a,b,label", "{s},{s},{t},{name}").replace("\n29,29,4,", "\n29,oops,4,")
    said = refusal(made, table)
    assert said.endswith(
        "column 'a', row 150: 'oops' is no number, and most of the column are; task.inputs=[…] can leave it out"
    )
    assert made(table, inputs=["b"], duplicates="keep").inputs == ("b",)
    wide = steps("x0,x1,x2,x3,label", "{s},{t},{u},{s},{name}", length=1).replace("\n29,0,29,29", "\n29,0,29,oops")
    assert "column 'x3', row 30: 'oops' is no number" in refusal(made, wide)


def test_columns_that_are_no_input_are_told(made):
    task = made(steps("id,a,b,label", "{s},{s}%,{u},{name}"))
    assert task.inputs == ("b",)
    (note,) = [line for line in task.remarks() if "not used" in line]
    assert note.endswith(
        "not used, since inputs are numbers, or at most 20 words: 'a' (such as 0%); task.inputs=[…] takes what it names"
    )
    assert not any("not used" in line for line in made(steps("id,a,label", "{s},{u},{name}")).remarks())
    said = refusal(made, steps("id,a,label", "{s},{s}%,{name}"))
    assert "no column is left as an input; it has id, a, label; not used, since" in said and "(such as 0%)" in said


@pytest.mark.parametrize(
    "head, line, keys",
    [
        ("id,a,label_code,label", "{s},{u},{c},{name}", {}),
        ("id,a,b,label", "{s},{u},{c},{c}", {}),
        ("id,a,word,label", "{s},{u},{name},{c}", {}),
        ("id,a,b,y", "{s},{u},{s}.5,{s}.5", {"goal": "numbers"}),
    ],
)
def test_an_input_that_tells_the_target_is_refused_unless_it_is_named(made, head, line, keys):
    target = head.split(",")[-1]
    said = refusal(made, steps(head, line), **keys)
    leak = head.split(",")[2]
    assert said.endswith(
        f"input '{leak}' tells target '{target}': each value stands beside one of the target; task.inputs=[…] "
        "names the inputs that are meant"
    )
    assert made(steps(head, line), inputs=["a"], duplicates="keep", **keys).inputs == ("a",)
    task = made(steps(head, line), inputs=["a", leak], duplicates="keep", **keys)
    assert any(f"input '{leak}' tells target" in line for line in task.remarks())


def test_inputs_that_only_help_are_no_leak(made):
    # b is 0 for one class alone, d has other numbers than y
    assert made(steps("id,a,b,label", "{s},{u},{s}.{c},{name}")).inputs == ("a", "b")
    assert made(steps("id,d,y", "{s},{s}.25,{s}.5"), goal="numbers").inputs == ("d",)


def test_the_index_of_pandas_is_named(made):
    assert refusal(made, ",a,label\n0,1,x\n").endswith(
        "column 1 has no name in the first line; pandas leaves its index out with to_csv(…, index=False)"
    )
