"""Digits: images, labels and splits are those that stored runs saw; pixels arrive row by row."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from gatelab.errors import UserError
from gatelab.tasks import task_from_mapping
from gatelab.tasks.images import digits as module
from gatelab.tasks.images.digits import Digits

IMAGES = "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"  # of (1797, 64) bytes
LABELS = "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0"  # of (1797,) bytes

# Inputs and targets of training, validation and test, as load_digits and train_test_split of scikit-learn 1.9.1 gave
# them: (data_seed, validation_size, test_size) -> sha256.
SPLITS = {
    (0, 300, 300): "77ee3a35fbc2629f11d796077e9639498abd6272fac934c12d9a4c2d0af2145a",
    (1, 300, 300): "a63d6c390e162bab9f04ec768a5b555e3631ef4696da21b42a5322cc8ae3846c",
    (2, 300, 300): "5fbf01bbde0b40d9a03d886498f8ca1d6c1c408398399f4fdfb3baf509bc2eb9",
    (12345678901, 411, 97): "69adb85d214f42d21580f14b879d858b9ddca08f10ad5134b9e51f4f0f3f83a8",
    (3, 10, 1777): "adb55a9810943ab4bb7f9256b3ab2593a6d22ed3ecb4940102bfa3b46832ac96",
}


def shipped():
    with np.load(Path(module.__file__).with_name("digits.npz"), allow_pickle=False) as file:
        assert sorted(file) == ["digits", "pixels"]
        return file["pixels"], file["digits"]


def test_the_shipped_images_and_labels_are_those_of_the_source():
    pixels, digits = shipped()
    assert (pixels.shape, pixels.dtype) == ((1797, 64), np.uint8)
    assert (digits.shape, digits.dtype) == ((1797,), np.uint8)
    assert sha256(pixels.tobytes()).hexdigest() == IMAGES
    assert sha256(digits.tobytes()).hexdigest() == LABELS
    # UCI's description of optdigits.tes
    assert np.bincount(digits).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@pytest.mark.parametrize("keys", SPLITS)
def test_splits_are_bit_for_bit_those_that_stored_runs_saw(keys):
    data_seed, validation_size, test_size = keys
    task = Digits(data_seed=data_seed, validation_size=validation_size, test_size=test_size)
    content = sha256()
    for part in (task.training(), task.validation(), task.test()):
        assert [part.inputs.dtype, part.targets.dtype] == ["float32", "int64"]
        content.update(part.inputs.tobytes())
        content.update(part.targets.tobytes())
    assert content.hexdigest() == SPLITS[keys]


def test_splits_have_their_sizes_and_make_up_the_whole():
    task = Digits()
    parts = [task.training(), task.validation(), task.test()]
    assert [len(part.lengths) for part in parts] == [1197, 300, 300]
    ours = np.concatenate([part.inputs[..., 0] for part in parts], 1).T
    theirs = (shipped()[0] / 16).astype(np.float32)
    np.testing.assert_array_equal(np.sort(ours, 0), np.sort(theirs, 0))
    assert {image.tobytes() for image in ours} == {image.tobytes() for image in theirs}


def test_splits_have_the_digits_in_equal_proportions():
    task = Digits()
    whole = np.bincount(shipped()[1]) / 1797
    for part in (task.training(), task.validation(), task.test()):
        np.testing.assert_allclose(np.bincount(part.targets) / len(part.targets), whole, atol=1 / len(part.targets))


def test_pixels_arrive_row_by_row_between_zero_and_one():
    batch = Digits().test()
    known = {(image / 16).astype(np.float32).tobytes(): digit for image, digit in zip(*shipped(), strict=True)}
    assert batch.inputs.shape == (64, 300, 1)
    assert batch.inputs.min() == 0
    assert batch.inputs.max() == 1
    for index in range(300):
        assert known[batch.inputs[:, index, 0].tobytes()] == batch.targets[index]
    # the first image, as it looks in the file of the source
    assert shipped()[0][0].reshape(8, 8)[0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]


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
