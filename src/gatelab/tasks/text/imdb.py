"""Film reviews, byte by byte: does the writer recommend the film.

    input    71  114  101  97  116  32  102  105  108  109  33        the bytes of "Great film!" in UTF-8
    target                                                    1       1 for a positive review, 0 for a negative one

The first ``length`` bytes of a review are read, 4096 in the form of the Long Range Arena; shorter reviews are padded.
The 25,000 public test reviews are the test; ``validation_size`` of the 25,000 for training are cut from them, by
``data_seed`` alone. Half of the test reviews are positive, so that guessing gives an accuracy of 0.5; perfect is 1.

Source: Maas et al. 2011, "Learning Word Vectors for Sentiment Analysis"; byte by byte: Tay et al. 2021, "Long Range
Arena: A Benchmark for Efficient Transformers", section 2.2.2.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gatelab.errors import UserError
from gatelab.randomness import generator
from gatelab.tasks.losses import Measure, accuracy, cross_entropy
from gatelab.tasks.sources.byte_arrays import PackedTask, Splits, pad
from gatelab.tasks.sources.fetch import PublicDataset, Sha256, check_content, load_public
from gatelab.tasks.sources.usual_names import FileState, state_of
from gatelab.tasks.task import Batch

__all__ = ["ImdbBytes"]

_IMDB = PublicDataset("stanfordnlp/imdb", "plain_text", "e6281661ce1c48d982bc483cf8a173c1bbeb5d31", "84 MB")


class ImdbBytes(PackedTask):
    """Film reviews: inputs (time, batch) bytes, targets (batch,) classes 0 or 1.

    Reading the data raises :class:`UserError` in one line if they are not there, cannot be fetched, have another hash
    or are not such reviews, or if ``validation_size`` leaves nothing to train on.
    """

    name: Literal["imdb_bytes"] = "imdb_bytes"
    path: str | None = None
    """A local folder with splits train and test; null takes the public reviews from the cache of Hugging Face datasets,
    after fetching them if need be."""
    sha256: Sha256 | None = None
    """Hash of all reviews and classes; null is enough for the public ones, and is computed of a local copy."""
    length: int = Field(default=4096, ge=1)
    """Bytes of a review that are read at most."""
    data_seed: int = Field(default=0, ge=0)
    validation_size: int = Field(default=2500, ge=1)

    reads_tokens: ClassVar[bool] = True
    input_size: ClassVar[int] = 256
    output_size: ClassVar[int] = 2
    readout: ClassVar[Literal["last", "every"]] = "last"
    loss: ClassVar[Measure] = cross_entropy
    score: ClassVar[Measure] = accuracy
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    chance: ClassVar[float] = 0.5
    chance_meaning: ClassVar[str] = "guessing"
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = "Maas et al. 2011; byte by byte: Tay et al. 2021, section 2.2.2"

    def splits(self) -> Splits:
        return _splits(self.path, self.pinned().sha256, self.length, self.data_seed, self.validation_size)

    def pinned(self) -> Self:
        if self.path is None or self.sha256 is not None:
            return self
        return self.model_copy(update={"sha256": _loaded(self.path, state_of(self.path))[1]})

    def unpack(self, packed: Batch) -> Batch:
        return packed._replace(inputs=packed.inputs.astype(np.int64))


_Part = tuple[list[bytes], NDArray[np.int64]]


@lru_cache(maxsize=2)
def _loaded(path: str | None, state: FileState) -> tuple[list[_Part], str]:  # noqa: ARG001 - of the cache
    """Return the reviews of training and test with their classes, and their hash."""
    named = _IMDB.identifier if path is None else f"task.path={path}"
    found = load_public(_IMDB, path, dict.fromkeys(("train", "test"), ("text", "label")))
    content = hashlib.sha256()
    parts: list[_Part] = []
    for split, (texts, labels) in found.items():
        classes = np.asarray(labels[:])
        if not len(classes) or classes.dtype.kind not in "iu" or not np.isin(classes, (0, 1)).all():
            raise UserError(f"{named}, {split}: labels must be 0 or 1, and there must be some")
        reviews = [text.encode() for text in texts]
        for review in (str(len(reviews)).encode(), *reviews, classes.astype(np.uint8).tobytes()):
            content.update(hashlib.sha256(review).digest())
        parts.append((reviews, classes.astype(np.int64)))
    return parts, content.hexdigest()


@lru_cache(maxsize=2)
def _splits(path: str | None, sha256: str | None, length: int, data_seed: int, validation_size: int) -> Splits:
    loaded, found = _loaded(path, state_of(path))
    check_content("path", path, sha256, found)
    # a review of nothing would have no last step to answer at: it is read as one byte 0, as padding is
    (rows, classes), (test_rows, test_classes) = (
        ([np.frombuffer(review[:length] or b"\0", np.uint8) for review in reviews], classes)
        for reviews, classes in loaded
    )
    if validation_size >= len(rows):
        raise UserError(f"task.validation_size={validation_size}: must be less than {len(rows)}, those for training")
    order = generator(data_seed, "split").permutation(len(rows))
    validation, training = order[:validation_size], order[validation_size:]
    return Splits(
        _batch([rows[index] for index in training], classes[training]),
        _batch([rows[index] for index in validation], classes[validation]),
        _batch(test_rows, test_classes),
    )


def _batch(rows: list[NDArray[np.uint8]], classes: NDArray[np.int64]) -> Batch:
    inputs, lengths, _ = pad(rows)
    weights = np.ones(len(rows), np.float32)
    return Batch(inputs, lengths, classes, weights, weights.copy())
