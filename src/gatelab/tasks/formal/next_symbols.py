"""Which symbols may come next: the shared part of a^n b^n and the languages of brackets.

    input    S  a  a  b  b
    target   a  a  a  b  T        the set of all symbols that the language allows now
                b  b

A set is right if every symbol is classified correctly, by the sign of its output. In the papers a string counts only if
all its sets are right; the share of right sets is the milder score, which a network can bring near 1 without counting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gatelab.tasks.chosen_loss import SetTask
from gatelab.tasks.losses import set_accuracy, so_far
from gatelab.tasks.task import Batch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LegalSymbols"]


class LegalSymbols(SetTask):
    """Predict the set of legal next symbols at every step: targets (time, batch, symbols) of 0 and 1.

    The loss weights of a sequence sum to one, and so do its score weights: scored by strings, all the weight is on
    the last step, whose score is 1 if this set and all before it are right.
    """

    scored: Literal["string", "step"] = Field(default="string")
    """What counts: strings of which every set is right, or sets."""

    evens_lengths: ClassVar[bool] = True
    readout: ClassVar[Literal["last", "every"]] = "every"
    higher_is_better: ClassVar[bool] = True
    perfect: ClassVar[float] = 1.0

    @property
    def score_name(self) -> str:
        return "strings with every set right" if self.scored == "string" else "sets right"

    @property
    def chance_meaning(self) -> str:
        return "the best set for each symbol that is read, whatever came before"

    def judged(self, inputs: NDArray[np.float32], lengths: NDArray[np.int64], targets: NDArray[np.float32]) -> Batch:
        """Return the batch of these sequences, weighted."""
        step = np.arange(len(inputs))[:, None]
        loss_weights = ((step < lengths) / lengths).astype(np.float32)
        score_weights = (step == lengths - 1).astype(np.float32) if self.scored == "string" else loss_weights.copy()
        return Batch(inputs, lengths, targets, loss_weights, score_weights)

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        right = set_accuracy(outputs, targets)
        return so_far(right) if self.scored == "string" else right
