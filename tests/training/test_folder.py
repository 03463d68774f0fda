"""What a run leaves in its folder, when it ends and when it does not."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from gatelab.errors import UserError
from gatelab.store import Store
from gatelab.sweeps import execute
from gatelab.tasks.memory.adding import Adding
from gatelab.training import train_stack
from tests.training.examples import ADAM, ADDING, configuration, outcome, rows


class Interrupted(Adding):
    """The adding problem, in whose fifth batch something happens."""

    __module__ = Adding.__module__  # the same run as without what happens

    def training_batch(self, seed, step, batch_size):
        if step == 4:
            HAPPENS[0]()
        return super().training_batch(seed, step, batch_size)


HAPPENS = [lambda: None]


def interrupted(runs_dir, seed, happens, **sections):
    HAPPENS[0] = happens
    task = {name: value for name, value in ADDING.items() if name != "name"}
    return dataclasses.replace(configuration(runs_dir, seed=seed, **sections), task=Interrupted(**task))


def fail():
    raise RuntimeError("the power is gone")


def test_the_configuration_is_frozen_before_the_first_step(tmp_path):
    seen = []

    def look():
        store = Store(tmp_path)
        seen.append(store.configuration(run.identity) == run.mapping())
        seen.append(store.finished(run.identity) is None)

    run = interrupted(tmp_path, 0, look)
    train_stack([run])
    assert seen == [True, True]


def test_the_history_has_training_and_validation_with_the_shares_of_every_gate(tmp_path):
    run = configuration(tmp_path, "gru", schedule={"name": "linear", "final": 0.0}, optimizer={**ADAM, "lr": 0.7})
    train_stack([run])
    for row in rows(tmp_path, run.identity, "train"):
        assert list(row) == ["step", "split", "loss", "learning_rate", "gradient_norm"]
        assert row["learning_rate"] == pytest.approx(0.7 * (1 - (row["step"] - 1) / 7), rel=1e-12)
        assert row["gradient_norm"] > 0
    for row in rows(tmp_path, run.identity, "validation"):
        gates = [f"gates/{gate}/{share}" for gate in ("r", "u") for share in ("mean", "shut", "open")]
        decays = [f"gates/u/decay_{part}" for part in (10, 50, 90)]  # of the gate that retains
        assert sorted(row) == sorted(["step", "split", "loss", "score", *gates, *decays])
        assert 0 < row["gates/u/decay_10"] <= row["gates/u/decay_50"] <= row["gates/u/decay_90"]
        assert all(0 <= row[gate] <= 1 for gate in gates)


def test_a_training_row_is_the_mean_of_the_steps_since_the_last_one(tmp_path):
    every, single = (configuration(tmp_path, training={"validate_every": number}) for number in (1, 8))
    train_stack([every])
    train_stack([single])
    losses = [row["loss"] for row in rows(tmp_path, every.identity, "train")]
    assert len(losses) == 8
    (row,) = rows(tmp_path, single.identity, "train")
    assert row["loss"] == pytest.approx(sum(losses) / 8, rel=1e-6)


def test_the_result_says_what_was_trained(tmp_path):
    run = configuration(tmp_path, "peephole", seed=4)
    (result,) = train_stack([run])
    assert Store(tmp_path).finished(run.identity) == result
    assert (result.identity, result.label, result.variant) == (run.identity, "peephole", "peephole")
    assert (result.task, result.seed, result.status, result.steps) == ("adding", 4, "finished", 8)
    assert (result.score_name, result.higher_is_better) == (run.task.score_name, False)
    assert (result.chance, result.perfect) == (run.task.chance, 0.0)
    gates, readout = 4 * (2 * 5 + 5 * 5 + 5) + 3 * 5, 5 + 1
    assert result.parameters == gates + readout
    assert result.seconds > 0
    assert all(map(math.isfinite, (*dataclasses.astuple(result.validation), *dataclasses.astuple(result.test))))
    assert result.settings["optimizer.lr"] == 0.01


def test_provenance_says_how_and_beside_how_many(tmp_path):
    runs = [configuration(tmp_path, seed=seed) for seed in range(2)]
    results = train_stack(runs)
    for position, run in enumerate(runs):
        origin = json.loads((tmp_path / run.identity / "provenance.json").read_text())
        assert {"versions", "git", "platform", "cpu_count", "date", "command"} < set(origin)
        assert (origin["device"], origin["path"]) == ("cpu", results[position].path)
        assert (origin["stack_runs"], origin["stack_position"]) == (2, position)
        assert origin["seconds_of_stack"] == pytest.approx(2 * results[position].seconds)


def test_a_run_that_was_killed_has_no_result_and_goes_on(tmp_path):
    with pytest.raises(RuntimeError, match="the power is gone"):
        train_stack([interrupted(tmp_path / "killed", seed, fail) for seed in (0, 1)])
    runs = [configuration(tmp_path / "killed", seed=seed) for seed in (0, 1)]
    store = Store(tmp_path / "killed")
    for run in runs:
        assert store.finished(run.identity) is None
        assert store.configuration(run.identity) == run.mapping()
        assert {row["step"] for row in store.history(run.identity)} == {3}
    execute(runs)
    train_stack([configuration(tmp_path / "whole", seed=seed) for seed in (0, 1)])
    for run in runs:
        assert outcome(tmp_path / "killed", run.identity) == outcome(tmp_path / "whole", run.identity)


def test_what_a_killed_run_had_chosen_does_not_outlive_it(tmp_path):
    """Before the first validation no checkpoint is the best; one that lay there would be another attempt's."""
    seen: list[bool] = []
    run = interrupted(tmp_path, 0, lambda: seen.append(left.exists()), training={"validate_every": 6})
    left: Path = tmp_path / run.identity / "checkpoint" / "best.pt"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"of another attempt")
    train_stack([run])
    assert seen == [False]


@pytest.mark.parametrize(
    "sections, message",
    [
        ({"task": {"name": "digits"}, "training": {"batch_size": 5000}}, "batch_size=5000"),
        ({"logger": {"mlflow": {}}}, "logger=mlflow: needs"),
        ({"logger": {"tensorboard": {}}}, "logger=tensorboard: needs"),
        ({"device": "cuda"}, "device=cuda: no CUDA device"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(tmp_path, monkeypatch, sections, message):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match=message):
        train_stack([configuration(tmp_path / "runs", **sections)])
    assert not (tmp_path / "runs").exists()
