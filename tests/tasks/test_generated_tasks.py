"""Adding and copying: drawn as in the paper; a solution scores perfect, a guess scores chance."""

import math

import numpy as np
import pytest
import torch

from gatelab.tasks.checking import sequences
from gatelab.tasks.formal.transduction import ReverseString
from gatelab.tasks.held_out import drawn_beside
from gatelab.tasks.memory.adding import Adding
from gatelab.tasks.memory.copying import Copying

STANDARD_ERRORS = 5


def mean(weights, values):
    return float((weights * values.numpy()).sum() / weights.sum())


@pytest.mark.parametrize("length", [2, 3, 10, 11])
def test_adding_marks_one_number_in_each_half(length):
    batch = Adding(length=length).training_batch(0, 0, 400)
    numbers, marks = batch.inputs[..., 0], batch.inputs[..., 1]
    assert set(np.unique(marks)) <= {0, 1}
    assert (marks[: length // 2].sum(0) == 1).all()
    assert (marks[length // 2 :].sum(0) == 1).all()
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert (marks.sum(1) > 0).all(), "every position is marked in some sequence"


def test_adding_solved_by_hand_is_perfect():
    task = Adding(length=20)
    batch = task.test()
    outputs = torch.from_numpy((batch.inputs[..., 0] * batch.inputs[..., 1]).sum(0)[:, None])
    scores = task.scores(outputs, torch.from_numpy(batch.targets))
    assert mean(batch.score_weights, scores) == pytest.approx(task.perfect, abs=1e-12)


def test_adding_predicting_one_always_is_chance():
    task = Adding(length=20, test_size=20_000)
    batch = task.test()
    scores = task.scores(torch.ones(20_000, 1), torch.from_numpy(batch.targets))
    # The sum s of two uniform numbers has E (s - 1)² = 1/6 and E (s - 1)⁴ = 1/15.
    standard_error = math.sqrt((1 / 15 - 1 / 36) / 20_000)
    assert abs(mean(batch.score_weights, scores) - 1 / 6) < STANDARD_ERRORS * standard_error
    assert task.chance == pytest.approx(0.167, abs=5e-4)


def test_copying_draws_the_picture_of_its_docstring():
    task = Copying(length=4, tokens=3, symbols=8)
    batch = task.training_batch(0, 0, 50)
    classes = batch.inputs.argmax(-1)
    blank, delimiter = 8, 9
    assert batch.inputs.shape == (10, 50, 10)
    assert (batch.inputs.sum(-1) == 1).all()
    assert (classes[:3] < blank).all()
    assert (classes[3:6] == blank).all()
    assert (classes[6] == delimiter).all()
    assert (classes[7:] == blank).all()
    assert (batch.targets[:7] == blank).all()
    np.testing.assert_array_equal(batch.targets[7:], classes[:3])
    assert set(classes[:3].ravel()) == set(range(8))
    assert (batch.loss_weights == 1).all()
    np.testing.assert_array_equal(batch.score_weights[:, 0], [0, 0, 0, 0, 0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("length", [1, 2, 30])
def test_copying_solved_by_hand_is_perfect(length):
    task = Copying(length=length)
    batch = task.test()
    answers = np.full(batch.targets.shape, 8)
    answers[-10:] = batch.inputs[:10].argmax(-1)
    outputs = torch.from_numpy(60 * np.eye(9, dtype=np.float32)[answers])
    targets = torch.from_numpy(batch.targets)
    assert mean(batch.score_weights, task.scores(outputs, targets)) == task.perfect
    assert mean(batch.loss_weights, task.losses(outputs, targets)) == pytest.approx(0, abs=1e-6)


def test_copying_without_memory_is_chance():
    task = Copying(length=20, test_size=4000)
    batch = task.test()
    outputs = torch.zeros(40, 4000, 9)
    outputs[:30, :, 8] = 60
    outputs[30:, :, 8] = -60
    targets = torch.from_numpy(batch.targets)
    assert mean(batch.loss_weights, task.losses(outputs, targets)) == pytest.approx(10 * math.log(8) / 40, abs=1e-6)
    standard_error = math.sqrt(1 / 8 * 7 / 8 / 40_000)
    assert abs(mean(batch.score_weights, task.scores(outputs, targets)) - 1 / 8) < STANDARD_ERRORS * standard_error
    assert task.chance == 1 / 8


def test_equal_tasks_are_one_value():
    assert len({Copying(length=5), Copying(length=5), Copying(length=6)}) == 2


class Different(ReverseString):
    """Strings of which each set has none twice."""

    @property
    def differing(self):
        return True


def test_sequences_of_a_set_differ_where_a_task_says_so():
    """All 2 + 4 + 8 strings of at most three bits, dealt to three parts of which each has some."""
    sizes = {"length": 3, "training_size": 8, "validation_size": 6, "test_size": 5}
    task = Different(**sizes)
    parts = [sequences(batch) for batch in (task.training_set(), task.validation(), task.test())]
    assert [len(part) for part in parts] == [8, 6, 5]
    assert not parts[0] & (parts[1] | parts[2])
    assert list(task.remarks()) == []
    usual = ReverseString(**sizes)
    assert len(sequences(usual.training_set())) < 8
    assert list(usual.remarks()) == []


def test_sequences_that_do_not_exist_are_not_looked_for_long():
    """Two strings of one bit, where 600 are wanted: after a thousand in vain the rest repeats them."""
    task, calls = Different(length=1), list[int]()

    def draw():
        calls.append(len(calls))
        return task.draw(np.random.default_rng(len(calls)), 600)

    found = drawn_beside(draw, 600, frozenset(), differing=True)
    assert len(calls) == 3
    assert len(found.lengths) == 600
    assert len(sequences(found)) == 2
