"""Which checkpoint is chosen, when a run stops, and when the test split is opened."""

import dataclasses

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.tasks.memory.adding import Adding
from gatelab.training import train_stack
from gatelab.training.stack import network
from tests.training.examples import ADAM, ADDING, DIGITS, checkpoint, configuration, outcome, rows

CALLS: list[str] = []


class Watched(Adding):
    """The adding problem that notes what is asked of it."""

    def training_batch(self, seed, step, batch_size):
        CALLS.append("training")
        return super().training_batch(seed, step, batch_size)

    def validation(self):
        CALLS.append("validation")
        return super().validation()

    def test(self):
        CALLS.append("test")
        return super().test()


class Judged(Adding):
    """The adding problem whose validation scores are given: the score of a prediction is the next of a list."""

    def scores(self, outputs, targets):
        return torch.full_like(super().scores(outputs, targets), SCORES.pop(0))


SCORES: list[float] = []


def with_task(kind, run):
    return dataclasses.replace(run, task=kind(**{name: value for name, value in ADDING.items() if name != "name"}))


def judged(runs_dir, scores, **training):
    """One run whose validations after every step find these scores (lower is better)."""
    SCORES[:] = [*scores, 0.0]
    run = configuration(runs_dir, training={"validate_every": 1, "max_steps": len(scores), **training})
    return train_stack([with_task(Judged, run)])[0]


@pytest.mark.parametrize(
    "scores, best_step",
    [([3.0, 2.0, 1.0], 3), ([3.0, 1.0, 2.0], 2), ([1.0, 1.0, 1.0], 1), ([2.0, 1.0, 1.0, 3.0], 2)],
    ids=["falling", "a dip", "ties", "a tie of the best"],
)
def test_the_best_step_is_the_first_with_the_best_score(tmp_path, scores, best_step):
    result = judged(tmp_path, scores)
    assert result.best_step == best_step
    assert result.validation.score == min(scores)
    assert checkpoint(tmp_path, result.identity, "best.pt")["step"] == best_step


@pytest.mark.parametrize("stop_at, steps", [(2.0, 3), (1.9, 4), (0.5, 5), (None, 5)])
def test_a_run_stops_where_it_has_reached_its_score(tmp_path, stop_at, steps):
    result = judged(tmp_path, [4.0, 3.0, 2.0, 1.0, 1.5], stop_at=stop_at)
    assert (result.steps, result.status) == (steps, "finished")
    assert result.best_step == min(steps, 4)


@pytest.mark.parametrize(
    "patience, steps, best_step", [(1, 3, 2), (2, 6, 4), (3, 8, 7), (None, 8, 7)], ids=["one", "two", "three", "none"]
)
def test_patience_counts_validations_without_a_better_score(tmp_path, patience, steps, best_step):
    """Scores     5 4 4 3 3 3.5 2 6:  stale after 3; after 3 (reset at 4), 5, 6; never three in a row."""
    result = judged(tmp_path, [5.0, 4.0, 4.0, 3.0, 3.0, 3.5, 2.0, 6.0], patience=patience)
    assert (result.steps, result.best_step, result.status) == (steps, best_step, "finished")
    history = rows(tmp_path, result.identity, "validation")
    assert [row["step"] for row in history] == list(range(1, steps + 1))
    assert checkpoint(tmp_path, result.identity, "last.pt")["step"] == steps


def test_a_run_whose_patience_has_run_out_leaves_the_others_at_work(tmp_path):
    training = {"max_steps": 30, "validate_every": 1, "clip_norm": None}
    patient = configuration(tmp_path, optimizer={**ADAM, "lr": 0.003}, training={**training, "patience": None})
    hasty = configuration(tmp_path, optimizer={**ADAM, "lr": 2.0}, training={**training, "patience": 2})
    long, short = train_stack([patient, hasty])
    assert long.steps == 30
    assert short.steps < 30
    validations = [row["score"] for row in rows(tmp_path, short.identity, "validation")]
    assert len(validations) == short.steps
    assert short.best_step == 1 + int(np.argmin(validations)) == short.steps - 2
    alone = dataclasses.replace(patient, runs_dir=str(tmp_path / "alone"))
    train_stack([alone])
    assert outcome(tmp_path / "alone", alone.identity) == outcome(tmp_path, patient.identity)


