"""Tasks whose loss can be chosen: that of today, or the squared error of logistic outputs as before 2000."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from gatelab.keys import Key
from gatelab.tasks.losses import (
    Measure,
    class_squared_error,
    cross_entropy,
    logistic_squared_error,
    set_cross_entropy,
    set_squared_error,
    squared_error,
)
from gatelab.tasks.task import Task

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ClassTask", "NumberTask", "SetTask"]


class _ChosenLoss(Task):
    loss: Annotated[
        Literal["cross_entropy", "squared"],
        Key("cross_entropy, or squared: half the squared error of logistic outputs", neutral="cross_entropy"),
    ] = "cross_entropy"
    """Scores are those of the outputs before the logistic function, which changes the order of none."""

    of_loss: ClassVar[dict[str, Measure]]
    """The function of each choice."""

    @property
    def measured_loss(self) -> Measure:
        return self.of_loss[self.loss]


class ClassTask(_ChosenLoss):
    """A task whose targets are classes."""

    of_loss: ClassVar[dict[str, Measure]] = {"cross_entropy": cross_entropy, "squared": class_squared_error}


class SetTask(_ChosenLoss):
    """A task whose targets are sets, each member 0 or 1."""

    of_loss: ClassVar[dict[str, Measure]] = {"cross_entropy": set_cross_entropy, "squared": set_squared_error}


class NumberTask(Task):
    """A task whose targets are numbers from 0 to 1, minimised by their squared error."""

    output: Annotated[
        Literal["linear", "logistic"], Key("linear, or logistic: outputs are σ of the readout", neutral="linear")
    ] = "linear"

    loss: ClassVar[Measure] = squared_error

    def squashed(self, outputs: Tensor) -> Tensor:
        """Return the outputs of the network from those of the readout."""
        return outputs.sigmoid() if self.output == "logistic" else outputs

    @property
    def measured_loss(self) -> Measure:
        return logistic_squared_error if self.output == "logistic" else squared_error
