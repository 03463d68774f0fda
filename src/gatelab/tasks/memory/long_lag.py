"""Noise-free long lag: predict every next symbol; the last one is the first one again.

    input    x  a4 a1 a4 a3            p = 5
    target  a4  a1 a4 a3  x
    judged                ^

Each sequence is x or y, then p - 1 distractors, then the first symbol again. The loss counts every step, the score only
the last, whose answer is p steps old. Without memory x is as good as y: accuracy 1/2; perfect is 1. The distractors are
drawn from all a1 … a(p-1) (``random``, experiment 2b: no local regularities), or are these themselves in order
(``fixed``, experiment 2a, which has two sequences in all: what validation and test show, training has shown). They can
be fewer or more than p - 1; in order they then begin again from a1.

Source: Hochreiter & Schmidhuber 1997, "Long Short-Term Memory", experiments 2a and 2b (section 5.2). Their outputs are
sigmoids trained on the squared error (``loss=squared``), and a sequence is right if every output at every step is off
by less than 0.25 (``judged=outputs``); by default a softmax is trained on the cross-entropy, and the greatest output
counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from gatelab.keys import Key
from gatelab.tasks.chosen_loss import ClassTask
from gatelab.tasks.losses import accuracy, so_far
from gatelab.tasks.task import Batch, LengthTask

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NoiseFreeLongLag"]

_TOLERANCE = 0.25  # of an output of the paper


class NoiseFreeLongLag(ClassTask, LengthTask):
    """The long lag without noise: inputs (time, batch, distractor_symbols + 2) one-hot, targets (time, batch) classes.

    Classes 0 … distractor_symbols - 1 are the distractors, then come x and y.
    """

    name: Literal["noise_free_long_lag"] = "noise_free_long_lag"
    length: int = Field(default=100, ge=2)
    """p of the paper: the steps from the first symbol to its return, and so the time steps of the input."""
    distractor_symbols: int = Field(default=99, ge=1)
    """How many different distractors there are; p - 1 in the paper."""
    distractors: Literal["random", "fixed"] = "random"
    """Whether the distractors are drawn, or come in order."""
    judged: Annotated[
        Literal["last", "outputs"],
        Key("last: the greatest output for the last symbol; outputs: every σ(output) of a sequence within 0.25",
            neutral="last"),
    ] = "last"  # fmt: skip

    readout: ClassVar[Literal["last", "every"]] = "every"
    higher_is_better: ClassVar[bool] = True
    perfect: ClassVar[float] = 1.0
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, experiments 2a and 2b"

    @property
    def score_name(self) -> str:
        """Which predictions of a sequence are judged, and how."""
        return "accuracy on the last symbol" if self.judged == "last" else "fraction of sequences within 0.25"

    @property
    def chance(self) -> float:
        """Of a network that remembers nothing: each answer is off by 1/2 or more for one of the two symbols."""
        return 0.5 if self.judged == "last" else 0.0

    @property
    def chance_meaning(self) -> str:
        return "predicting x always" if self.judged == "last" else "predicting 1/2 for x and y"

    @property
    def input_size(self) -> int:
        return self.distractor_symbols + 2

    @property
    def output_size(self) -> int:
        return self.distractor_symbols + 2

    def draw(self, random: np.random.Generator, batch_size: int) -> Batch:
        """Draw the symbol that returns and, unless they are fixed, the distractors."""
        symbols = np.empty((self.length + 1, batch_size), np.int64)
        symbols[0] = symbols[-1] = self.distractor_symbols + random.integers(0, 2, batch_size)
        if self.distractors == "random":
            symbols[1:-1] = random.integers(0, self.distractor_symbols, (self.length - 1, batch_size))
        else:
            symbols[1:-1] = np.arange(self.length - 1)[:, None] % self.distractor_symbols
        inputs = np.eye(self.input_size, dtype=np.float32)[symbols[:-1]]
        loss_weights = np.ones((self.length, batch_size), np.float32)
        score_weights = np.zeros((self.length, batch_size), np.float32)
        score_weights[-1] = 1
        return Batch(
            inputs, np.full(batch_size, self.length, np.int64), symbols[1:].copy(), loss_weights, score_weights
        )

    def scores(self, outputs: Tensor, targets: Tensor) -> Tensor:
        from torch.nn.functional import one_hot

        if self.judged == "last":
            return accuracy(outputs, targets)
        wanted = one_hot(targets, outputs.shape[-1]).to(outputs.dtype)
        return so_far(((outputs.sigmoid() - wanted).abs() < _TOLERANCE).all(-1).to(outputs.dtype))
