"""Digits: the splits are fixed, balanced and together all of the data; pixels arrive row by row."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from gatelab.errors import UserError
from gatelab.tasks import Digits, task_from_mapping


def test_splits_have_their_sizes_and_make_up_the_whole():
    task = Digits()
    parts = [task.training(), task.validation(), task.test()]
    assert [len(part.lengths) for part in parts] == [1197, 300, 300]
    ours = np.concatenate([part.inputs[..., 0] for part in parts], 1).T
    theirs = (load_digits().images.reshape(1797, 64) / 16).astype(np.float32)
    np.testing.assert_array_equal(np.sort(ours, 0), np.sort(theirs, 0))
    assert {image.tobytes() for image in ours} == {image.tobytes() for image in theirs}


def test_splits_have_the_digits_in_equal_proportions():
    task = Digits()
    whole = np.bincount(load_digits().target) / 1797
    for part in (task.training(), task.validation(), task.test()):
        np.testing.assert_allclose(np.bincount(part.targets) / len(part.targets), whole, atol=1 / len(part.targets))


def test_pixels_arrive_row_by_row_between_zero_and_one():
    batch = Digits().test()
    theirs = {(image / 16).astype(np.float32).tobytes(): digit for image, digit in zip(*images(), strict=True)}
    assert batch.inputs.shape == (64, 300, 1)
    assert batch.inputs.min() == 0
    assert batch.inputs.max() == 1
    for index in range(300):
        assert theirs[batch.inputs[:, index, 0].reshape(8, 8).tobytes()] == batch.targets[index]


def images():
    digits = load_digits()
    return digits.images, digits.target


def test_the_data_seed_alone_decides_the_splits():
    one, other = Digits(data_seed=1).test(), Digits(data_seed=2).test()
    assert not np.array_equal(one.targets, other.targets)
    np.testing.assert_array_equal(one.inputs, Digits(data_seed=1).test().inputs)


def test_the_right_answer_is_perfect_and_one_digit_always_is_chance():
    task = Digits()
    batch = task.test()
    targets = torch.from_numpy(batch.targets)
    assert task.scores(torch.eye(10)[targets], targets).mean() == task.perfect
    always_three = torch.eye(10)[torch.full((300,), 3)]
    assert task.scores(always_three, targets).mean() == pytest.approx(task.chance, abs=0.01)
    assert task.losses(torch.zeros(300, 10), targets).mean() == pytest.approx(np.log(10), rel=1e-6)


def test_splits_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(UserError, match=r"^task: validation_size=1000 and test_size=788 must sum to at most 1787"):
        task_from_mapping({"name": "digits", "validation_size": 1000, "test_size": 788})
    assert len(Digits(validation_size=1000, test_size=787).training().lengths) == 10
