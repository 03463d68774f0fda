"""Your own tables: roles, parts, scaling and chance, with values computed by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.randomness import generator
from gatelab.tasks.series.series_data import understood
from gatelab.tasks.series.series_task import Series

LONG = """id,t,a,b,label,fold
u,2,3,1,yes,train
u,1,1,0,yes,train
v,1,5,1,no,train
v,2,7,1,no,train
v,3,9,0,no,train
w,1,2,0,yes,valid
x,1,6,1,no,test
x,2,4,1,no,test
"""
"""Training has a = 1, 3, 5, 7, 9 (mean 5, deviation √8) and b = 0, 1, 1, 1, 0 (mean 0.6, deviation √0.24)."""


@pytest.fixture
def table(tmp_path):
    """Write a table; return its path."""

    def write(content: str, name: str = "mine.csv") -> str:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return str(tmp_path / name)

    return write


def refusal(fields, what="training"):
    with pytest.raises(UserError) as refused:
        getattr(Series(**fields).pinned(), what)()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_class_for_each_series(table):
    task = Series(path=table(LONG), split="fold").pinned()
    assert (task.form, task.goal, task.per, task.series, task.time) == ("long", "classes", "series", "id", "t")
    assert (task.inputs, task.target, task.readout) == (("a", "b"), ("label",), "last")
    training = task.training()
    root, small = math.sqrt(8), math.sqrt(0.24)
    expected = np.zeros((3, 2, 2))
    expected[:2, 0] = [[-4 / root, -0.6 / small], [-2 / root, 0.4 / small]]  # u in the order of time
    expected[:, 1] = [[0, 0.4 / small], [2 / root, 0.4 / small], [4 / root, -0.6 / small]]
    np.testing.assert_allclose(training.inputs, expected, rtol=1e-6, atol=1e-7)
    assert training.lengths.tolist() == [2, 3]
    assert training.targets.tolist() == [1, 0]  # no, yes
    np.testing.assert_allclose(task.test().inputs[:, 0, 0], [1 / root, -1 / root], rtol=1e-6)
    assert task.test().targets.tolist() == [0]
    assert task.validation().targets.tolist() == [1]
    assert (task.input_size, task.output_size, task.perfect) == (2, 2, 1.0)
    # both classes are as frequent in training: the first one is taken, and the only test series has it
    assert task.chance == 1.0
    assert task.chance_meaning == "answering 'no' always, the most frequent class of training"


def test_a_number_at_each_step_has_its_error_in_its_own_unit(table):
    task = Series(path=table(LONG), split="fold", target="a", inputs=["b"]).pinned()
    assert (task.goal, task.per, task.readout, task.length) == ("classes", "step", "every", 5)
    task = Series(path=table(LONG), split="fold", target="a", inputs=["b"], goal="numbers").pinned()
    training = task.training()
    np.testing.assert_allclose(training.targets[:, 1, 0] * math.sqrt(8), [0, 2, 4], rtol=1e-6)
    assert training.loss_weights.T.tolist() == [[1, 1, 0], [1, 1, 1]]
    # test has 6 and 4, and the mean of training is 5
    assert task.chance == pytest.approx(1.0)
    outputs = torch.zeros(2, 1, 1)
    np.testing.assert_allclose(task.scores(outputs, torch.from_numpy(task.test().targets)), [[1], [1]], rtol=1e-6)


def test_a_number_for_each_series_with_weights(table):
    rows = "".join(f"s{n},{n}.5,{n * n}.25,{1 + n % 2}\n" for n in range(20))
    task = Series(path=table(f"id,a,y,w\n{rows}"), weight="w").pinned()
    assert (task.goal, task.per, task.readout) == ("numbers", "series", "last")
    training = task.training()
    assert training.inputs.shape == (1, 14, 1)
    assert set(training.loss_weights.tolist()) == {1.0, 2.0}
    y = training.targets[:, 0] * task.fitted.targets[0].scale + task.fitted.targets[0].shift
    a = training.inputs[0, :, 0] * task.fitted.inputs[0].scale + task.fitted.inputs[0].shift
    np.testing.assert_allclose(y, (a - 0.5) ** 2 + 0.25, rtol=1e-4, atol=1e-3)
    weights = 1 + np.round(a - 0.5) % 2
    np.testing.assert_allclose(training.loss_weights, weights)


def test_a_forecast_reads_the_past_and_is_asked_for_the_next_values(table):
    values = [float(2**n % 19) for n in range(40)]
    content = "date,y\n" + "".join(f"2026-01-{1 + n:02d}T00:00,{y}\n" for n, y in enumerate(values[:31]))
    task = Series(path=table(content), horizon=2, length=4, scale="none").pinned()
    assert (task.goal, task.per, task.split, task.time, task.inputs, task.target) == (
        "forecast",
        "step",
        "time",
        "date",
        ("y",),
        ("y",),
    )
    training, test = task.training(), task.test()
    # 31 days: 22 for training, 4 for validation, 5 for test
    assert training.lengths.tolist() == [4, 4, 4, 4, 4]
    assert training.inputs[:, 0, 0].tolist() == values[:4]
    assert training.targets[:, 0].tolist() == [[values[t + 1], values[t + 2]] for t in range(4)]
    assert training.inputs[:, 4, 0].tolist() == values[16:20]
    assert training.targets[3, 4].tolist() == values[20:22]
    assert test.inputs[:, 0, 0].tolist() == values[26:29]
    assert task.output_size == 2
    targets = np.array([[values[t + 1], values[t + 2]] for t in range(26, 29)])
    last = np.mean((targets - np.array(values[26:29])[:, None]) ** 2)
    told = np.array([[values[t + 1], values[t + 2]] for t in range(20)])
    mean = np.mean((targets - told.mean(0)) ** 2)
    assert task.chance == pytest.approx(min(last, mean), rel=1e-6)


def test_a_wide_table_has_a_row_for_each_series_and_ends_with_its_last_value(table):
    rows = [f"{n},{n + 1},{'' if n % 2 else n + 2},{'' if n % 2 else n + 3},{'ab'[n % 2]}" for n in range(20)]
    task = Series(path=table("x0,x1,x2,x3,label\n" + "\n".join(rows)), scale="none").pinned()
    assert (task.form, task.per, task.input_size) == ("wide", "series", 1)
    training = task.training()
    assert sorted(set(training.lengths.tolist())) == [2, 4]
    for place, length in enumerate(training.lengths):
        first = training.inputs[0, place, 0]
        assert training.inputs[:length, place, 0].tolist() == [first + step for step in range(length)]
        assert training.targets[place] == first % 2


def test_numbered_columns_of_two_words_are_two_inputs(table):
    rows = [f"{n},{n + 1},{10 * n},{10 * n + 1},{n % 2}" for n in range(20)]
    task = Series(path=table("u_1,u_2,v_1,v_2,y\n" + "\n".join(rows)), scale="none").pinned()
    training = task.training()
    assert training.inputs.shape == (2, 14, 2)
    u = training.inputs[0, :, 0]
    np.testing.assert_array_equal(training.inputs[:, :, 1], [10 * u, 10 * u + 1])


def test_categories_are_those_of_training(table):
    content = LONG.replace("b,", "kind,").replace("x,1,6,1", "x,1,6,new")
    for word, number in (("red", 1), ("blue", 0)):
        content = content.replace(f",{number},yes", f",{word},yes").replace(f",{number},no", f",{word},no")
    task = Series(path=table(content), split="fold", inputs=["kind"]).pinned()
    assert task.fitted.inputs[0].words == ("blue", "red")
    assert task.training().inputs[:, 0].tolist() == [[1, 0], [0, 1], [0, 0]]
    assert task.test().inputs[:, 0].tolist() == [[0, 0], [0, 1]]  # a new word is no word of training
    tokens = Series(path=table(content), split="fold", inputs=["kind"], categories="tokens").pinned()
    assert tokens.reads_tokens
    assert tokens.input_size == 3
    assert tokens.training().inputs[:, 0].tolist() == [1, 2, 0]
    assert tokens.test().inputs[:, 0].tolist() == [0, 2]


MISSING = """id,t,a,y
u,0,?,1
u,1,4,1
u,3,,1
u,6,NaN,1
u,7,8,1
v,0,1,2
v,1,3,2
w,0,2,1
w,1,,2
"""


def missing(table, how, **fields):
    content = MISSING.replace("y\n", "y,part\n", 1)
    parts = {"u": "train", "v": "valid", "w": "test"}
    lines = content.splitlines()
    content = "\n".join([lines[0], *(f"{line},{parts[line[0]]}" for line in lines[1:])]).replace("w,1,,2", "w,1,,1")
    task = Series(path=table(content), split="part", scale="none", missing=how, goal="numbers", **fields)
    return task.pinned()


def test_missing_inputs_are_refused_or_filled(table):
    named = table(MISSING)
    assert refusal({"path": named}) == (
        f"task.path={named}: inputs are missing: 4 of 'a'; task.missing=mean, last, mask or interval says what stands "
        "for them"
    )
    # training has 4 and 8
    assert missing(table, "mean").training().inputs[:, 0, 0].tolist() == [6, 4, 6, 6, 8]
    assert missing(table, "last").training().inputs[:, 0, 0].tolist() == [6, 4, 4, 4, 8]
    assert missing(table, "last").test().inputs[:, 0, 0].tolist() == [2, 2]


def test_a_mask_says_what_is_there_and_an_interval_since_when(table):
    masked = missing(table, "mask").training().inputs[:, 0]
    assert masked.tolist() == [[6, 0], [4, 1], [6, 0], [6, 0], [8, 1]]
    # GRU-D: s_t - s_{t-1} + (1 - m_{t-1}) of the step before, with s = 0, 1, 3, 6, 7
    interval = missing(table, "interval", intervals=True).training().inputs[:, 0]
    assert interval[:, 2].tolist() == [0, 1, 2, 5, 6]
    assert interval[:, 3].tolist() == [0, 1, 2, 3, 1]


def test_times_are_seconds_and_may_have_an_offset(table):
    content = "time,a,y\n2026-11-29T08:00+01:00,1,0\n2026-11-29T07:00:30Z,2,0\n" + "".join(
        f"2026-11-29T09:{n:02d}Z,{n},{n % 2}\n" for n in range(40)
    )
    task = Series(path=table(content), intervals=True, scale="none").pinned()
    assert task.per == "step"
    assert task.training().inputs[:3, 0, 1].tolist() == [0, 30, 2 * 3600 - 30]


def test_a_spreadsheet_with_semicolons_and_commas(table):
    content = "time;a;y\n" + "".join(f"{n};{n},5;{n % 2}\n" for n in range(30))
    task = Series(path=table(content), scale="none").pinned()
    assert task.training().inputs[:2, 0, 0].tolist() == [0.5, 1.5]
    assert any("separated by semicolons" in line for line in task.remarks())


def test_codes_with_zeros_before_are_words_and_whole_numbers_name_series(table):
    content = "id,a,y\n" + "".join(f"{n:03d},{n},{n % 2}\n" for n in range(1, 40))
    known = understood(Series(path=table(content)))
    assert known.ordered.names[:2] == ("001", "002")


def test_series_are_drawn_with_all_classes_in_proportion_and_equal_ones_together(table):
    rows = "".join(f"s{n},{n % 50},{'ab'[n % 50 < 10]}\n" for n in range(100))  # each series is there twice
    task = Series(path=table(f"id,a,y\n{rows}"), scale="none").pinned()
    parts = [task.training(), task.validation(), task.test()]
    values = [set(part.inputs.ravel().tolist()) for part in parts]
    assert [len(part.lengths) for part in parts] == [70, 14, 16]
    assert all(not one & two for place, one in enumerate(values) for two in values[place + 1 :])
    assert [int(part.targets.sum()) for part in parts] == [14, 2, 4]  # 20 of 100 are of class b
    other = Series(path=task.path, scale="none", data_seed=1).pinned()
    assert set(other.test().inputs.ravel().tolist()) != values[2]


def test_a_column_of_groups_keeps_them_together(table):
    rows = "".join(f"s{n},{n},{n % 2},p{n // 4}\n" for n in range(80))
    task = Series(path=table(f"id,a,y,person\n{rows}"), scale="none", split="person", inputs=["a"]).pinned()
    people = [
        {value // 4 for value in part.inputs.ravel()} for part in (task.training(), task.validation(), task.test())
    ]
    assert [len(found) for found in people] == [14, 3, 3]
    assert not people[0] & people[1] | people[0] & people[2] | people[1] & people[2]


@pytest.mark.parametrize("seed", range(8))
def test_scaling_and_words_depend_on_training_alone(table, seed):
    random = generator(seed, "test")
    rows = [(f"s{n}", random.normal(), "pqr"[random.integers(3)], n % 2) for n in range(30)]
    text = "".join(f"{i},{a:.6f},{c},{y}\n" for i, a, c, y in rows)
    task = Series(path=table(f"id,a,c,y\n{text}"), data_seed=seed).pinned()
    scale, shift = task.fitted.inputs[0].scale, task.fitted.inputs[0].shift
    held_out = np.concatenate([task.validation().inputs[0, :, 0], task.test().inputs[0, :, 0]]) * scale + shift
    changed = "".join(
        f"{i},{a + 1000 if np.isclose(a, held_out, atol=1e-4).any() else a:.6f},{c},{y}\n" for i, a, c, y in rows
    )
    other = Series(path=table(f"id,a,c,y\n{changed}", "changed.csv"), data_seed=seed).pinned()
    assert other.fitted == task.fitted
    np.testing.assert_array_equal(other.training().inputs, task.training().inputs)
    assert other.sha256 != task.sha256


def test_what_is_guessed_is_frozen_with_the_hash_and_a_changed_file_is_told(table):
    path = table(LONG)
    task = Series(path=path, split="fold").pinned()
    assert Series.model_validate(task.model_dump(mode="json")) == task
    assert Series(**{**task.model_dump(), "fitted": None}).pinned() == task  # given in full, it is the same run
    table(LONG.replace("9,0,no", "9.5,0,no"))
    found = Series(path=path, split="fold").pinned().sha256
    with pytest.raises(UserError) as refused:
        task.test()
    assert str(refused.value) == (
        f"task.path={path}: the sha256 of its content is {found}, but task.sha256={task.sha256} is expected"
    )


def test_a_scale_that_is_not_of_the_data_is_refused(table):
    task = Series(path=table(LONG), split="fold").pinned()
    stored = task.model_dump(mode="json")
    stored["fitted"]["inputs"][0]["shift"] = 3.0
    line = refusal({**stored, "sha256": None})
    assert line == f"task.fitted: is not what the training part of task.path={task.path} gives; it must be left out"


def changed(*pairs):
    content = LONG
    for old, new in pairs:
        assert old in content
        content = content.replace(old, new)
    return content


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a name with a slip": (
        LONG,
        {"target": "labl"},
        "task.target=labl: no such column (did you mean 'label'?); the table has id, t, a, b, label, fold",
    ),
    "a time twice": (
        changed(("v,2", "v,1")),
        {},
        "{path}: series 'v' has time 1 twice, the second in row 4; "
        "task.series must name the column that tells them apart",
    ),
    "a series on both sides": (
        changed(("v,2,7,1,no,train", "v,2,7,1,no,test")),
        {"split": "fold"},
        "task.split=fold: series 'v' has several values: it would be on both sides",
    ),
    "the same inputs on both sides": (
        changed(("x,1,6,1", "x,1,1,0"), ("x,2,4,1", "x,2,3,1")),
        {"split": "fold"},
        "{path}: series 'u' (training) and 'x' (test) have the same inputs; task.duplicates=keep allows it",
    ),
    "no time": (changed(("u,1,", "u,,")), {}, "{path}, row 2: column 't' has no time"),
    "no series": (changed(("u,1,", ",1,")), {}, "{path}, row 2: column 'id' says no series"),
    "no files": (
        LONG,
        {"split": "files"},
        "task.split=files: {path} has no files for training and test, as train.csv and test.csv",
    ),
    "a target that changes": (
        LONG,
        {"per": "series", "target": "a", "inputs": ["b"]},
        "task.per=series: target 'a' changes within series 'u'",
    ),
    "infinity": (changed(("9,0", "inf,0")), {"split": "fold"}, "{path}: column 'a' has an infinite value"),
    "no target": (
        changed(("label", "outcome")),
        {},
        "{path}: no column is called target, label, class, y; name one by task.target=NAME, or forecast by "
        "task.horizon=STEPS; it has id, t, a, b, outcome, fold",
    ),
    "a typing error among numbers": (
        "id,a,y\n" + "".join(f"s{n},{'1O' if n == 10 else n},{n % 2}\n" for n in range(30)),
        {"inputs": ["a"]},
        "{path}: column 'a', row 11: '1O' is no number, and most of the column are",
    ),
    "too few series": (
        "id,a,y\nu,1,0\nv,2,1\n",
        {"split": "series"},
        "{path}: 2 for training, 0 for validation, 0 for test of 2 series; each part needs at least 1; "
        "task.split=time divides each in time",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(table, case):
    content, fields, line = REFUSED[case]
    path = table(content)
    assert refusal({"path": path, **fields}) == line.replace("{path}", f"task.path={path}")


def test_a_target_among_the_inputs_is_refused():
    with pytest.raises(ValueError, match=r"column 'label' has two roles; a target .* tells the answer"):
        Series(path="any.csv", target="label", inputs=["label"])