@pytest.mark.parametrize("task", [ADDING, DIGITS], ids=lambda task: task["name"])
def test_test_is_measured_with_the_weights_that_validation_chose(tmp_path, task):
    """Measured once more here: the file of the best weights in a plain network, the mean in plain numpy."""
    training = {"max_steps": 12, "validate_every": 2}
    runs = [
        configuration(tmp_path, task=task, seed=seed, training=training, optimizer={**ADAM, "lr": 0.2})
        for seed in range(3)
    ]
    results = train_stack(runs)
    assert any(result.best_step != 12 for result in results)
    for run, result in zip(runs, results, strict=True):
        plain = network(run)
        plain.load_state_dict(checkpoint(tmp_path, run.identity, "best.pt")["weights"])
        history = rows(tmp_path, run.identity, "validation")
        best = next(row for row in history if row["step"] == result.best_step)
        assert (best["loss"], best["score"]) == dataclasses.astuple(result.validation)
        for measured, batch in ((result.validation, run.task.validation()), (result.test, run.task.test())):
            with torch.no_grad():
                output = plain(torch.from_numpy(batch.inputs))
            loss = run.task.losses(output, torch.from_numpy(batch.targets)).double().mean()
            score = run.task.scores(output, torch.from_numpy(batch.targets)).double().mean()
            assert measured.loss == pytest.approx(float(loss), rel=1e-6)
            assert measured.score == pytest.approx(float(score), rel=1e-6)


def test_the_last_checkpoint_is_where_training_ended_and_not_the_best(tmp_path):
    training = {"max_steps": 6, "validate_every": 1}
    run = configuration(tmp_path, optimizer={**ADAM, "lr": 2.0}, training=training)
    (result,) = train_stack([run])
    assert result.best_step != 6
    best, last = (checkpoint(tmp_path, run.identity, name) for name in ("best.pt", "last.pt"))
    assert (best["step"], last["step"], float(last["optimizer"]["step"])) == (result.best_step, 6, 6)
    assert any(not torch.equal(best["weights"][name], last["weights"][name]) for name in best["weights"])


def test_the_test_split_is_opened_once_and_after_training(tmp_path):
    CALLS.clear()
    train_stack([with_task(Watched, configuration(tmp_path, seed=seed)) for seed in range(2)])
    assert CALLS.count("test") == 1
    assert CALLS[-1] == "test"


@pytest.mark.parametrize(
    "max_steps, validate_every, expected",
    [(7, 3, [3, 6, 7]), (6, 3, [3, 6]), (4, 100, [4]), (1, 1, [1]), (3, 1, [1, 2, 3])],
)
def test_validation_falls_on_every_interval_and_on_the_last_step(tmp_path, max_steps, validate_every, expected):
    run = configuration(tmp_path, training={"max_steps": max_steps, "validate_every": validate_every})
    (result,) = train_stack([run])
    assert result.steps == max_steps
    for split in ("train", "validation"):
        assert [row["step"] for row in rows(tmp_path, run.identity, split)] == expected


class JudgedSet(Judged):
    """The same with a fixed training set; the scores of its predictions come from the list too."""


def both(runs_dir, scores):
    """One run that stops where validation and training both have 2.0 or better, its validations after every step."""
    SCORES[:] = [*scores, 0.0]
    training = {"validate_every": 1, "max_steps": 5, "stop_at": 2.0, "stop_on": "both"}
    run = configuration(runs_dir, task={**ADDING, "training_size": 20}, training=training)
    task = JudgedSet(**{name: value for name, value in run.task.model_dump().items() if name != "name"})
    return train_stack([dataclasses.replace(run, task=task)])[0]


def test_a_run_stops_where_training_and_validation_are_good_enough(tmp_path):
    """Validation and, only where it is good enough, training: 3; 1, 4; 2, 2. The weights of the stop are the tested."""
    result = both(tmp_path, [3.0, 1.0, 4.0, 2.0, 2.0])
    assert (result.steps, result.best_step, result.validation.score) == (3, 3, 2.0)


def test_without_a_training_set_it_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"^training\.stop_on=both: task 'adding' draws new training sequences"):
        configuration(tmp_path, training={"stop_on": "both", "stop_at": 0.1})


def test_a_learning_rate_drops_on_plateaus(tmp_path):
    """Two validations without a better score are a plateau: those after steps 4, 6 and 9."""
    SCORES[:] = [5.0, 4.0, 4.0, 4.0, 4.0, 4.5, 3.0, 3.0, 3.0, 3.0, 0.0]
    schedule = {"name": "plateau", "patience": 2, "drop": 0.5}
    run = configuration(tmp_path, schedule=schedule, training={"validate_every": 1, "max_steps": 10})
    result = train_stack([with_task(Judged, run)])[0]
    factors = [row["learning_rate"] / ADAM["lr"] for row in rows(tmp_path, result.identity, "train")]
    assert factors == pytest.approx([1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125], rel=1e-12)
    assert checkpoint(tmp_path, result.identity, "last.pt")["drops"] == 3


def test_a_checkpoint_of_another_schedule_has_no_drops(tmp_path):
    result = judged(tmp_path, [5.0, 6.0, 7.0])
    assert "drops" not in checkpoint(tmp_path, result.identity, "last.pt")
