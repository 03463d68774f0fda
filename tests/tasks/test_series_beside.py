"""Intervals and masks of a table, handed to the variants that read them."""

import numpy as np
import pytest

import gatelab
from gatelab import UserError
from gatelab.tasks.series.series_task import Series

ROWS = """series,time,a,b,kind,label
p,0,1.0,,u,yes
p,2,,3.0,v,yes
p,6,2.0,,u,yes
q,1,0.5,1.0,v,no
q,3,0.25,,u,no
q,5,,2.0,v,no
"""


@pytest.fixture
def table(tmp_path):
    rows = ROWS.splitlines()
    more = [
        line.replace("p,", f"p{n},", 1).replace("q,", f"q{n},", 1).replace(",1.0", f",1.{n}")
        for n in range(8)
        for line in rows[1:]
    ]
    path = tmp_path / "table.csv"
    path.write_text("\n".join([rows[0], *more]) + "\n")
    return path


def overrides(table, *more):
    return ["task=series", f"task.path={table}", "task.target=label", "task.per=series", *more]


SHORT = ["training.max_steps=3", "training.batch_size=4", "training.validate_every=3", "model.hidden_size=4"]


def test_columns_stand_behind_the_features(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = gatelab.train(
        "variant=gru_d",
        *overrides(table, "task.missing=observed", "task.intervals=dt"),
        *SHORT,
        "training.input_noise=0.1",
    )
    task = run.task
    assert isinstance(task, Series)
    assert task.beside == ("mask", "dt")
    assert task.input_size == 4  # a, b, and two words
    batch = task.training()
    assert batch.inputs.shape == (3, len(batch.lengths), 4 + 4 + 1)
    mask, dt = batch.inputs[..., 4:8], batch.inputs[..., 8]
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert bool((mask[..., 2:] == 1).all())  # the words are all there
    assert bool((dt[0] == 0).all())
    # of a series of p the intervals are 2 and 4, of q 2 and 2; the mean of training is 1
    ratios = {tuple(np.round(column / column[1], 6)) for column in dt.T}
    assert ratios <= {(0.0, 1.0, 2.0), (0.0, 1.0, 1.0)}
    assert float(dt[1:].mean()) == pytest.approx(1.0, abs=1e-6)
    assert run.score == pytest.approx(run.score)


@pytest.mark.parametrize(
    ("variant", "keys", "line"),
    [
        (
            "lstm",
            ["task.missing=mean", "task.intervals=dt"],
            "variant 'lstm' reads neither mask nor dt; both must be the same",
        ),
        ("gru_d", ["task.missing=mean", "task.intervals=dt"], "hands over dt .*variant 'gru_d' reads mask and dt"),
        (
            "gru_d",
            ["task.missing=observed", "task.intervals=dt", "model.embedding=3"],
            "reads mask, which is of the inputs",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(table, tmp_path, monkeypatch, variant, keys, line):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=line):
        gatelab.train(f"variant={variant}", *overrides(table, *keys), *SHORT)


def test_a_task_without_times_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.warns(
        UserWarning, match="variant 'cfc_dt' reads dt, which task 'adding' does not hand over: 1 at every step"
    ):
        gatelab.train("variant=cfc_dt", "task=adding", "task.length=5", *SHORT)
