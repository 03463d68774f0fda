"""The protocol in the text for a Methods section, and times of a step among runs that were trained alike."""

import pytest

from gatelab.report.sections.across import across
from gatelab.report.sections.headline import headline, headline_table
from gatelab.report.sections.methods import methods
from gatelab.report.sections.parts import Absent, Code
from gatelab.store import Store
from tests.report.made import add
from tests.report.test_sections import analysed, drawn, seen
from tests.store.examples import example

SETTINGS = {
    "task.length": 50,
    "task.test_size": 300,
    "model.hidden_size": 64,
    "model.num_layers": 2,
    "opening.name": "chrono",
    "optimizer._target_": "torch.optim.Adam",
    "optimizer.lr": 0.01,
    "schedule.name": "cosine",
    "schedule.warmup_steps": 10,
    "training.max_steps": 700,
    "training.batch_size": 32,
    "training.clip_norm": 1.0,
    "training.patience": None,
}


def written(analysis):
    return next(block.text for block in methods(analysis, []).blocks if isinstance(block, Code))


def test_the_whole_protocol_is_told_once(tmp_path):
    store = Store(tmp_path)
    for label in ("lstm", "gru"):
        for seed in range(3):
            add(store, label=label, seed=seed, settings=SETTINGS)
    text = written(analysed(store))
    for words in (
        "The task adding (length 50, test size 300) is scored by accuracy, chance 0.1 and perfect 1.",
        "The networks: hidden size 64, num layers 2.",
        "Gates start from the opening: chrono.",
        "The optimiser: Adam, lr 0.01.",
        "The learning rate's schedule: cosine, warmup steps 10.",
        "Training: max steps 700, batch size 32, clip norm 1.",
        "Runs were trained with gatelab 0.1.0 and torch 2.13.0 on cpu.",
    ):
        assert text.count(words) == 1, words


def test_what_was_chosen_is_told_with_what_was_tried(tmp_path):
    store = Store(tmp_path)
    for label, best in (("lstm", 0.1), ("layer_norm_gru", 0.01)):
        for rate in (0.1, 0.01):
            add(store, label=label, test=0.5 + 0.1 * (rate == best), settings={**SETTINGS, "optimizer.lr": rate})
    text = written(analysed(store))
    assert r"lr 0.1 (lstm) and 0.01 (layer\_norm\_gru) chosen among 0.01 and 0.1." in text
    assert "at least half as many seeds" in text


def conditioned(store, label, seconds, threads=1, seeds=range(2), **origin):
    for seed in seeds:
        result = example(label=label, seed=seed, seconds=seconds, steps=100)
        record = store.record(result.identity, {"seed": seed, "threads": threads})
        record.write_provenance({"device": "cpu", **origin})
        record.finish(result)


ALIKE = {"stack_runs": 1, "platform": "Linux", "cpu_count": 2}


@pytest.mark.parametrize(
    "other, words",
    [
        ({"stack_runs": 10}, "runs in a stack 1 (lstm), 10 (gru)"),
        ({"cpu_count": 64}, "machine Linux, 2 (lstm), Linux, 64 (gru)"),
        ({"device": "cuda"}, "device cpu (lstm), cuda (gru)"),
        ({"threads": 4}, "threads 1 (lstm), 4 (gru)"),
    ],
)
def test_times_of_runs_that_were_not_trained_alike_are_left_out(tmp_path, other, words):
    store = Store(tmp_path)
    conditioned(store, "lstm", 2.0, **ALIKE)
    conditioned(store, "gru", 3.0, **{**ALIKE, **other})
    analysis = analysed(store)
    assert [row["step_milliseconds"] for row in headline_table(analysis).rows] == [None, None]
    assert f"do not compare: {words}." in headline(analysis, {}).blocks[0].caption


def test_times_are_of_the_runs_that_were_trained_alike(tmp_path):
    store = Store(tmp_path)
    conditioned(store, "lstm", 2.0, **ALIKE)
    conditioned(store, "gru", 3.0, **ALIKE)
    conditioned(store, "gru", 9.0, seeds=range(2, 6), **{**ALIKE, "stack_runs": 4})
    times = {row["variant"]: row["step_milliseconds"] for row in headline_table(analysed(store)).rows}
    assert times == {"lstm": pytest.approx(20.0), "gru": pytest.approx(30.0)}


def test_forms_of_one_task_are_one_task(tmp_path):
    store = Store(tmp_path)
    for length in (10, 20, 30, 40, 50):
        for label, score in (("lstm", 0.5), ("gru", 0.6)):
            add(store, label=label, test=score, settings={"task.length": length})
    analysis = analysed(store)
    absent = across(analysis, seen(analysis))
    assert isinstance(absent, Absent)
    assert absent.reason.endswith("there is 1, in 5 forms")
    for task in "bcd":
        for label, score in (("lstm", 0.5), ("gru", 0.6)):
            add(store, task=task, label=label, test=score, settings={"task.length": 10})
    analysis = analysed(store)
    # four tasks are too few for ranks, eight forms are no eight tasks
    assert "ranks" not in drawn(across(analysis, seen(analysis)))
