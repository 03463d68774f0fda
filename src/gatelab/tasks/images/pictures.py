"""Pictures, pixel by pixel: name the class after reading the pixels one by one.

    smnist     row 1 … row 28 of a digit, 784 steps of one grey value in 0 … 1   target  the digit, 0 … 9
    pmnist     the same 784 pixels in one fixed order that scatters them         target  the digit, 0 … 9
    scifar10   row 1 … row 32 of a photograph, 1024 steps of red, green, blue    target  its class, 0 … 9

Pixels are divided by 255. The code of several papers then subtracts the mean of a pixel and divides by its standard
deviation: ``pixels=standardised`` does it with the numbers of Bai, Kolter & Koltun 2018 for MNIST (0.1307 and 0.3081)
and of Gu, Goel & Ré 2022 for CIFAR-10 (the latter leave MNIST as it is). Bai et al. train on all 60,000 digits and look
at the test after every epoch; here a validation is always cut off. The public test
part is the test; ``validation_size`` pictures are cut from the public training part, by ``data_seed`` alone. Guessing
gives an accuracy of 0.1, answering "1" always 0.1135 on MNIST, where 1,135 of the 10,000 test digits are ones; perfect
is 1.

Source: pixel-by-pixel reading and the permuted form from Le, Jaitly & Hinton 2015, "A Simple Way to Initialize
Recurrent Networks of Rectified Linear Units", section 4.2. MNIST: LeCun, Bottou, Bengio & Haffner 1998. CIFAR-10:
Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images"; as a sequence in Gu, Goel & Ré 2022,
"Efficiently Modeling Long Sequences with Structured State Spaces".
"""

from __future__ import annotations

import hashlib
import io
from abc import abstractmethod
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gatelab.errors import UserError
from gatelab.keys import Key
from gatelab.randomness import generator
from gatelab.tasks.losses import Measure, accuracy, cross_entropy
from gatelab.tasks.sources.byte_arrays import PackedTask, Splits
from gatelab.tasks.sources.fetch import Sha256, read_own_file
from gatelab.tasks.sources.picture_files import CIFAR10, MNIST, Pictures, PictureSet, hash_of_pictures, load_pictures
from gatelab.tasks.task import Batch

__all__ = ["PermutedMnist", "SequentialCifar10", "SequentialMnist"]

_PIXELS = 28 * 28
_PERMUTATION = f"an .npy file of a permutation of {_PIXELS} pixels"
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # red, green, blue of ITU-R BT.601, as in most grey CIFAR-10
# mean and standard deviation of a pixel, of the code of Gu, Goel & Ré 2022 (src/dataloaders/basic.py)
_RGB = ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261))
_GREY = (122.6 / 255, 61.0 / 255)


