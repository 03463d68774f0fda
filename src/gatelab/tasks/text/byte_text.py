"""Byte language modelling: which byte comes next, in any file.

    input    72 101 108 108 111        the bytes of "Hello!"
    target   101 108 108 111 33

A file is split by position, the first 90 %, the next 5 % and the last 5 %, or a folder has the three parts; each is cut
to pieces as characters are. Every byte is a token of its own: nothing is unknown, and nothing needs to be text. The
loss is in nats, the score in bits per byte; perfect is 0.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from gatelab.errors import UserError
from gatelab.tasks.losses import Measure, cross_entropy
from gatelab.tasks.sources.byte_arrays import PackedTask, Splits, cut
from gatelab.tasks.sources.fetch import Sha256
from gatelab.tasks.task import Batch
from gatelab.tasks.text.own_text import hash_of_text, read_byte_parts
from gatelab.tasks.text.vocabulary import frequency_cost

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Bytes"]

_BYTES = 256


class Bytes(PackedTask):
    """The bytes of any file, or of a folder with a file for each part: inputs and targets (time, batch) of 0 … 255."""

    name: Literal["bytes"] = "bytes"
    path: str | None = None
    sha256: Sha256 | None = None
    """Hash of the file; null computes it."""
    length: int = Field(default=200, ge=1)
    """Bytes that are predicted in a piece."""

    reads_tokens: ClassVar[bool] = True
    input_size: ClassVar[int] = _BYTES
    output_size: ClassVar[int] = _BYTES
    contiguous: ClassVar[bool] = True
    readout: ClassVar[Literal["last", "every"]] = "every"
    loss: ClassVar[Measure] = cross_entropy
    score_name: ClassVar[str] = "bits per byte"
    higher_is_better: ClassVar[bool] = False
    perfect: ClassVar[float] = 0.0
    source: ClassVar[str] = "any file; form of Karpathy 2015, char-rnn"

    @property
    def chance(self) -> float:
        """Measured on the file; without one, guessing among all bytes."""
        return 8.0 if self.path is None else frequency_cost(self.splits(), _BYTES) / math.log(2)

    @property
    def chance_meaning(self) -> str:
        return "guessing a byte" if self.path is None else "predicting each byte as often as it occurs in training"

    def pinned(self) -> Self:
        if self.path is None or self.sha256 is not None:
            return self
        return self.model_copy(update={"sha256": hash_of_text(self.path)})

    def splits(self) -> Splits:
        return _splits(self.path, self.pinned().sha256, self.length)

    def unpack(self, packed: Batch) -> Batch:
        weights = packed.loss_weights.astype(np.float32)
        inputs, targets = packed.inputs.astype(np.int64), packed.targets.astype(np.int64)
        return Batch(inputs, packed.lengths, targets, weights, weights.copy())

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(outputs, targets) / math.log(2)


@lru_cache(maxsize=2)
def _splits(path: str | None, sha256: str | None, length: int) -> Splits:
    parts = [np.frombuffer(content, np.uint8) for content in read_byte_parts(path, sha256)]
    if len(parts) == 1:
        size = len(parts[0])
        parts = np.split(parts[0], [size * 90 // 100, size * 95 // 100])
    if min(map(len, parts)) < 2:
        raise UserError(f"task.path={path}: its {sum(map(len, parts))} bytes are too few; each part needs at least 2")
    return Splits(*(cut(part, length) for part in parts))
