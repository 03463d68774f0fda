"""Unknown-delay recall: keep the pattern that came with the store flag until the recall flag comes.

    pattern   +-++  --+-  ++++  -+-+  0000
    store       1     0     0     0     0
    recall      0     0     0     0     1
    target                            +-++

Between the flags lie from ``shortest`` to ``length`` distractors, each number equally likely: patterns like the stored
one, but for the flag. Test sequences of a ``test_length`` beyond ``length`` have more distractors than all others. The
score is the fraction of bits whose sign is right: 1/2 without memory; perfect is 1.

Source: Schmidhuber 1992, "Learning to Control Fast-Weight Memories: An Alternative to Dynamic Recurrent Networks";
this form, with 4 bits and 5 to 30 random distractors (which that paper reportedly leaves open):
github.com/cybertronai/schmidhuber-problems, fast-weights-unknown-delay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from gatelab.tasks.task import Batch, RangeTask

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["UnknownDelayRecall"]


class UnknownDelayRecall(RangeTask):
    """A pattern to recall: inputs (time, batch, bits + 2) = pattern, store, recall; targets (batch, bits) of ±1."""

    name: Literal["unknown_delay_recall"] = "unknown_delay_recall"
    length: int = Field(default=30, ge=1)
    """The most distractors between the pattern and its recall."""
    shortest: int = Field(default=5, ge=0)
    """The fewest distractors."""
    bits: int = Field(default=4, ge=1)
    """Numbers of a pattern."""

    readout: ClassVar[Literal["last", "every"]] = "last"
    score_name: ClassVar[str] = "fraction of bits right"
    higher_is_better: ClassVar[bool] = True
    chance: ClassVar[float] = 0.5
    chance_meaning: ClassVar[str] = "guessing each bit"
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = "Schmidhuber 1992, in the form of cybertronai/schmidhuber-problems"

    @property
    def input_size(self) -> int:
        return self.bits + 2

    @property
    def output_size(self) -> int:
        return self.bits

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw delays and patterns; the first pattern of each sequence is the stored one."""
        recall = random.integers(self.shortest, self.length + 1, batch_size) + 1
        inputs = np.zeros((self.length + 2, batch_size, self.bits + 2), np.float32)
        inputs[..., : self.bits] = 2 * random.integers(0, 2, (self.length + 2, batch_size, self.bits)) - 1
        inputs[np.arange(self.length + 2)[:, None] >= recall] = 0
        inputs[0, :, self.bits] = 1
        inputs[recall, np.arange(batch_size), self.bits + 1] = 1
        weights = np.ones(batch_size, np.float32)
        return Batch(inputs, recall + 1, inputs[0, :, : self.bits].copy(), weights, weights.copy())

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean(-1)

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return ((outputs > 0) == (targets > 0)).to(outputs.dtype).mean(-1)
