"""The forms of the copying memory problem: each draws the picture of its docstring."""

import itertools

import numpy as np
import pytest

from gatelab.errors import UserError
from gatelab.randomness import generator
from gatelab.tasks import task_from_mapping
from gatelab.tasks.memory.copying import CopyingS4, CopyingTcn, CopyingVariableLag
from gatelab.tasks.memory.selective_copying import SelectiveCopying

STANDARD_ERRORS = 5


def draw(task, size=200):
    return task.draw(generator(0, "test"), size)


def test_the_form_of_tcn_gives_numbers_and_one_delimiter_more():
    batch = draw(CopyingTcn(length=4, tokens=3, symbols=8))
    numbers = batch.inputs[..., 0]
    assert batch.inputs.shape == (10, 200, 1)
    assert set(np.unique(numbers[:3])) == set(range(1, 9))
    assert (numbers[3:6] == 0).all()
    assert (numbers[6:] == 9).all()
    assert (batch.targets[:7] == 8).all()
    np.testing.assert_array_equal(batch.targets[7:], numbers[:3] - 1)
    np.testing.assert_array_equal(batch.score_weights[:, 0], [0] * 7 + [1] * 3)
    assert (batch.loss_weights == 1).all()


def test_the_form_of_s4_asks_for_the_tokens_alone():
    batch = draw(CopyingS4(length=4, tokens=3, symbols=8))
    classes = batch.inputs.argmax(-1)
    assert batch.inputs.shape == (10, 200, 10)
    assert set(np.unique(classes[:3])) == set(range(8))
    assert (classes[3:7] == 8).all()
    assert (classes[7:] == 9).all()
    np.testing.assert_array_equal(batch.targets[7:], classes[:3])
    np.testing.assert_array_equal(batch.loss_weights[:, 0], [0] * 7 + [1] * 3)
    np.testing.assert_array_equal(batch.score_weights, batch.loss_weights)


def test_a_variable_lag_is_uniform_and_its_end_is_told_by_the_delimiter():
    size = 20_000
    batch = draw(CopyingVariableLag(length=5, tokens=2, symbols=3), size)
    classes = batch.inputs.argmax(-1)
    lags = batch.lengths - 4
    counts = np.bincount(lags, minlength=6)[1:]
    assert counts.sum() == size
    assert (np.abs(counts - size / 5) <= STANDARD_ERRORS * np.sqrt(size / 5 * 4 / 5)).all()
    for index in range(50):
        lag, column = lags[index], classes[: batch.lengths[index], index]
        assert (column[:2] < 3).all()
        assert column[2:].tolist() == [3] * (lag - 1) + [4] + [3] * 2
        tokens = column[:2].tolist()
        assert batch.targets[: batch.lengths[index], index].tolist() == [3] * (2 + lag) + tokens
        assert batch.score_weights[:, index].tolist() == [0] * (2 + lag) + [1] * 2 + [0] * (5 - lag)
        assert batch.loss_weights[:, index].tolist() == [1] * (4 + lag) + [0] * (5 - lag)


def test_scattered_tokens_lie_in_every_choice_of_places_equally_often():
    size = 20_000
    task = SelectiveCopying(length=8, tokens=2, symbols=3)
    batch = draw(task, size)
    classes = batch.inputs.argmax(-1)
    is_token = classes < 3
    assert (classes[5] == 4).all()
    assert (classes[6:] == 3).all()
    assert (is_token.sum(0) == 2).all()
    for index in range(50):
        assert classes[is_token[:, index], index].tolist() == batch.targets[6:, index].tolist()
    places = [tuple(map(int, np.flatnonzero(column))) for column in is_token.T]
    expected = size / 10
    for choice in itertools.combinations(range(5), 2):
        assert abs(places.count(choice) - expected) <= STANDARD_ERRORS * np.sqrt(expected * 0.9)
    np.testing.assert_array_equal(batch.loss_weights[:, 0], [0] * 6 + [1] * 2)
    np.testing.assert_array_equal(batch.score_weights, batch.loss_weights)


def test_a_field_may_be_full_of_tokens_and_no_fuller():
    batch = draw(SelectiveCopying(length=5, tokens=2, symbols=3), 20)
    np.testing.assert_array_equal(batch.inputs.argmax(-1)[:2], batch.targets[-2:])
    with pytest.raises(UserError, match=r"^task: length=4 must be at least 5 for tokens=2$"):
        task_from_mapping({"name": "selective_copying", "length": 4, "tokens": 2})


def test_the_same_tokens_from_the_same_generator_whatever_the_form():
    answers = [draw(form(length=6)).targets[-10:] for form in (CopyingS4, CopyingTcn)]
    np.testing.assert_array_equal(*answers)
