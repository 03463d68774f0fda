"""Digits, pixel by pixel: name the digit after reading its 64 pixels one by one.

    image row 1   0.00  0.00  0.31  0.81  0.56  0.06  0.00  0.00      the first 8 steps
    …
    image row 8   0.00  0.00  0.38  0.81  0.63  0.00  0.00  0.00      the last 8 steps
    target                                                   the class 0

1,797 handwritten digits of 8 x 8 pixels, read row by row. Guessing gives an accuracy of 0.1; perfect is 1. Source:
Alpaydin & Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository (the test part);
pixel-by-pixel reading as in Le, Jaitly & Hinton 2015, section 4.2. The images come with gatelab, in ``digits.npz``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gatelab.randomness import generator
from gatelab.tasks.finite_task import FiniteTask
from gatelab.tasks.losses import Measure, accuracy, cross_entropy
from gatelab.tasks.task import Batch

__all__ = ["Digits"]

_IMAGES, _CLASSES, _STEPS = 1797, 10, 64
_WHITEST = 16  # pixels are counts of 0 … 16 in a 4 x 4 block of the original bitmap


class Digits(FiniteTask):
    """Handwritten digits: inputs (64, batch, 1) in 0 … 1, targets (batch,) classes 0 … 9.

    ``data_seed`` alone decides which image is in which split; every split has the digits in equal proportions.
    """

    name: Literal["digits"] = "digits"
    data_seed: int = Field(default=0, ge=0)
    validation_size: int = Field(default=300, ge=_CLASSES)
    test_size: int = Field(default=300, ge=_CLASSES)

    input_size: ClassVar[int] = 1
    output_size: ClassVar[int] = _CLASSES
    readout: ClassVar[Literal["last", "every"]] = "last"
    loss: ClassVar[Measure] = cross_entropy
    score: ClassVar[Measure] = accuracy
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    chance: ClassVar[float] = 1 / _CLASSES
    chance_meaning: ClassVar[str] = "guessing a digit"
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = "Alpaydin & Kaynak 1998 (UCI, the test part)"

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> Self:
        most = _IMAGES - _CLASSES
        if self.validation_size + self.test_size > most:
            raise ValueError(
                f"validation_size={self.validation_size} and test_size={self.test_size} must sum to at most {most} "
                f"of the {_IMAGES} images"
            )
        return self

    def training(self) -> Batch:
        return _splits(self.data_seed, self.validation_size, self.test_size)[0]

    def validation(self) -> Batch:
        return _splits(self.data_seed, self.validation_size, self.test_size)[1]

    def test(self) -> Batch:
        return _splits(self.data_seed, self.validation_size, self.test_size)[2]


@lru_cache(maxsize=4)
def _splits(data_seed: int, validation_size: int, test_size: int) -> tuple[Batch, Batch, Batch]:
    """Return training, validation and test."""
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as file:
        pixels, digits = file["pixels"], file["digits"]
    seed = int(generator(data_seed, "split").integers(2**32))
    rest, test = _divided(digits, test_size, seed)
    training, validation = (rest[part] for part in _divided(digits[rest], validation_size, seed))
    return (
        _batch(pixels[training], digits[training]),
        _batch(pixels[validation], digits[validation]),
        _batch(pixels[test], digits[test]),
    )


def _divided(digits: NDArray[np.uint8], size: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of a rest and of ``size`` images; both have the digits in the proportions of the whole.

    Stored runs saw the splits that scikit-learn 1.9 draws. This draws the same numbers in the same order, from the
    generator of NumPy whose stream never changes (NEP 19), so that no release of a library changes the data of a run.
    """
    draw = np.random.RandomState(seed)
    counts = np.bincount(digits, minlength=_CLASSES)
    of_rest = _shares(counts, len(digits) - size, draw)
    of_drawn = _shares(counts - of_rest, size, draw)
    rest, drawn = [], []
    for digit in range(_CLASSES):
        shuffled = np.flatnonzero(digits == digit)[draw.permutation(counts[digit])]
        rest.append(shuffled[: of_rest[digit]])
        drawn.append(shuffled[of_rest[digit] : of_rest[digit] + of_drawn[digit]])
    return draw.permutation(np.concatenate(rest)), draw.permutation(np.concatenate(drawn))


def _shares(counts: NDArray[np.int64], size: int, draw: np.random.RandomState) -> NDArray[np.int64]:
    """Return how many of ``size`` fall to each class: its share rounded down, and one more for the largest remainders.

    Of remainders that are equal, chance takes as many as are missing.
    """
    exact = counts / counts.sum() * size
    shares = np.floor(exact).astype(np.int64)
    remainders = exact - shares
    for remainder in np.unique(remainders)[::-1]:
        missing = size - int(shares.sum())
        if missing == 0:
            break
        equal = np.flatnonzero(remainders == remainder)
        shares[draw.choice(equal, min(len(equal), missing), replace=False)] += 1
    return shares


def _batch(pixels: NDArray[np.uint8], digits: NDArray[np.uint8]) -> Batch:
    inputs = np.ascontiguousarray(pixels.T[:, :, None] / _WHITEST, np.float32)
    weights = np.ones(len(digits), np.float32)
    return Batch(inputs, np.full(len(digits), _STEPS, np.int64), digits.astype(np.int64), weights, weights.copy())
