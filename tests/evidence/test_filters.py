"""Which runs of a store are compared: what filters let through, and what they say of what is not there."""

import json

import pytest

from gatelab.errors import UserError
from gatelab.evidence.filters import Filters, filters_of, read_results, several
from gatelab.evidence.selection import select
from gatelab.store import Store
from tests.report.made import add


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "runs")
    for seed, (label, steps, rate) in enumerate(
        [("lstm", 1000, 0.01), ("lstm", 10000, 0.001), ("gru", 1000, 0.01), ("gru f=sigmoid(linear(x, h))", 1000, 0.01)]
    ):
        settings = {"training.max_steps": steps, "optimizer.lr": rate, "training.patience": None}
        add(made, label=label, seed=seed, settings=settings)
    return made


def read(store, task="", variant="", where=(), since="", sweep=""):
    found = read_results(store, filters_of(task, variant, where, since, sweep))
    return sorted(result.seed for result in found.results)


def rewrite(folder, **values):
    """Change what a run says of where it comes from."""
    known = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps(known | values))
    result = json.loads((folder / "result.json").read_text())
    del result["seal"]  # of other bytes
    (folder / "result.json").write_text(json.dumps(result))


@pytest.mark.parametrize(
    "filters, seeds",
    [
        ({}, [0, 1, 2, 3]),
        ({"task": "adding"}, [0, 1, 2, 3]),
        ({"variant": "gru"}, [2]),
        ({"variant": "lstm,gru"}, [0, 1, 2]),
        ({"variant": "gru f=sigmoid(linear(x, h)),gru"}, [2, 3]),
        ({"where": ["training.max_steps=1000"]}, [0, 2, 3]),
        ({"where": ["training.max_steps=1e3,optimizer.lr=1e-2"]}, [0, 2, 3]),
        ({"where": ["training.max_steps=1000", "optimizer.lr=0.01"], "variant": "lstm"}, [0]),
        ({"where": ["training.patience=null"]}, [0, 1, 2, 3]),
        ({"since": "2026-01-03"}, [2, 3]),  # runs are a day apart, the first of 2026-01-01
        ({"since": "2026-01-02T00:00:00+00:00"}, [1, 2, 3]),
    ],
)
def test_what_filters_let_through(store, filters, seeds):
    assert read(store, **filters) == seeds


@pytest.mark.parametrize(
    "filters, message",
    [
        ({"task": "ading"}, r"no runs of task 'ading' \(did you mean 'adding'\?\)"),
        ({"variant": "gur"}, r"variant=gur: no run has it \(did you mean 'gru'\?\); there are gru, gru f=.*, lstm"),
        (
            {"where": ["training.max_step=1"]},
            r"where=training.max_step=1: no such setting \(did you mean 'train",
        ),
        (
            {"where": ["training.max_steps=5"]},
            r"where=training.max_steps=5: no run has this value; there are 1000,",
        ),
        ({"where": ["training.max_steps"]}, r"where=training.max_steps: must be of the form where=key=value"),
        ({"where": ["a=1", "a=2"]}, r"where=a=2: a is given twice, 1 and 2"),
        ({"since": "yesterday"}, r"since=yesterday: must be a date, such as 2026-11-29"),
        ({"since": "2027-01-01"}, r"since=2027-01-01: no run is as new; the newest is of 2026-01-04T00:00:00\+00:00"),
        ({"sweep": "lr"}, r"sweep=lr: no run was trained by a command with these words; there are none"),
    ],
)
def test_a_filter_that_names_nothing_is_one_line(store, filters, message):
    with pytest.raises(UserError, match=rf"^{message}[^\n]*$"):
        read(store, **filters)


def test_runs_without_a_date_are_left_out_and_counted(store):
    result = next(result for result in store.results() if result.seed == 3)
    rewrite(store.folder(result.identity), date="")
    found = read_results(store, filters_of("", "", [], "2026-01-02", ""))
    assert sorted(result.seed for result in found.results) == [1, 2]
    assert found.lines() == ["since=2026-01-02: 1 run has no date and cannot be compared with it; left out"]
    assert select(found).versions == tuple(found.lines())


def test_a_value_may_have_a_comma_where_it_is_no_word(store):
    filters = Filters(where={"optimizer.lr": "1,2"})
    with pytest.raises(UserError, match=r"^where=optimizer.lr=1,2: no run has this value; there are 0.001, 0.01$"):
        read_results(store, filters)


def test_runs_are_found_by_the_command_that_trained_them(store):
    identities = store.identities()
    for place in (0, 2):
        rewrite(store.runs_dir / identities[place], command=["scripts/train.py", "-m", "+experiment=mine/lr"])
    assert read(store, sweep="experiment=mine") == [0, 2]
    with pytest.raises(UserError, match=r"^sweep=other: .*there are scripts/train.py -m \+experiment=mine/lr$"):
        read(store, sweep="other")


def test_words_between_commas():
    assert several("lstm,gru f=sigmoid(linear(x, h)),") == ("lstm", "gru f=sigmoid(linear(x, h))")
    assert several("optimizer.betas=[0.9,0.99],seed=1") == ("optimizer.betas=[0.9,0.99]", "seed=1")