class _PictureTask(PackedTask):
    """A picture read pixel by pixel: inputs (pixels, batch, channels) in 0 … 1, targets (batch,) classes 0 … 9.

    Reading the data raises :class:`UserError` in one line if they are missing, cannot be fetched, have another hash,
    or are not such pictures, or if ``validation_size`` leaves nothing to train on.
    """

    path: str | None = None
    """A local copy; null takes the public one from the cache of Hugging Face datasets, after fetching it if need be."""
    sha256: Sha256 | None = None
    """Hash of all pixels and classes; null is enough for the public ones, and is computed of a local copy."""
    data_seed: int = Field(default=0, ge=0)
    validation_size: int = Field(default=5000, ge=1)
    pixels: Annotated[
        Literal["plain", "standardised"],
        Key("plain: from 0 to 1; standardised: less the mean of a pixel, over its standard deviation", neutral="plain"),
    ] = "plain"

    output_size: ClassVar[int] = 10
    readout: ClassVar[Literal["last", "every"]] = "last"
    loss: ClassVar[Measure] = cross_entropy
    score: ClassVar[Measure] = accuracy
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    perfect: ClassVar[float] = 1.0

    def splits(self) -> Splits:
        return _split(self._pictures(), self.path, self.pinned().sha256, self.data_seed, self.validation_size)

    def pinned(self) -> Self:
        if self.path is None or self.sha256 is not None:
            return self
        return self.model_copy(update={"sha256": hash_of_pictures(self._pictures(), self.path)})

    def standardised(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return brightnesses 0 … 1 (steps, batch, channels) as inputs."""
        if self.pixels == "plain":
            return values
        mean, deviation = self.statistics
        return (values - np.float32(mean)) / np.float32(deviation)

    @property
    @abstractmethod
    def statistics(self) -> tuple[Any, Any]:
        """Mean and standard deviation of a pixel in 0 … 1, for all channels or for each."""

    @abstractmethod
    def _pictures(self) -> PictureSet:
        """Return the kind of pictures."""


class _Mnist(_PictureTask):
    """Handwritten digits of 28 x 28 grey values."""

    input_size: ClassVar[int] = 1
    chance: ClassVar[float] = 0.1135
    chance_meaning: ClassVar[str] = "answering 1 always"
    source: ClassVar[str] = "Le, Jaitly & Hinton 2015, section 4.2 (MNIST: LeCun, Bottou, Bengio & Haffner 1998)"
    statistics: ClassVar[tuple[float, float]] = (0.1307, 0.3081)

    def _pictures(self) -> PictureSet:
        return MNIST


class SequentialMnist(_Mnist):
    """Handwritten digits, row by row: inputs (784, batch, 1)."""

    name: Literal["smnist"] = "smnist"

    def unpack(self, packed: Batch) -> Batch:
        return packed._replace(inputs=self.standardised(packed.inputs.astype(np.float32) / 255))


class PermutedMnist(_Mnist):
    """Handwritten digits, their pixels in one order for all of them: inputs (784, batch, 1).

    Step t shows pixel ``permutation[t]`` of the picture read row by row. Papers differ in the order:

        seeded        drawn from ``permutation_seed`` alone (as Bai, Kolter & Koltun 2018 do, though not their numbers)
        bit_reversal  0, 512, 256, 768, …: the numbers below 1024 by their reversed binary digits, those below 784 of
                      them (Gu, Goel & Ré 2022)
        file          an .npy file of 784 integers (van der Westhuizen & Lasenby 2018, "The Unreasonable Effectiveness
                      of the Forget Gate", whose file is misc/pmnist_permutation_mask.npy of
                      https://github.com/JosvanderWesthuizen/janet)
    """

    name: Literal["pmnist"] = "pmnist"
    permutation: Literal["seeded", "bit_reversal", "file"] = "seeded"
    permutation_seed: int = Field(default=0, ge=0)
    permutation_path: str | None = None
    permutation_sha256: Sha256 | None = None
    """Hash of the file; null computes it."""

    @model_validator(mode="after")
    def _a_file_is_named_where_it_is_read(self) -> Self:
        if self.permutation_path is not None and self.permutation != "file":
            raise ValueError(f"permutation_path={self.permutation_path} needs permutation=file, not {self.permutation}")
        return self

    def pinned(self) -> Self:
        pinned = super().pinned()
        if self.permutation != "file" or self.permutation_sha256 is not None:
            return pinned
        content = read_own_file("permutation_path", self.permutation_path, None, _PERMUTATION)
        return pinned.model_copy(update={"permutation_sha256": hashlib.sha256(content).hexdigest()})

    def order(self) -> NDArray[np.int64]:
        """Return (784,) which pixel is seen at each step.

        Raises :class:`UserError` in one line if a file of it is missing or has another hash, or is no permutation.
        """
        if self.permutation == "seeded":
            return generator(self.permutation_seed, "permutation").permutation(_PIXELS)
        if self.permutation == "bit_reversal":
            return _bit_reversal(_PIXELS)
        return _permutation_file(self.permutation_path, self.permutation_sha256, _PIXELS)

    def unpack(self, packed: Batch) -> Batch:
        return packed._replace(inputs=self.standardised(packed.inputs[self.order()].astype(np.float32) / 255))


class SequentialCifar10(_PictureTask):
    """Photographs of ten kinds of things, row by row: inputs (1024, batch, 3), or (1024, batch, 1) in grey."""

    name: Literal["scifar10"] = "scifar10"
    colours: Literal["rgb", "grey"] = "rgb"
    """Red, green and blue at each step, or their brightness alone: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""

    chance: ClassVar[float] = 0.1
    chance_meaning: ClassVar[str] = "guessing a class"
    source: ClassVar[str] = "Krizhevsky 2009; as a sequence: Gu, Goel & Ré 2022"

    @property
    def input_size(self) -> int:
        return 3 if self.colours == "rgb" else 1

    @property
    def statistics(self) -> tuple[Any, Any]:
        return _RGB if self.colours == "rgb" else _GREY

    def unpack(self, packed: Batch) -> Batch:
        inputs = packed.inputs.astype(np.float32) / 255
        if self.colours == "grey":
            inputs = (inputs * _LUMA).sum(-1, keepdims=True)
        return packed._replace(inputs=self.standardised(inputs))

    def _pictures(self) -> PictureSet:
        return CIFAR10


@lru_cache(maxsize=2)
def _split(pictures: PictureSet, path: str | None, sha256: str | None, data_seed: int, validation_size: int) -> Splits:
    training, test = load_pictures(pictures, path, sha256)
    size = len(training.classes)
    if validation_size >= size:
        raise UserError(f"task.validation_size={validation_size}: must be less than {size}, the pictures for training")
    order = generator(data_seed, "split").permutation(size)
    return Splits(
        _batch(training, order[validation_size:]),
        _batch(training, order[:validation_size]),
        _batch(test, np.arange(len(test.classes))),
    )


def _batch(pictures: Pictures, chosen: NDArray[np.int64]) -> Batch:
    pixels = pictures.pixels[:, chosen]
    weights = np.ones(len(chosen), np.float32)
    return Batch(pixels, np.full(len(chosen), len(pixels), np.int64), pictures.classes[chosen], weights, weights.copy())


def _bit_reversal(pixels: int) -> NDArray[np.int64]:
    """Return the numbers below ``pixels`` in the order of their reversed binary digits."""
    digits = (pixels - 1).bit_length()
    reversed_numbers = [int(format(number, f"0{digits}b")[::-1], 2) for number in range(2**digits)]
    return np.array([number for number in reversed_numbers if number < pixels], np.int64)


@lru_cache(maxsize=2)
def _permutation_file(path: str | None, sha256: str | None, pixels: int) -> NDArray[np.int64]:
    content = read_own_file("permutation_path", path, sha256, _PERMUTATION)
    # a file that numpy cannot read, or that would need pickle
    try:
        order: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"task.permutation_path={path}: must be {_PERMUTATION}; numpy cannot read it") from error
    if not isinstance(order, np.ndarray) or order.dtype.kind not in "iu" or not _permutes(order, pixels):
        raise UserError(f"task.permutation_path={path}: must be {_PERMUTATION}: each of 0 … {pixels - 1} once")
    return order.astype(np.int64)


def _permutes(order: NDArray[Any], pixels: int) -> bool:
    return order.shape == (pixels,) and np.array_equal(np.sort(order), np.arange(pixels))
