"""A task outside gatelab."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from gatelab.tasks import Batch, GeneratedTask
from gatelab.tasks.losses import Measure, accuracy, cross_entropy


class Own(GeneratedTask):
    """Say which bit came first."""

    length: int = Field(default=5, ge=1)
    validation_size: int = 16
    test_size: int = 16

    input_size: ClassVar[int] = 1
    output_size: ClassVar[int] = 2
    readout: ClassVar[Literal["last", "every"]] = "last"
    loss: ClassVar[Measure] = cross_entropy
    score: ClassVar[Measure] = accuracy
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    chance: ClassVar[float] = 0.5
    chance_meaning: ClassVar[str] = "a guess"
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = "made up"

    def draw(self, random, batch_size):
        bits = random.integers(0, 2, (self.length, batch_size))
        weights = np.ones(batch_size, np.float32)
        lengths = np.full(batch_size, self.length, np.int64)
        return Batch(bits[..., None].astype(np.float32), lengths, bits[0], weights, weights.copy())
