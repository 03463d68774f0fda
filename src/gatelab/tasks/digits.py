"""Digits, pixel by pixel: which digit was drawn, after its 64 pixels were seen one by one.

    image row 1   0.00  0.00  0.31  0.81  0.56  0.06  0.00  0.00      the first 8 steps
    …
    image row 8   0.00  0.00  0.38  0.81  0.63  0.00  0.00  0.00      the last 8 steps
    target                                                   the class 0

1,797 handwritten digits of 8 x 8 pixels, read row by row. Guessing gives an accuracy of 0.1; perfect is 1. Source:
Alpaydin & Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository (the test part),
as scikit-learn's ``load_digits`` brings it; pixel-by-pixel reading as in Le, Jaitly & Hinton 2015, section 4.2.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gatelab.randomness import generator
from gatelab.tasks.measures import accuracy, cross_entropy
from gatelab.tasks.task import Batch, FiniteTask

if TYPE_CHECKING:
    from torch import Tensor

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
    loss_name: ClassVar[str] = "cross-entropy (nats)"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    chance: ClassVar[float] = 1 / _CLASSES
    chance_meaning: ClassVar[str] = "guessing a digit"
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = "Alpaydin & Kaynak 1998 (scikit-learn's load_digits)"

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

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(outputs, targets)

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return accuracy(outputs, targets)


@lru_cache(maxsize=4)
def _splits(data_seed: int, validation_size: int, test_size: int) -> tuple[Batch, Batch, Batch]:
    """Return training, validation and test."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, digits = load_digits(return_X_y=True)
    scikit_seed = int(generator(data_seed, "split").integers(2**32))
    rest, test = train_test_split(np.arange(_IMAGES), test_size=test_size, stratify=digits, random_state=scikit_seed)
    training, validation = train_test_split(
        rest, test_size=validation_size, stratify=digits[rest], random_state=scikit_seed
    )
    return (
        _batch(pixels[training], digits[training]),
        _batch(pixels[validation], digits[validation]),
        _batch(pixels[test], digits[test]),
    )


def _batch(pixels: NDArray[np.float64], digits: NDArray[np.int64]) -> Batch:
    inputs = np.ascontiguousarray(pixels.T[:, :, None] / _WHITEST, np.float32)
    weights = np.ones(len(digits), np.float32)
    return Batch(inputs, np.full(len(digits), _STEPS, np.int64), digits.astype(np.int64), weights, weights.copy())
