"""A run that diverges is frozen and counted, and does not affect the others."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from gatelab.store import Store
from gatelab.tasks.memory.adding import Adding
from gatelab.training import train_stack, unread_health
from tests.training.examples import ADDING, checkpoint, configuration, outcome, rows

POISONED, STEP = 13, 4
SGD = {"_target_": "torch.optim.SGD"}


class PoisonedAdding(Adding):
    """The adding problem, with a number that is none in the batch of one step of one seed."""

    def training_batch(self, seed, step, batch_size):
        batch = super().training_batch(seed, step, batch_size)
        if (seed, step) == (POISONED, STEP):
            batch.inputs[2, 1, 0] = np.nan
        return batch


def poisoned(runs_dir, seed, **sections):
    run = configuration(runs_dir, seed=seed, **sections)
    task = {name: value for name, value in ADDING.items() if name != "name"}
    return dataclasses.replace(run, task=PoisonedAdding(**task))


@pytest.fixture(autouse=True, params=["every step", "now and then"])
def looked_at(request, monkeypatch):
    """When the health of steps is read: after each, or as late as on a device, where reading waits."""
    if request.param == "now and then":
        monkeypatch.setattr(unread_health, "reads_at_once", lambda tensor: False)


@pytest.fixture
def neighbours(tmp_path):
    """Three runs, the middle one of which diverges in its fifth step of eight; validation after every third."""
    return train_stack([poisoned(tmp_path, seed) for seed in (1, POISONED, 2)])


def test_it_is_recorded_with_its_step(tmp_path, neighbours):
    assert [result.status for result in neighbours] == ["finished", "diverged", "finished"]
    assert [result.diverged_at for result in neighbours] == [None, STEP + 1, None]
    assert [result.steps for result in neighbours] == [8, STEP + 1, 8]
    assert Store(tmp_path).finished(neighbours[1].identity) == neighbours[1]
    text = (tmp_path / neighbours[1].identity / "result.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["status"] == "diverged"


def test_its_history_ends_there(tmp_path, neighbours):
    identity = neighbours[1].identity
    training, validation = rows(tmp_path, identity, "train"), rows(tmp_path, identity, "validation")
    assert [row["step"] for row in training] == [3, STEP + 1]
    assert [math.isnan(row["loss"]) for row in training] == [False, True]
    assert [row["step"] for row in validation] == [3]


def test_it_keeps_its_best_checkpoint_and_finite_weights(tmp_path, neighbours):
    result = neighbours[1]
    assert result.best_step == 3
    assert math.isfinite(result.test.score)
    assert checkpoint(tmp_path, result.identity, "best.pt")["step"] == 3
    last = checkpoint(tmp_path, result.identity, "last.pt")
    assert last["step"] == STEP + 1
    assert all(torch.isfinite(weight).all() for weight in last["weights"].values())


def test_its_neighbours_do_not_notice(tmp_path, neighbours):
    train_stack([poisoned(tmp_path / "without", seed) for seed in (1, 2)])
    for position in (0, 2):
        identity = neighbours[position].identity
        assert outcome(tmp_path, identity) == outcome(tmp_path / "without", identity)


@pytest.mark.parametrize("validate_every", [1, 3, 5, 50])
def test_a_stack_of_which_nothing_is_left_stops(tmp_path, validate_every):
    training = {"validate_every": validate_every, "max_steps": 40}
    results = train_stack([poisoned(tmp_path, POISONED, training=training)])
    assert results[0].diverged_at == results[0].steps == STEP + 1
    assert len(rows(tmp_path, results[0].identity, "train")) == (STEP // validate_every) + 1


def test_without_a_validation_there_is_no_best_step_and_test_stays_shut(tmp_path, monkeypatch):
    monkeypatch.setattr(Adding, "test", lambda self: pytest.fail("the test split was opened"))
    (result,) = train_stack([poisoned(tmp_path, POISONED, training={"validate_every": 8})])
    assert result.best_step is None
    assert all(map(math.isnan, (*dataclasses.astuple(result.validation), *dataclasses.astuple(result.test))))
    assert Store(tmp_path).finished(result.identity).status == "diverged"
    assert not (tmp_path / result.identity / "checkpoint" / "best.pt").exists()


@pytest.mark.parametrize("lr, decay, at", [(1e30, 0.0, 2), (3e38, 100.0, 1)])
def test_a_learning_rate_beyond_all_bounds(tmp_path, lr, decay, at):
    """1e30 makes a finite step whose loss is infinite; the step of 3e38 × 100 is no float32, and is not taken."""
    training = {"clip_norm": None}
    optimizers = [{**SGD, "lr": 0.01}, {**SGD, "lr": lr, "weight_decay": decay}]
    runs = [configuration(tmp_path, optimizer=optimizer, training=training) for optimizer in optimizers]
    kept, lost = train_stack(runs)
    assert kept.status == "finished"
    assert (lost.status, lost.diverged_at) == ("diverged", at)
    weights = checkpoint(tmp_path, lost.identity, "last.pt")["weights"]
    assert all(torch.isfinite(weight).all() for weight in weights.values())


def test_a_validation_that_is_not_finite_is_a_divergence_too(tmp_path):
    """The step of 1e30 is followed by a validation before the next loss could show it."""
    training = {"validate_every": 1, "clip_norm": None}
    (result,) = train_stack([configuration(tmp_path, optimizer={**SGD, "lr": 1e30}, training=training)])
    assert (result.diverged_at, result.best_step) == (1, None)
    assert [row["step"] for row in rows(tmp_path, result.identity, "validation")] == [1]
